// The playground: who is there, what they offer, a form that calls it, and what goes over the wire meanwhile. Plain DOM over daffi.js;
// this file puts the parts together.
import { chooseFunction, fillForm, formDraft, offerMembers, startForm } from "./call_form.js";
import { startCharts } from "./charts.js";
import { startCodePane } from "./code_pane.js";
import { $, everyFrame } from "./dom.js";
import { readCall, titleOf } from "./draft.js";
import { showEvent } from "./events.js";
import { startHistory } from "./history.js";
import { startKeys } from "./keys.js";
import { MemberList } from "./members.js";
import { startMessages } from "./messages.js";
import { plainName } from "./plain.js";
import { addResult, beginResult, clearResults } from "./results.js";
import { startSaved } from "./saved.js";
import { Session } from "./session.js";
import { startTabs } from "./tabs.js";
import { describe } from "./values.js";

/** The address that this page's own bridge answers WebSockets at. */
const ownAddress = () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const messages = startMessages();
const chooseTab = startTabs($("tabs"), (tab) => {
  if (tab.id === "tab-messages") messages.look();
});
const memberList = new MemberList(chooseFunction);
const showCode = startCodePane(formDraft, () => $("url").value);

const showMembers = everyFrame(() => {
  const { client, members } = session;
  memberList.show(members, client?.name, $("state").dataset.state === "open");
  offerMembers(members.filter((member) => member.name !== client?.name));
  memberList.mark();
});

const session = new Session({
  onstate(state, text) {
    $("state").dataset.state = state;
    $("state").textContent = plainName(text, 400);
    $("go").disabled = $("offer").disabled = state !== "open";
  },
  onmembers: showMembers,
  onevent: showEvent,
  onframe: messages.hear,
});

/** Makes the call of a draft, shows that it is under way and what comes of it, and remembers it. */
async function call(draft) {
  const canceller = new AbortController();
  const settle = beginResult(titleOf(draft), () => canceller.abort());
  let outcome = "good";
  let text;
  try {
    const { style, functionName, options, args, keywords } = readCall(draft);
    if (!session.connection) throw new Error("there is no connection: press Connect");
    const values = keywords ? [...args, globalThis.DaffiClient.kwargs(keywords)] : args;
    const result = await session.connection[style]({ ...options, signal: canceller.signal })[functionName](...values);
    text = style === "rpc_nowait" ? "sent; no answer is waited for" : describe(result);
  } catch (error) {
    outcome = "bad";
    const where = error.remoteType ? ` (${error.remoteModule}.${error.remoteType} of ${error.member})` : "";
    text = `${error.code ? `${error.code}: ` : ""}${error.message}${where}`;
    if (canceller.signal.aborted) text = "cancelled: its answer is not waited for any more; who was called is not told, and may still be at it";
  }
  const ms = settle(outcome, text);
  history.add(draft, outcome, ms, text);
}

const fill = (draft) => {
  fillForm(draft);
  $("go").focus();
};
const callAgain = (draft) => {
  fillForm(draft);
  chooseTab($("tab-results"));
  call(draft);
};
const saved = startSaved({ fill, call: callAgain });
const save = (draft) => {
  saved.save(draft);
  chooseTab($("tab-saved"));
};
const history = startHistory({ fill, call: callAgain, save });

/** Functions of this page: what others say to it is shown among the results. */
async function offer() {
  const settle = beginResult("expose({ say })", null);
  try {
    await session.client.expose({
      say(text) {
        addResult(`say(${describe(text, 200)})`, "good", "called by another member, shown here");
        return "it is shown";
      },
    });
    settle("good", `others can call say of ${session.client.name}`);
    showMembers();
  } catch (error) {
    settle("bad", `${error.code ?? error.name}: ${error.message}`);
  }
}

startForm(() => call(formDraft()), () => {
  memberList.mark();
  showCode();
});
$("link").addEventListener("submit", (event) => {
  event.preventDefault();
  session.connect($("url").value);
});
$("url").addEventListener("input", showCode);
$("offer").addEventListener("click", offer);
$("save").addEventListener("click", () => save(formDraft()));
$("clear").addEventListener("click", () => {
  clearResults();
  $("tab-results").focus();
});

const go = (id) => () => $(id).focus();
const toTab = (id) => () => {
  chooseTab($(id));
  $(id).focus();
};
startKeys([
  { key: "/", does: "find a member or a function", run: () => ($("members-filter").hidden ? $("members").querySelector("button:not(:disabled)") : $("members-filter"))?.focus() },
  { key: "f", does: "the function to call", run: go("function") },
  { key: "a", does: "its arguments", run: go("arguments") },
  { key: "Ctrl Enter", does: "call it, from anywhere" },
  { key: "s", does: "save the call", run: () => save(formDraft()) },
  { key: "1", does: "results", run: toTab("tab-results") },
  { key: "2", does: "code", run: toTab("tab-code") },
  { key: "3", does: "messages", run: toTab("tab-messages") },
  { key: "4", does: "history", run: toTab("tab-history") },
  { key: "5", does: "saved calls", run: toTab("tab-saved") },
  { key: "p", does: "pause the messages, or go on", run: messages.pause },
  { key: "t", does: "dark or light", run: () => $("theme").click() },
  { key: "← ↑ ↓ →", does: "move in lists and tabs" },
  { key: "Esc", does: "leave a field; close this" },
  { key: "?", does: "this list" },
]);

$("url").value = ownAddress();
showCode();
startCharts($("charts"));
session.connect($("url").value);
