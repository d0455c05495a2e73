// The playground: who is there, what they offer, and a form that calls it. Plain DOM over daffi.js.
import { startCharts } from "./charts.js";
import { writeJavaScript, writePython } from "./code.js";
import { describe, readArguments, readKeywords } from "./values.js";

const $ = (id) => document.getElementById(id);
const KEPT_RESULTS = 50;
const KEPT_EVENTS = 200;

let client = null;
let connection = null;

/** The address that this page's own bridge answers WebSockets at. */
function ownAddress() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;
}

function showState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
  $("go").disabled = state !== "open";
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function logEvent(type, member) {
  const time = new Date();
  const item = element("li", {},
    element("time", { dateTime: time.toISOString(), textContent: time.toLocaleTimeString([], { hour12: false }) }),
    element("span", {}, `${member} `, element("b", { textContent: type })));
  item.querySelector("b").dataset.type = type;
  $("events").prepend(item);
  $("events-empty").hidden = true;
  while ($("events").children.length > KEPT_EVENTS) $("events").lastChild.remove();
}

/** Chooses a function (of one member, or of any) for the next call. */
function choose(functionName, member) {
  $("function").value = functionName;
  $("receiver").value = member;
  markChosen();
  $("arguments").focus();
}

function markChosen() {
  for (const chip of document.querySelectorAll(".functions button")) {
    const chosen = chip.dataset.function === $("function").value &&
      (chip.dataset.member === $("receiver").value || $("receiver").value === "");
    chip.setAttribute("aria-pressed", String(chosen));
  }
}

function showMembers() {
  const members = connection ? connection.members() : [];
  const others = members.filter((member) => member.name !== client.name);
  const receiver = $("receiver").value;
  $("members-count").textContent = String(others.length);
  $("members-empty").hidden = others.length > 0;
  $("members").replaceChildren(...members.map((member) => {
    const own = member.name === client.name;
    const chips = [...(member.methods ?? [])].sort().map((name) => {
      const chip = element("button", { type: "button", textContent: name, disabled: own });
      chip.dataset.function = name;
      chip.dataset.member = member.name;
      chip.addEventListener("click", () => choose(name, member.name));
      return chip;
    });
    const note = own ? " this page" : chips.length === 0 ? " offers nothing" : "";
    return element("li", {},
      element("div", { className: "member-name" }, member.name, element("span", { className: "member-note", textContent: note })),
      element("div", { className: "functions" }, ...chips));
  }));
  $("receiver").replaceChildren(element("option", { value: "", textContent: "any, in turn" }),
    ...others.filter((member) => member.methods?.length).map((member) =>
      element("option", { value: member.name, textContent: member.name })));
  if (others.some((member) => member.name === receiver)) $("receiver").value = receiver;
  const functions = [...new Set(others.flatMap((member) => member.methods ?? []))].sort();
  $("functions").replaceChildren(...functions.map((name) => element("option", { value: name })));
  markChosen();
}

function addResult(head, started, outcome, text) {
  const item = element("li", {},
    element("div", { className: "result-head" }, element("code", { textContent: head }),
      element("span", { className: "time", textContent: `${(performance.now() - started).toFixed(1)} ms` })),
    element("pre", { textContent: text }));
  item.dataset.outcome = outcome;
  $("results").prepend(item);
  $("results-empty").hidden = true;
  while ($("results").children.length > KEPT_RESULTS) $("results").lastChild.remove();
}

/** What the form asks for; throws a sentence when a field can't be read. */
function readForm() {
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
  const serde = chosen("serde");
  const args = readArguments($("arguments").value, serde);
  const keywords = serde === "raw" ? null : readKeywords($("kwargs").value);
  const options = { serde, timeout: $("timeout").value === "" ? null : Number($("timeout").value) };
  if ($("receiver").value) options.receiver = $("receiver").value;
  return { style: chosen("style"), functionName: $("function").value.trim(), options, args, keywords };
}

let lastCall = null;

