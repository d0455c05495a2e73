// The form that a call is made with.
import { $, element } from "./dom.js";
import { plainName } from "./plain.js";

const FIELDS = { functionName: "function", receiver: "receiver", args: "arguments", kwargs: "kwargs", timeout: "timeout" };
const SUGGESTED_MOST = 2000;
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

/** What stands in it now. */
export function formDraft() {
  const draft = { style: chosen("style"), serde: chosen("serde") };
  for (const [field, id] of Object.entries(FIELDS)) draft[field] = $(id).value;
  return draft;
}

/** Raw is one text as it is. */
function fitFields() {
  const raw = chosen("serde") === "raw";
  $("kwargs-field").hidden = raw;
  $("arguments-label").textContent = raw ? "The text to send, as it is" : "Arguments, separated by commas";
}

/** Lets the receiver be `name`, who may have left: a call is never sent to somebody else instead. */
function setReceiver(name) {
  const select = $("receiver");
  select.value = name;
  if (select.value === name) return;
  select.append(element("option", { value: name, textContent: `${plainName(name, 60)} (not connected)` }));
  select.value = name;
}

/** Puts a draft into it. */
export function fillForm(draft) {
  for (const name of ["style", "serde"]) document.querySelector(`input[name=${name}][value=${draft[name]}]`).checked = true;
  for (const [field, id] of Object.entries(FIELDS)) if (field !== "receiver") $(id).value = draft[field];
  setReceiver(draft.receiver);
  fitFields();
  $("call").dispatchEvent(new Event("input"));
}

/** Chooses a function of one member for the next call. */
export function chooseFunction(functionName, member) {
  $("function").value = functionName;
  setReceiver(member);
  $("call").dispatchEvent(new Event("input"));
  $("arguments").focus();
}

/** Offers who is there, and what they can be asked for. */
export function offerMembers(others) {
  const receiver = $("receiver").value;
  const able = others.filter((member) => member.methods?.length).slice(0, SUGGESTED_MOST);
  $("receiver").replaceChildren(element("option", { value: "", textContent: "any, in turn" }),
    ...able.map((member) => element("option", { value: member.name, textContent: plainName(member.name, 60) })));
  setReceiver(receiver);
  const functions = [...new Set(able.flatMap((member) => member.methods.slice(0, SUGGESTED_MOST)))].sort().slice(0, SUGGESTED_MOST);
  $("functions").replaceChildren(...functions.map((name) => element("option", { value: name })));
}

/** @param {() => void} oncall @param {() => void} onchange when a field says something else */
export function startForm(oncall, onchange) {
  $("call").addEventListener("submit", (event) => {
    event.preventDefault();
    oncall();
  });
  $("call").addEventListener("input", () => {
    fitFields();
    onchange();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || $("keys-dialog").open) return;
    event.preventDefault(); // a field would submit it once more
    $("call").requestSubmit();
  });
}
