// Calls that somebody wants to find again: kept in this browser under a name, and carried to another one as a file.
import { $, announce, button, element } from "./dom.js";
import { readDraft, titleOf, whyNotKept } from "./draft.js";
import { Kept } from "./kept.js";
import { plainName } from "./plain.js";
import { startRoving } from "./roving.js";

const KEPT = 200;
const NAME_MOST = 80;
const FILE_MOST = 4194304; // bytes of a file that is read in
const FORMAT = "daffi-bridge saved calls";

function readEntry(value) {
  const draft = readDraft(value?.draft);
  if (!draft || typeof value.name !== "string" || value.name.trim() === "") return null;
  return { name: value.name.trim().slice(0, NAME_MOST), draft };
}

/** The calls in a file that was written here, or by anybody; throws a sentence when there are none in it. */
export function readFile(text) {
  let file;
  try { file = JSON.parse(text); } catch { file = null; }
  if (file?.format !== FORMAT || !Array.isArray(file.calls)) throw new Error(`this is no file of saved calls (JSON with "format": "${FORMAT}" and a list "calls")`);
  const calls = file.calls.slice(0, KEPT).map(readEntry).filter(Boolean);
  return { calls, refused: file.calls.length - calls.length };
}

/**
 * @param {{fill: (draft) => void, call: (draft) => void}} actions
 * @returns {{save: (draft) => void}}
 */
export function startSaved({ fill, call }) {
  const settle = startRoving($("saved"), "button");
  const kept = new Kept("daffi-bridge.saved", KEPT, readEntry, draw);

  const say = (text) => {
    $("saved-note").textContent = text;
    announce(text);
  };

  /** The name becomes a field; Enter takes what is in it, Escape leaves the name as it was. */
  function rename(entry, title) {
    const field = element("input", { value: entry.name, maxLength: NAME_MOST, className: "rename" });
    field.setAttribute("aria-label", "name of the saved call");
    let over = false;
    const end = (name) => {
      if (over) return;
      over = true;
      const index = kept.list.indexOf(entry);
      kept.replace(kept.list.map((other) => (other === entry && name.trim() ? { ...entry, name: name.trim() } : other)));
      $("saved").children[index]?.querySelector("button").focus();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(field.value);
      else if (event.key === "Escape") end(entry.name);
    });
    field.addEventListener("blur", () => end(field.value));
    title.replaceWith(field);
    field.select();
    field.focus();
  }

  function rowOf(entry) {
    const title = button(plainName(entry.name, NAME_MOST), "kept-title", () => fill(entry.draft));
    return element("li", { className: "kept" },
      element("div", { className: "kept-head" }, title),
      element("div", { className: "kept-line" },
        element("code", {}, element("bdi", { textContent: plainName(titleOf(entry.draft), 200) }), ` ${entry.draft.serde}`),
        element("span", { className: "kept-actions" }, button("Call", "quiet", () => call(entry.draft)), button("Rename", "quiet", () => rename(entry, title)),
          button("Delete", "quiet", () => {
            const index = kept.list.indexOf(entry);
            kept.remove(entry);
            ($("saved").children[Math.min(index, kept.list.length - 1)]?.querySelector("button") ?? $("tab-saved")).focus();
            say(`"${plainName(entry.name, NAME_MOST)}" is deleted`);
          }))));
  }

  function draw() {
    $("saved").replaceChildren(...kept.list.map(rowOf));
    $("saved-empty").hidden = kept.list.length > 0;
    $("export").disabled = kept.list.length === 0;
    $("saved-fault").textContent = kept.fault ? `This browser keeps nothing here (${kept.fault}): what is saved ends with the page. Export it.` : "";
    settle();
  }

  function exportFile() {
    const text = JSON.stringify({ format: FORMAT, calls: kept.list }, null, 2);
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href: url, download: "daffi-calls.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  async function importFile() {
    const [file] = $("import-file").files;
    $("import-file").value = "";
    if (!file) return;
    try {
      if (file.size > FILE_MOST) throw new Error(`it has ${file.size} bytes (at most ${FILE_MOST} are read)`);
      const { calls, refused } = readFile(await file.text());
      const there = new Set(kept.list.map((entry) => JSON.stringify(entry)));
      const fresh = calls.filter((entry) => !there.has(JSON.stringify(entry)));
      if (fresh.length > 0) kept.replace([...fresh, ...kept.list]);
      say(`${fresh.length} calls came with the file${calls.length > fresh.length ? `, ${calls.length - fresh.length} were here already` : ""}${refused ? `, ${refused} can't be read` : ""}`);
    } catch (error) {
      say(`The file can't be read: ${error.message}`);
    }
  }

  $("export").addEventListener("click", exportFile);
  $("import").addEventListener("click", () => $("import-file").click());
  $("import-file").addEventListener("change", importFile);
  draw();
  return {
    save(draft) {
      const fault = whyNotKept(draft);
      if (fault) return void say(`This call can't be saved: ${fault}`);
      const name = plainName(titleOf({ ...draft, style: "" }).replace(/^\(.*?\)\./, ""), NAME_MOST);
      kept.add({ name, draft: { ...draft } });
      say(`"${name}" is saved`);
    },
  };
}
