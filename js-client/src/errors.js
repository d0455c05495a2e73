// What a caller is told: one Error class with a code, and the wording of refused arguments.
import { ERROR_CODES, ERROR_MODULE } from "./generated.js";

/** Every rejection that is not a refused argument. `code` is one of wasm-core/errors.def. */
export class DaffiError extends Error {
  /** `details`: what else is known (member, method, remoteType …); `cause` becomes Error's own. */
  constructor(code, message, { cause, ...details } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    Object.defineProperty(this, "name", { value: "DaffiError", configurable: true, writable: true });
    this.code = code;
    Object.assign(this, details);
  }

  toJSON() {
    return { name: this.name, code: this.code, message: this.message, ...this };
  }
}

/** The error that `[type, module, text]` of a peer's ERROR stands for; the bridge's own carry their code in the type. */
export function remoteError([type, module, text], { member, method }) {
  const code = (module === ERROR_MODULE && ERROR_CODES[type]) || "remote";
  if (code !== "remote") return new DaffiError(code, text, { member, method });
  return new DaffiError(code, type ? `${type}: ${text}` : text,
    { member, method, remoteType: type, remoteModule: module, remoteMessage: text });
}

/** A short text for any value, for messages: never throws, never long. */
export function describe(value) {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return Object.prototype.toString.call(value);
}

/** A TypeError that names the argument, its value and what is accepted. */
export function refused(argument, value, accepted) {
  return new TypeError(`${argument} is ${describe(value)}: ${accepted}`);
}
