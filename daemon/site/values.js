// Between what a person types or reads and what is called with or answered.
import { hexDump } from "./hex.js";

/**
 * Reads the arguments field.
 * @param {string} text JSON values separated by commas; for raw the text itself.
 * @param {"json"|"msgpack"|"raw"} serde
 * @returns {unknown[]} the arguments
 * @throws {Error} a sentence that says what is accepted
 */
export function readArguments(text, serde) {
  if (serde === "raw") return [text];
  try {
    return JSON.parse(`[${text}]`);
  } catch {
    throw new Error(`arguments can't be read: ${text} (JSON values separated by commas, such as 3, "text", [1, 2])`);
  }
}

/**
 * Reads the keyword arguments field.
 * @param {string} text a JSON object, or nothing
 * @returns {object|null}
 * @throws {Error} a sentence that says what is accepted
 */
export function readKeywords(text) {
  if (text.trim() === "") return null;
  let value;
  try { value = JSON.parse(text); } catch { value = undefined; }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`keyword arguments can't be read: ${text} (a JSON object, such as {"b": 4})`);
  }
  return value;
}

const DEEPEST = 200;
const FULL = Symbol("full");

/** Writes values as JSON is written, with two spaces, until it has written `most` characters. */
class Printer {
  pieces = [];
  #left;

  constructor(most) {
    this.#left = most;
  }

  put(text) {
    this.pieces.push(text.length > this.#left ? text.slice(0, this.#left) : text);
    this.#left -= text.length;
    if (this.#left < 0) throw FULL;
  }

  string(text) {
    this.put(JSON.stringify(text.length > this.#left ? text.slice(0, this.#left + 1) : text));
  }

  value(value, indent) {
    if (typeof value === "string") this.string(value);
    else if (typeof value === "bigint") this.put(`"${value}n"`);
    else if (typeof value === "number" && !Number.isFinite(value)) this.put(`"${value}"`);
    else if (value === null || typeof value !== "object") this.put(String(value));
    else if (value instanceof Date) this.put(Number.isNaN(value.getTime()) ? "null" : JSON.stringify(value));
    else if (value instanceof Uint8Array) this.put(`"<${value.length} bytes: ${[...value.subarray(0, 32)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}${value.length > 32 ? "…" : ""}>"`);
    else if (value instanceof Error) this.string(`${value.code ? `${value.code}: ` : ""}${value.message}`);
    else if (indent.length > DEEPEST * 2) this.put("\"… deeper than is shown\"");
    else this.#items(value, indent);
  }

  #items(value, indent) {
    const list = Array.isArray(value);
    const inner = `${indent}  `;
    let first = true;
    for (const [key, item] of list ? value.entries() : value instanceof Map ? value : Object.entries(value)) {
      this.put(`${first ? (list ? "[" : "{") : ","}\n${inner}`);
      first = false;
      if (!list) {
        this.string(String(key));
        this.put(": ");
      }
      this.value(item, inner);
    }
    this.put(first ? (list ? "[]" : "{}") : `\n${indent}${list ? "]" : "}"}`);
  }
}

/**
 * A result as text for people: JSON where it is JSON, and a readable form of the rest; bounded, however large it is.
 * @param {unknown} value what a call resolved to
 * @returns {string}
 */
export function describe(value, most = 65536) {
  if (value instanceof Uint8Array) {
    let text = "";
    try { text = `${JSON.stringify(new TextDecoder("utf-8", { fatal: true }).decode(value.subarray(0, 4096), { stream: true }))}\n`; } catch { /* no text */ }
    return `${value.length} bytes\n${text}${hexDump(value)}`;
  }
  const printer = new Printer(most);
  try {
    printer.value(value, "");
  } catch (error) {
    if (error !== FULL) throw error;
    printer.pieces.push(`\n… cut here, after ${most} characters`);
  }
  return printer.pieces.join("");
}
