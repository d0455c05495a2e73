// msgpack: values are walked here, each head is written and read by msgpack-c in app.wasm, 16 KiB at a time.
import { DaffiError, describe, tagOf, unsendable } from "./errors.js";
import { WINDOW } from "./core.js";
import { bytesOf, decodeText, encodeText, encodeTextInto } from "./text.js";

const DEPTH_MAX = 500; // Python's packer stops at 511
const VALUE_HEAD_MAX = 18;
const [INT64_MIN, INT64_MAX, UINT64_MAX] = [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n];
const scratch = new Uint8Array(4096);

class Packer {
  #out = new Uint8Array(1024);
  #length = 0; // bytes in #out
  #at = 0; // bytes in the window behind them
  #core;

  constructor(core) {
    this.#core = core;
  }

  /** Writes a head: `write` is one of the module's pack functions. */
  head(write, ...values) {
    if (this.#core.holder !== this) this.#core.hold(this);
    if (this.#at > WINDOW - VALUE_HEAD_MAX) this.flush();
    this.#at = write(this.#at, ...values);
  }

  bytes(bytes) {
    if (bytes.length > WINDOW - this.#at) this.flush();
    if (bytes.length > WINDOW) {
      this.#append(bytes);
    } else {
      this.#core.window.set(bytes, this.#at);
      this.#at += bytes.length;
    }
  }

  /** All that was flushed. */
  get packed() {
    return this.#out.subarray(0, this.#length);
  }

  flush() {
    this.#append(this.#core.window.subarray(0, this.#at));
    this.#at = 0;
  }

  #append(bytes) {
    if (this.#length + bytes.length > this.#out.length) {
      const grown = new Uint8Array(2 * (this.#length + bytes.length));
      grown.set(this.#out.subarray(0, this.#length));
      this.#out = grown;
    }
    this.#out.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(pack, text) {
    const bytes = text.length * 3 <= scratch.length ? scratch.subarray(0, encodeTextInto(text, scratch)) : encodeText(text);
    this.head(pack.pack_text, bytes.length);
    this.bytes(bytes);
  }

  value(pack, value, depth) {
    switch (typeof value) {
      case "string":
        return this.text(pack, value);
      case "number":
        return this.head(pack.pack_number, value);
      case "boolean":
        return this.head(pack.pack_bool, Number(value));
      case "undefined":
        return this.head(pack.pack_nil);
      case "bigint":
        if (value < INT64_MIN || value > UINT64_MAX) throw new Error(`${value} does not fit 64 bits`);
        return this.head(value > INT64_MAX ? pack.pack_uint64 : pack.pack_int64, value);
      case "object":
        return value === null ? this.head(pack.pack_nil) : this.#object(pack, value, depth + 1);
      default:
        throw new Error(`${describe(value)} is no value that msgpack has`);
    }
  }

  #object(pack, value, depth) {
    if (depth > DEPTH_MAX) throw new Error(`it nests deeper than ${DEPTH_MAX}, or holds itself`);
    const bytes = bytesOf(value);
    if (bytes) {
      this.head(pack.pack_binary, bytes.length);
      this.bytes(bytes);
    } else if (Array.isArray(value)) {
      const { length } = value; // a getter may change it
      this.head(pack.pack_array, length);
      for (let index = 0; index < length; index++) this.value(pack, value[index], depth);
    } else {
      this.#tagged(pack, value, depth, tagOf(value));
    }
  }

  /** By their tags, which other realms' objects have as well. */
  #tagged(pack, value, depth, tag) {
    if (tag === "[object Date]") {
      const time = value.getTime();
      if (Number.isNaN(time)) throw new Error("it is an invalid Date");
      const seconds = Math.floor(time / 1000);
      this.head(pack.pack_timestamp, BigInt(seconds), (time - seconds * 1000) * 1000000);
    } else if (tag === "[object Map]") {
      const entries = [...value]; // a getter may add some
      this.head(pack.pack_map, entries.length);
      for (const [key, item] of entries) {
        if (key !== null && !["string", "number", "bigint", "boolean"].includes(typeof key)) {
          throw new Error(`a Map's key is ${describe(key)}; strings, numbers, booleans and null are accepted`);
        }
        this.value(pack, key, depth);
        this.value(pack, item, depth);
      }
    } else {
      if (tag !== "[object Object]") throw new Error(`${tag} is no value that msgpack has`);
      const keys = Object.keys(value);
      this.head(pack.pack_map, keys.length);
      for (const key of keys) {
        this.text(pack, key);
        this.value(pack, value[key], depth);
      }
    }
  }
}

export function encodeMsgpack(core, method, args, kwargs) {
  const { wasm: pack } = core;
  const packer = new Packer(core);
  const named = (name, value) => {
    try {
      packer.value(pack, value, 2);
    } catch (cause) {
      if (cause instanceof DaffiError) throw cause; // a trap
      throw unsendable(`${method}: ${name}`, value, "msgpack", cause);
    }
  };
  try {
    packer.head(pack.pack_array, 2);
    packer.head(pack.pack_array, args.length);
    args.forEach((value, index) => named(`argument ${index + 1}`, value));
    const keys = Object.keys(kwargs);
    packer.head(pack.pack_map, keys.length);
    for (const key of keys) {
      packer.text(pack, key);
      named(key, kwargs[key]);
    }
  } finally {
    core.hold(null); // puts away the rest; after a refusal nobody keeps the packer
  }
  return { bytes: packer.packed, isBytes: true };
}

class Unpacker {
  #core;
  #payload;
  #at = 0; // next byte of the payload
  #start = 0; // the payload's bytes from #start to #end stand in the window
  #end = 0;

  constructor(core, payload) {
    this.#core = core;
    this.#payload = payload;
  }

  /** The next head; its parts are in the core's fields. */
  #head() {
    const core = this.#core;
    if (this.#at > this.#end - VALUE_HEAD_MAX && this.#end < this.#payload.length || this.#at > this.#end) this.#fill();
    const next = core.wasm.unpack(this.#at - this.#start, this.#end - this.#start);
    if (next < 0) throw new Error(next === -1 ? "it ends too early" : core.fault());
    this.#at = this.#start + next;
  }

  #fill() {
    this.#start = this.#at;
    this.#end = Math.min(this.#at + WINDOW, this.#payload.length);
    this.#core.window.set(this.#payload.subarray(this.#start, this.#end));
  }

  #take(length) {
    if (length > this.#payload.length - this.#at) throw new Error("it ends too early");
    return this.#payload.subarray(this.#at, (this.#at += length));
  }

  value(depth = 0) {
    this.#head();
    const length = this.#core.field(2) >>> 0;
    switch (this.#core.field(0)) {
      case 0:
        return null;
      case 1:
        return this.#core.field(4) !== 0;
      case 2: {
        const number = this.#core.field(5) * 4294967296 + (this.#core.field(4) >>> 0);
        return Number.isSafeInteger(number) ? number : this.#core.int64(4);
      }
      case 3:
        return BigInt.asUintN(64, this.#core.int64(4));
      case 4:
        return this.#core.float64(6);
      case 5:
        return decodeText(this.#take(length));
      case 6:
        return this.#take(length).slice();
      case 7:
        return this.#array(length, depth + 1);
      case 8:
        return this.#map(length, depth + 1);
      case 9: {
        const seconds = Number(this.#core.int64(4));
        return new Date(seconds * 1000 + Math.floor(this.#core.field(8) / 1000000));
      }
      default:
        throw new Error(`it holds an extension of type ${this.#core.field(1)}, of which only timestamps are known`);
    }
  }

  /** Refuses what can't be there before anything is made of it. */
  #check(items, depth) {
    if (items > this.#payload.length - this.#at) throw new Error("it ends too early");
    if (depth > DEPTH_MAX + 12) throw new Error("it nests too deep");
  }

  #array(length, depth) {
    this.#check(length, depth);
    const items = [];
    for (let index = 0; index < length; index++) items.push(this.value(depth));
    return items;
  }

  /** A plain object when every key is a string, else a Map. */
  #map(length, depth) {
    this.#check(length, depth);
    const entries = [];
    for (let index = 0; index < length; index++) entries.push([this.value(depth), this.value(depth)]);
    return entries.every(([key]) => typeof key === "string") ? Object.fromEntries(entries) : new Map(entries);
  }

  finish() {
    if (this.#at !== this.#payload.length) throw new Error("something stands behind its end");
  }
}

export function decodeMsgpack(core, payload) {
  core.hold(null);
  const unpacker = new Unpacker(core, payload);
  const value = unpacker.value();
  unpacker.finish();
  return value;
}
