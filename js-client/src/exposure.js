// What this client offers to others: functions by name, and the answers to those who call them.
import { DaffiError, describe, refused } from "./errors.js";
import { ERROR_MODULE } from "./generated.js";
import { isName, NAMES } from "./names.js";
import { encodeText, showText } from "./text.js";
import { decodeRequest, encodeResult } from "./values.js";
import { ERROR, JSON_SERDE, RESPONSE } from "./wire.js";

const TEXT_MAX = 16384;
const MODULE = "javascript"; // Python shows a class by module and name

function checkFunctionName(call, name) {
  if (!isName(name)) throw refused(`${call}: a function's name`, name, NAMES);
}

export class Exposure {
  #functions = new Map();
  #taken = new Map(); // those of them that a server took last, which stand again when it refuses others in their place

  get names() {
    return [...this.#functions.keys()];
  }

  /** Adds them; → a function to be told whether the server has `taken` them: else they go again. */
  add(functions) {
    if (functions === null || typeof functions !== "object" || Array.isArray(functions)) throw refused("expose: functions", functions, "an object is accepted: { name: function, … }");
    const entries = Object.entries(functions);
    for (const [name, run] of entries) {
      checkFunctionName("expose", name);
      if (typeof run !== "function") throw refused(`expose: ${name}`, run, "a function is accepted");
    }
    for (const [name, run] of entries) this.#functions.set(name, run);
    return (taken) => {
      for (const [name, run] of entries) {
        if (!this.#functions.has(name)) continue; // unexposed meanwhile
        if (taken) this.#taken.set(name, run);
        else if (this.#functions.get(name) !== run) continue; // another one has its place
        else if (this.#taken.has(name)) this.#functions.set(name, this.#taken.get(name));
        else this.#functions.delete(name);
      }
    };
  }

  remove(names) {
    for (const name of names) checkFunctionName("unexpose", name);
    for (const name of names) {
      this.#functions.delete(name);
      this.#taken.delete(name);
    }
  }

  /** Runs what `message` asks for. → promise of { flag, decoder, payload }, or of null where no answer is wanted; it never rejects. */
  async answer(core, message, method) {
    const run = this.#functions.get(method);
    try {
      if (!run) throw new DaffiError("no-such-method", `this page exposes no function "${method}"`);
      const result = await run(...decodeRequest(core, message, method));
      return message.returnResult ? { flag: RESPONSE, decoder: message.decoder, payload: encodeResult(core, message.decoder, method, result) } : null;
    } catch (error) {
      if (message.returnResult) return errorAnswer(error);
      if (run) console.error(`daffi: ${method}, which ${message.caller} called, failed:`, error);
      return null;
    }
  }
}

/** [type, module, text] of whatever was thrown. */
function readError(error) {
  const ours = error instanceof DaffiError && error.code !== "remote";
  const name = ours ? error.code.replace(/(^|-)(.)/g, (_, __, letter) => letter.toUpperCase()) : error?.name;
  const said = error instanceof Error ? error.message : error;
  const text = typeof said === "string" ? said : describe(said);
  return [typeof name === "string" && /^\w{1,100}$/.test(name) ? name : "Error", ours ? ERROR_MODULE : MODULE, showText(encodeText(text.slice(0, TEXT_MAX)))];
}

/** An ERROR in JSON, which callers of every serde understand: Python raises an exception of that class and text. Never throws: a caller waits. */
export function errorAnswer(error) {
  let read;
  try {
    read = readError(error);
  } catch {
    read = ["Error", MODULE, "an error that can't be read"]; // a getter of it throws, or it is a revoked proxy
  }
  return { flag: ERROR, decoder: JSON_SERDE, payload: { bytes: encodeText(JSON.stringify({ args: [[...read, null]], kwargs: {} })), isBytes: false } };
}
