// What came of the calls of this visit, newest first.
import { $, announce, element } from "./dom.js";
import { plainName, plainText } from "./plain.js";

const KEPT = 50;

/**
 * @param {string} head what was called
 * @param {number} ms how long it took
 * @param {"good"|"bad"} outcome
 * @param {string} text the answer, or what went wrong
 */
export function addResult(head, ms, outcome, text) {
  const pre = element("pre", { textContent: plainText(text) });
  const item = element("li", {},
    element("div", { className: "result-head" }, element("code", { textContent: plainName(head, 300) }), element("span", { className: "time", textContent: `${ms.toFixed(1)} ms` })), pre);
  item.dataset.outcome = outcome;
  $("results").prepend(item);
  $("results-empty").hidden = true;
  if (pre.scrollHeight > pre.clientHeight) pre.tabIndex = 0; // the keyboard scrolls it, too
  while ($("results").children.length > KEPT) $("results").lastChild.remove();
  announce(`${plainName(head, 80)} ${outcome === "good" ? "answered" : "failed"}: ${plainName(text, 200)}`);
}

export function clearResults() {
  $("results").replaceChildren();
  $("results-empty").hidden = false;
}
