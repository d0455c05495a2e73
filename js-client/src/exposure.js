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

  get names() {
    return [...this.#functions.keys()];
  }

  /** Adds them; → a function that takes back what was added. */
  add(functions) {
    if (functions === null || typeof functions !== "object" || Array.isArray(functions)) throw refused("expose: functions", functions, "an object is accepted: { name: function, … }");
    const entries = Object.entries(functions);
    for (const [name, run] of entries) {
      checkFunctionName("expose", name);
      if (typeof run !== "function") throw refused(`expose: ${name}`, run, "a function is accepted");
    }
    const before = new Map(this.#functions);
    for (const [name, run] of entries) this.#functions.set(name, run);
    return () => {
      for (const [name, run] of entries) {
        if (this.#functions.get(name) !== run) continue;
        if (before.has(name)) this.#functions.set(name, before.get(name));
        else this.#functions.delete(name);
      }
    };
  }

  remove(names) {
    for (const name of names) checkFunctionName("unexpose", name);
    for (const name of names) this.#functions.delete(name);
  }

  /** Runs what `message` asks for. → promise of { flag, decoder, payload }, which never rejects. */
  async answer(core, message, method) {
    const run = this.#functions.get(method);
    try {
      if (!run) throw new DaffiError("no-such-method", `this page exposes no function "${method}"`);
      const result = await run(...decodeRequest(core, message, method));
      return { flag: RESPONSE, decoder: message.decoder, payload: encodeResult(core, message.decoder, method, result) };
    } catch (error) {
      if (run && !message.returnResult) console.error(`daffi: ${method}, which ${message.caller} called, failed:`, error);
      return errorAnswer(error);
    }
  }
}

/** An ERROR in JSON, which callers of every serde understand: Python raises an exception of that class and text. */
export function errorAnswer(error) {
  const ours = error instanceof DaffiError && error.code !== "remote";
  const name = ours ? error.code.replace(/(^|-)(.)/g, (_, __, letter) => letter.toUpperCase()) : error?.name;
  const text = error instanceof Error ? error.message : typeof error === "string" ? error : describe(error);
  const tuple = [typeof name === "string" && /^\w{1,100}$/.test(name) ? name : "Error", ours ? ERROR_MODULE : MODULE, showText(encodeText(text.slice(0, TEXT_MAX))), null];
  return { flag: ERROR, decoder: JSON_SERDE, payload: { bytes: encodeText(JSON.stringify({ args: [tuple], kwargs: {} })), isBytes: false } };
}
