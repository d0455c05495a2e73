// Dark or light: as the system has it, until somebody says otherwise here. Not a module, so that it runs before the page is painted.
(() => {
  const KEY = "daffi-bridge.theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const named = (dark) => (dark ? "dark" : "light");
  let chosen = null;
  try { chosen = localStorage[KEY] ?? null; } catch { /* nothing is kept here: the choice lasts as long as the page */ }
  if (chosen !== "dark" && chosen !== "light") chosen = null;

  function show() {
    const dark = chosen ? chosen === "dark" : system.matches;
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    document.getElementById("theme")?.setAttribute("aria-checked", String(dark));
    return dark;
  }

  /** What the system has is no choice: it is followed again. */
  function change() {
    const next = named(!show());
    chosen = next === named(system.matches) ? null : next;
    try {
      if (chosen) localStorage[KEY] = chosen;
      else delete localStorage[KEY];
    } catch { /* as above */ }
    show();
  }

  system.addEventListener("change", show);
  show();
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", change);
  });
})();
