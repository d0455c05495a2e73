// app.wasm as its tests see it: one instance, its window, fields and texts.        (wasm-core/wasm/exports.h)
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const BUILD = resolve(ROOT, process.env.DAFFI_BUILD ?? "build/dev");
export const WINDOW = 16384;
export const HEAD_MAX = 32776;
export const [MORE, BAD, TOO_LARGE, NONE, MEMORY] = [-1, -2, -3, -4, -5];

export const wasmPath = join(BUILD, "js-client/app.wasm");
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
let compiled;

export function compile() {
  return (compiled ??= new WebAssembly.Module(readFileSync(wasmPath)));
}

/** The cases of tests/vectors/NAME. */
export function vectors(name) {
  const file = JSON.parse(readFileSync(join(ROOT, "tests/vectors", name), "utf8"));
  return file.cases ?? file.vectors;
}

export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export class App {
  /** `calls`: where its call ids start from; none: it is not told. */
  constructor(...calls) {
    this.wasm = new WebAssembly.Instance(compile(), {}).exports;
    this.wasm._initialize();
    const short = Object.entries(this.wasm).filter(([name]) => name.startsWith("daffi_wasm_"));
    /** Its functions by their names without daffi_wasm_. */
    this.call = Object.fromEntries(short.map(([name, run]) => [name.slice("daffi_wasm_".length), run]));
    this.call.seed(0x5eed, ...calls);
  }

  get memory() {
    return new Uint8Array(this.wasm.memory.buffer);
  }

  get head() {
    return new Uint8Array(this.wasm.memory.buffer, this.call.head(), HEAD_MAX);
  }

  get window() {
    return new Uint8Array(this.wasm.memory.buffer, this.call.window(), WINDOW);
  }

  get fields() {
    return new Int32Array(this.wasm.memory.buffer, this.call.fields(), 32);
  }

  int64(index) {
    return new DataView(this.wasm.memory.buffer, this.call.fields()).getBigInt64(index * 4, true);
  }

  float64(index) {
    return new DataView(this.wasm.memory.buffer, this.call.fields()).getFloat64(index * 4, true);
  }

  fault() {
    const at = this.call.fault();
    const { memory } = this;
    return decoder.decode(memory.subarray(at, memory.indexOf(0, at)));
  }

  /** Puts a text into the window; its length. */
  put(text) {
    const bytes = encoder.encode(text);
    this.window.set(bytes);
    return bytes.length;
  }

  windowText(length) {
    return length < 0 ? null : decoder.decode(this.window.slice(0, length));
  }

  /** The text whose address and length stand in two fields. */
  pointed(index) {
    const [at, length] = this.fields.subarray(index, index + 2);
    return decoder.decode(this.memory.slice(at, at + length));
  }

  /** Hands bytes to `read(address, length)` in the module's heap. */
  lend(bytes, read) {
    const given = typeof bytes === "string" ? encoder.encode(bytes) : bytes;
    const at = this.call.allocate(given.length);
    if (at === 0) throw new Error("no memory");
    try {
      this.memory.set(given, at);
      return read(at, given.length);
    } finally {
      this.call.release(at);
    }
  }

  readHandshake(json, replace = 1) {
    return this.lend(json, (at, length) => this.call.handshake_read(at, length, replace));
  }

  readEvent(json) {
    return this.lend(json, (at, length) => this.call.event_read(at, length));
  }

  handshake(name, methods) {
    const begun = this.call.handshake_begin(this.put(name), methods ? 1 : 0);
    if (begun < 0) return begun;
    for (const method of methods ?? []) {
      const added = this.call.handshake_method(this.put(method));
      if (added < 0) return added;
    }
    const length = this.call.handshake_end();
    return length < 0 ? length : decoder.decode(this.memory.slice(this.fields[0], this.fields[0] + length));
  }

  /** Decodes the message at the front of `bytes`; its offset or a refusal. */
  decode(bytes) {
    this.head.set(bytes.subarray(0, HEAD_MAX));
    return this.call.message_decode(Math.min(bytes.length, HEAD_MAX));
  }

  part(index) {
    const [at, length] = this.fields.subarray(index, index + 2);
    return decoder.decode(this.head.slice(at, at + length));
  }
}
