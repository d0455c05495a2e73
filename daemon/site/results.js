// What came of the calls of this visit, and those that are under way: newest first.
import { $, announce, button, element } from "./dom.js";
import { plainName, plainText } from "./plain.js";

const KEPT = 50;
const TICK_MS = 100;

/** Those that are over: what is under way is never thrown away, its button would go with it. */
const settled = () => $("results").querySelectorAll(":scope > :not([data-outcome=pending])");

/**
 * Shows a call as it begins. What takes longer than a moment has the time that passes, and a button that gives it up.
 * @param {string} head what is called
 * @param {(() => void)|null} cancel null: there is no giving it up
 * @returns {(outcome: "good"|"bad", text: string) => number} to be called once, with the answer or what went wrong: how long it took, in ms
 */
export function beginResult(head, cancel) {
  const begun = performance.now();
  const name = plainName(head, 300);
  const time = element("span", { className: "time" });
  const stop = button("Cancel", "", cancel);
  stop.hidden = true;
  stop.setAttribute("aria-label", `Cancel ${name}`);
  const pre = element("pre");
  const item = element("li", {}, element("div", { className: "result-head" }, element("code", { textContent: name }), time, stop), pre);
  item.dataset.outcome = "pending";
  $("results").prepend(item);
  $("results-empty").hidden = true;

  const tick = setInterval(() => {
    time.textContent = `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    if (pre.textContent !== "") return;
    stop.hidden = cancel === null;
    pre.textContent = "waiting for the answer …";
    announce(`${plainName(head, 80)} is under way`);
  }, TICK_MS);

  return (outcome, text) => {
    const ms = performance.now() - begun;
    clearInterval(tick);
    if (document.activeElement === stop) $("tab-results").focus(); // the button goes
    stop.remove();
    time.textContent = `${ms.toFixed(1)} ms`;
    pre.textContent = plainText(text);
    item.dataset.outcome = outcome;
    if (pre.scrollHeight > pre.clientHeight) pre.tabIndex = 0; // the keyboard scrolls it, too
    for (const old of [...settled()].slice(KEPT)) old.remove();
    announce(`${plainName(head, 80)} ${outcome === "good" ? "answered" : "failed"}: ${plainName(text, 200)}`);
    return ms;
  };
}

/** Shows what was over as it began. */
export function addResult(head, outcome, text) {
  beginResult(head, null)(outcome, text);
}

export function clearResults() {
  for (const old of settled()) old.remove();
  $("results-empty").hidden = $("results").children.length > 0;
}
