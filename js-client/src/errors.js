// What a caller is told: one Error class with a code, and the wording of refused arguments.
import { ERROR_CODES, ERROR_MODULE } from "./generated.js";

/** Every rejection that is not a refused argument. `code` is one of wasm-core/errors.def. */
export class DaffiError extends Error {
  static name = "DaffiError"; // which shortening would take from it

  /** `details`: what else is known (member, method, remoteType …); `cause` becomes Error's own. */
  constructor(code, message, { cause, ...details } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    Object.assign(this, details);
  }

  toJSON() {
    return { name: this.name, code: this.code, message: this.message, ...this };
  }
}
DaffiError.prototype.name = "DaffiError";

/** The error that `[type, module, text]` of a peer's ERROR stands for; the bridge's own carry their code in the type. */
export function remoteError([type, module, text], details) {
  const code = module === ERROR_MODULE && ERROR_CODES.find((known) => known.replace(/-/g, "") === type.toLowerCase());
  if (code && code !== "remote") return new DaffiError(code, text, details);
  return new DaffiError("remote", type ? `${type}: ${text}` : text, { ...details, remoteType: type, remoteModule: module, remoteMessage: text });
}

/** What kind of object it is, by the language itself: "[object Date]". */
export const tagOf = (value) => Object.prototype.toString.call(value);

/** Whether JSON would leave it out, or make it null, without a word. */
export const isLost = (value) => ["function", "symbol"].includes(typeof value);

/** A short text for any value, for messages: never long. */
export function describe(value) {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return value !== null && typeof value === "object" ? tagOf(value) : String(value);
}

/** A TypeError that names the argument, its value and what is accepted. */
export function refused(argument, value, accepted) {
  return new TypeError(`${argument} is ${describe(value)}: ${accepted}`);
}

/** The TypeError of a value that a serde has no form for. */
export function unsendable(argument, value, serde, cause) {
  const accepted = `null, booleans, numbers, text, arrays and plain objects${serde === "JSON" ? "" : ", BigInt of 64 bits, bytes, Date and Map"} are accepted`;
  return new TypeError(`${argument} is ${describe(value)}, which can't be sent as ${serde}: ${cause?.message ?? cause}; ${accepted}`, { cause });
}
