// Who came, went or was thrown out, newest first.
import { $, element, everyFrame, timeOf } from "./dom.js";
import { plainName } from "./plain.js";

const KEPT = 200;
let waiting = [];

const draw = everyFrame(() => {
  const rows = waiting.slice(-KEPT).reverse().map(({ type, member, at }) => {
    const what = element("b", { textContent: type });
    what.dataset.type = type;
    return element("li", {}, timeOf(at), element("span", {}, element("bdi", { textContent: plainName(member) }), " ", what));
  });
  waiting = [];
  $("events").prepend(...rows);
  $("events-empty").hidden = true;
  while ($("events").children.length > KEPT) $("events").lastChild.remove();
});

export function showEvent(type, member) {
  waiting.push({ type, member, at: Date.now() });
  if (waiting.length > 2 * KEPT) waiting = waiting.slice(-KEPT);
  draw();
}
