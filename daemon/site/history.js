// The calls that were made, in this browser's memory: to look at, to fill in again, to make again, to save.
import { $, button, element, timeOf } from "./dom.js";
import { readDraft, titleOf, whyNotKept } from "./draft.js";
import { Kept } from "./kept.js";
import { plainName } from "./plain.js";
import { startRoving } from "./roving.js";

const KEPT = 100;
const KEPT_ANSWER = 160;

function readEntry(value) {
  const draft = readDraft(value?.draft);
  const { at, ms, outcome, answer } = value ?? {};
  if (!draft || !Number.isFinite(at) || Math.abs(at) > 8e15 || !Number.isFinite(ms) || !["good", "bad"].includes(outcome) || typeof answer !== "string") return null;
  return { draft, at, ms, outcome, answer: answer.slice(0, KEPT_ANSWER) };
}

/**
 * @param {{fill: (draft) => void, call: (draft) => void, save: (draft) => void}} actions
 * @returns {{add: (draft, outcome: "good"|"bad", ms: number, text: string) => void}}
 */
export function startHistory({ fill, call, save }) {
  const settle = startRoving($("history"), "button");
  const kept = new Kept("daffi-bridge.history", KEPT, readEntry, draw);

  function rowOf({ draft, at, ms, outcome, answer }) {
    const row = element("li", { className: "kept" },
      element("div", { className: "kept-head" }, element("code", {}, element("bdi", { textContent: plainName(titleOf(draft), 200) })), timeOf(at)),
      element("div", { className: "kept-line" },
        element("span", { className: "outcome", textContent: `${draft.serde} · ${ms.toFixed(1)} ms · ` }, element("bdi", { textContent: plainName(answer, KEPT_ANSWER) })),
        element("span", { className: "kept-actions" }, button("Fill in", "quiet", () => fill(draft)), button("Call again", "quiet", () => call(draft)), button("Save", "quiet", () => save(draft)))));
    row.dataset.outcome = outcome;
    return row;
  }

  function draw() {
    $("history").replaceChildren(...kept.list.map(rowOf));
    $("history-empty").hidden = kept.list.length > 0;
    $("history-bar").hidden = kept.list.length === 0;
    $("history-fault").textContent = kept.fault ? `This browser keeps nothing here (${kept.fault}): the history ends with the page.` : "";
    settle();
  }

  $("history-clear").addEventListener("click", () => {
    kept.replace([]);
    $("tab-history").focus();
  });
  draw();
  return {
    add(draft, outcome, ms, text) {
      if (whyNotKept(draft) === null) kept.add({ draft, at: Date.now(), ms, outcome, answer: text.replace(/\s+/g, " ").slice(0, KEPT_ANSWER) });
    },
  };
}
