// A list of tabs as WAI-ARIA has it: one stop of the Tab key, arrows, Home and End move and choose.

/**
 * @param {HTMLElement} list of role tablist; its tabs name their panels by aria-controls
 * @param {(tab: HTMLElement) => void} onchoose
 * @returns {(tab: HTMLElement) => void} chooses one
 */
export function startTabs(list, onchoose) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  function choose(chosen) {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    onchoose(chosen);
  }
  list.addEventListener("click", ({ target }) => {
    const tab = target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(event.target);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    choose(tabs[next % tabs.length]);
    tabs[next % tabs.length].focus();
  });
  return choose;
}
