// app.wasm with one function that traps: what a bug in it would look like from outside.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CLIENT } from "./peers.mjs";

const UNREACHABLE = 0x00;
const [EXPORTS, CODE] = [7, 10]; // sections
const FUNCTION = 0; // kind of an export

/** Reads unsigned LEB128 numbers and bytes of a module one after another. */
class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  text() {
    const length = this.number();
    this.at += length;
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.at - length, length).toString();
  }
}

/** Where the contents of each section begin, by its number. */
function sectionsOf(bytes) {
  const sections = new Map();
  for (let at = 8; at < bytes.length;) {
    const reader = new Reader(bytes, at + 1);
    const size = reader.number();
    sections.set(bytes[at], reader.at);
    at = reader.at + size;
  }
  return sections;
}

/** Name → index of each exported function. The module imports nothing, so this is the index among its own, too. */
function functionsOf(bytes) {
  const reader = new Reader(bytes, sectionsOf(bytes).get(EXPORTS));
  const found = new Map();
  for (let count = reader.number(); count > 0; count--) {
    const name = reader.text();
    const kind = bytes[reader.at++];
    const index = reader.number();
    if (kind === FUNCTION) found.set(name, index);
  }
  return found;
}

export const module = new Uint8Array(readFileSync(join(CLIENT, "app.wasm")));

/** The functions that daffi.js can call, by name. */
export const exportedFunctions = [...functionsOf(module).keys()];

/** The module's bytes with a body for `name` that is nothing but `unreachable`. */
export function trapIn(name) {
  const bytes = module.slice();
  const reader = new Reader(bytes, sectionsOf(bytes).get(CODE));
  const index = functionsOf(bytes).get(name);
  reader.number();
  for (let before = 0; before < index; before++) {
    const size = reader.number();
    reader.at += size;
  }
  const size = reader.number();
  const end = reader.at + size - 1; // of the body's `end`
  for (let groups = reader.number(); groups > 0; groups--) {
    reader.number();
    reader.at++; // the type of these locals
  }
  bytes.fill(UNREACHABLE, reader.at, end);
  return bytes;
}

/** An address of that module for options.wasmUrl. */
export const trapUrl = (name) => `data:application/wasm;base64,${Buffer.from(trapIn(name)).toString("base64")}`;
