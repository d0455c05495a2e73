// Keys: what each does, the list of them that people see, and their way to it.
import { $, element } from "./dom.js";

const KEY = "daffi-bridge.single-keys";
const TYPED = "input:not([type=radio], [type=checkbox]), textarea, select";

/**
 * @param {{key: string, does: string, run?: () => void}[]} table `run` is called for a single key, outside of fields; rows
 *   without one are only told of, as whoever has the focus sees to them.
 */
export function startKeys(table) {
  const dialog = $("keys-dialog");
  const single = $("single-keys");
  try { single.checked = localStorage[KEY] !== "off"; } catch { /* they are on */ }
  single.addEventListener("change", () => {
    try { localStorage[KEY] = single.checked ? "on" : "off"; } catch { /* as long as the page lives */ }
  });
  $("keys-table").append(...table.map(({ key, does }) => element("div", {},
    element("dt", {}, ...key.split(" ").map((name) => element("kbd", { textContent: name }))), element("dd", { textContent: does }))));
  const open = () => dialog.showModal();
  $("keys").addEventListener("click", open);
  $("keys-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || dialog.open) return;
    if (event.target.matches?.(TYPED)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") return void open();
    const row = single.checked ? table.find(({ key, run }) => run && key === event.key) : null;
    if (!row) return;
    event.preventDefault();
    row.run();
  });
}
