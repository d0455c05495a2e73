// The messages of this page's session, newest first, each to be opened: its header, its metadata, its payload as text, its bytes.
// Nothing is decoded before somebody opens it, and nothing is drawn while nobody looks.
import { $, element, everyFrame, timeOf } from "./dom.js";
import { SERDES } from "./header.js";
import { hexDump } from "./hex.js";
import { payloadOf, payloadText } from "./payload.js";
import { byteCount, plainName, plainText } from "./plain.js";
import { startRoving } from "./roving.js";
import { flagOf, KEPT_MESSAGES, serdeOf, Traffic } from "./traffic.js";

const DUMPED = 1024; // bytes of a message that are shown as such
const WAYS = { out: { arrow: "↑", said: "sent" }, in: { arrow: "↓", said: "received" } };

/** What it is about, in a few words. */
function subjectOf(message) {
  if (message.method) return message.method;
  if (flagOf(message) !== "EVENTS") return message.fault ? "" : flagOf(message).toLowerCase();
  try {
    const { type, member } = JSON.parse(new TextDecoder().decode(payloadOf(message)));
    return `${member} ${type}`;
  } catch {
    return "event";
  }
}

/** Who says it to whom; where a side is not named, nothing. */
const namesOf = ({ transmitter, receiver }) => [transmitter, receiver].filter(Boolean).map((name) => plainName(name, 60)).join(" → ");

const searchOf = (message) => [flagOf(message), subjectOf(message), message.transmitter, message.receiver, serdeOf(message), WAYS[message.direction].said].join(" ").toLowerCase();

function pairs(rows) {
  return element("dl", { className: "fields" }, ...rows.map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", {}, element("bdi", { textContent: value })))));
}

function part(title, note, ...content) {
  return element("section", {}, element("h4", {}, title, element("span", { className: "member-note", textContent: note ? ` ${note}` : "" })), ...content);
}

function block(text) {
  const pre = element("pre", { textContent: text, tabIndex: 0 });
  pre.setAttribute("role", "group");
  return pre;
}

/** All that is to be seen of a message. */
function detailOf(message) {
  const { header, bytes, fault } = message;
  const parts = fault ? [element("p", { className: "fault", textContent: `Broken: ${fault}.` })] : [];
  if (header) {
    const named = { flag: `${header.flag} ${flagOf(message)}`, decoder: `${header.decoder} ${SERDES[header.decoder]}` };
    parts.push(part("Header", "9 bytes", pairs(Object.entries(header).map(([name, value]) => [name, named[name] ?? String(value)]))));
    parts.push(part("Metadata", byteCount(header.metadata_len), pairs(["transmitter", "receiver", "method"].map((name) => [name === "method" ? "function" : name, plainName(message[name], 300) || "–"]))));
  }
  if (header && !fault) {
    const { text, note } = payloadText(message);
    const size = byteCount(header.msg_len - header.metadata_len);
    const shown = block(plainText(text));
    shown.setAttribute("aria-label", "payload as text");
    parts.push(part("Payload", `${serdeOf(message)}, ${size}${note ? ` (${note})` : ""}`, ...text === "" ? [] : [shown]));
  }
  const dump = block(hexDump(bytes, DUMPED));
  dump.classList.add("hex");
  dump.setAttribute("aria-label", "bytes of the message");
  parts.push(part("Bytes", byteCount(message.size), dump));
  return parts;
}

function rowOf(message) {
  const { direction, size, answerMs } = message;
  const { arrow, said } = WAYS[direction];
  const way = element("span", { className: "way", textContent: arrow });
  way.setAttribute("role", "img");
  way.setAttribute("aria-label", said);
  const flag = element("span", { className: "flag", textContent: flagOf(message) });
  const line = [serdeOf(message), byteCount(size), answerMs === null ? "" : `after ${answerMs.toFixed(1)} ms`, namesOf(message)].filter(Boolean).join(" · ");
  const summary = element("summary", { tabIndex: -1 }, way, flag,
    element("code", {}, element("bdi", { textContent: plainName(subjectOf(message), 80) })), timeOf(message.at), element("span", { className: "message-line" }, element("bdi", { textContent: line })));
  const details = element("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.open && !details.lastElementChild.matches(".detail")) details.append(element("div", { className: "detail" }, ...detailOf(message)));
  });
  const row = element("li", {}, details);
  Object.assign(row.dataset, { direction, flag: message.fault ? "BROKEN" : flagOf(message), number: message.number });
  return row;
}

/**
 * @returns {{hear: Traffic["hear"], look: () => void, pause: () => void}} `look`: the list has become visible
 */
export function startMessages() {
  const list = $("messages");
  const settle = startRoving(list, "summary");
  const draw = everyFrame(() => update());
  const traffic = new Traffic(draw);
  let drawn = 0; // number of the newest one that is in the list, or was passed over
  let paused = false;

  function update() {
    if ($("pane-messages").hidden) return;
    const { counted, messages } = traffic;
    const newest = messages.at(-1)?.number ?? 0;
    $("messages-count").textContent = `${counted.out} sent (${byteCount(counted.bytes.out)}), ${counted.in} received (${byteCount(counted.bytes.in)})${paused ? ` · paused, ${newest - drawn} new` : ""}`;
    if (paused) return;
    const sought = $("messages-filter").value.trim().toLowerCase();
    const fresh = messages.filter((message) => message.number > drawn && (sought === "" || searchOf(message).includes(sought)));
    list.prepend(...fresh.reverse().map(rowOf));
    while (list.children.length > KEPT_MESSAGES) list.lastChild.remove();
    drawn = newest;
    $("messages-empty").hidden = list.children.length > 0;
    $("messages-empty").textContent = messages.length > 0 ? "None of the messages has this in it." : "Every daffi message that this page sends or receives is shown here, decoded. Make a call.";
    settle();
  }

  function again() {
    list.replaceChildren();
    drawn = 0;
    draw();
  }

  function pause() {
    paused = !paused;
    $("messages-pause").setAttribute("aria-pressed", String(paused));
    draw();
  }

  $("messages-pause").addEventListener("click", pause);
  $("messages-filter").addEventListener("input", again);
  $("messages-clear").addEventListener("click", () => {
    traffic.clear();
    again();
  });
  return { hear: (direction, data) => traffic.hear(direction, data), look: draw, pause };
}