/** Shows the code of the call just made, in the language chosen. */
function showCode() {
  $("code-shown").hidden = lastCall === null;
  $("code-empty").hidden = lastCall !== null;
  if (!lastCall) return;
  const python = document.querySelector("input[name=language]:checked").value === "python";
  $("code").textContent = python ? writePython(lastCall) : writeJavaScript(lastCall, new URL("/daffi.mjs", location.href).href);
  $("copy").textContent = "Copy";
}

async function copyCode() {
  try {
    await navigator.clipboard.writeText($("code").textContent);
    $("copy").textContent = "Copied";
  } catch { // not allowed here: it is marked, and a key away
    getSelection().selectAllChildren($("code"));
    $("copy").textContent = "Marked";
  }
}

function chooseTab(chosen) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.setAttribute("aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
  $("clear").hidden = chosen !== $("tab-results");
}

async function call() {
  const started = performance.now();
  let head = $("function").value.trim();
  try {
    const made = readForm();
    const { style, functionName, options, args, keywords } = made;
    lastCall = { url: $("url").value, ...made };
    showCode();
    const values = keywords ? [...args, globalThis.DaffiClient.kwargs(keywords)] : args;
    head = `${style}(${options.receiver ?? ""}).${functionName}(${$("arguments").value.trim()})`;
    const result = await connection[style](options)[functionName](...values);
    if (style === "rpc_nowait") addResult(head, started, "good", "sent; no answer is waited for");
    else addResult(head, started, "good", describe(result));
  } catch (error) {
    const code = error.code ? `${error.code}: ` : "";
    const where = error.remoteType ? ` (${error.remoteModule}.${error.remoteType} of ${error.member})` : "";
    addResult(head, started, "bad", `${code}${error.message}${where}`);
  }
}

/** Functions of this page: what others say to it is shown among the results. */
async function offer() {
  const started = performance.now();
  try {
    await client.expose({
      say(text) {
        addResult(`say(${JSON.stringify(text)})`, performance.now(), "good", "called by another member, shown here");
        return "it is shown";
      },
    });
    addResult("expose({ say })", started, "good", `others can call say of ${client.name}`);
    showMembers();
  } catch (error) {
    addResult("expose({ say })", started, "bad", `${error.code ?? error.name}: ${error.message}`);
  }
}

async function connect() {
  client?.stop();
  connection = null;
  showState("connecting", "connecting …");
  const mine = new globalThis.DaffiClient({ wsUrl: $("url").value, autoreconnect: true, reconnectDelay: 500 });
  client = mine;
  mine.addEventHandler(({ type, member }) => {
    if (client !== mine) return;
    logEvent(type, member);
    if (member === mine.name) {
      if (type === "connected") showState("open", `connected as ${mine.name}`);
      else showState(type === "evicted" ? "failed" : "connecting", type === "evicted" ? "another page took this name" : "connection lost, coming back …");
    }
    showMembers();
  });
  try {
    const opened = await mine.connect();
    if (client !== mine) return;
    connection = opened;
    showState("open", `connected as ${mine.name}`);
  } catch (error) {
    if (client === mine) showState("failed", error.message);
  }
  showMembers();
}

$("link").addEventListener("submit", (event) => { event.preventDefault(); connect(); });
$("call").addEventListener("submit", (event) => { event.preventDefault(); call(); });
$("call").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("call").requestSubmit();
});
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => chooseTab(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const next = { ArrowRight: tab.nextElementSibling, ArrowLeft: tab.previousElementSibling }[key];
    if (!next) return;
    chooseTab(next);
    next.focus();
  });
}
for (const radio of document.querySelectorAll("input[name=language]")) radio.addEventListener("change", showCode);
$("copy").addEventListener("click", copyCode);
$("offer").addEventListener("click", offer);
$("clear").addEventListener("click", () => { $("results").replaceChildren(); $("results-empty").hidden = false; });
for (const id of ["function", "receiver"]) $(id).addEventListener("input", markChosen);
for (const radio of document.querySelectorAll("input[name=serde]")) {
  radio.addEventListener("change", () => {
    const raw = radio.value === "raw" && radio.checked;
    $("kwargs-field").hidden = raw;
    $("arguments-label").textContent = raw ? "The text to send, as it is" : "Arguments, separated by commas";
  });
}
$("url").value = ownAddress();
startCharts($("charts"));
connect();
