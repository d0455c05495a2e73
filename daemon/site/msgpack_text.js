// MSGPACK as text, written as it is read, so that neither its size nor its nesting is anybody's but ours to choose. What JSON has is
// written as JSON does; bytes, extensions and timestamps are named.

const DEEPEST = 100;
const END = "it ends too early";

class Reader {
  text = "";
  #bytes;
  #view;
  #at = 0;
  #most;

  constructor(bytes, most) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#most = most;
  }

  get rest() {
    return this.#bytes.length - this.#at;
  }

  #take(length) {
    if (length > this.rest) throw new Error(END);
    this.#at += length;
    return this.#at - length;
  }

  #number(kind, size) {
    return this.#view[`get${kind}`](this.#take(size), false);
  }

  #put(text) {
    this.text += text;
    if (this.text.length > this.#most) throw new Error("cut");
  }

  value(depth) {
    if (depth > DEEPEST) throw new Error("it nests deeper than is shown");
    const byte = this.#number("Uint8", 1);
    if (byte < 0x80) return this.#put(String(byte));
    if (byte >= 0xe0) return this.#put(String(byte - 256));
    if (byte < 0x90) return this.#map(byte & 15, depth);
    if (byte < 0xa0) return this.#array(byte & 15, depth);
    if (byte < 0xc0) return this.#string(byte & 31);
    switch (byte) {
      case 0xc0: return this.#put("null");
      case 0xc2: return this.#put("false");
      case 0xc3: return this.#put("true");
      case 0xc4: case 0xc5: case 0xc6: return this.#binary(this.#length(byte - 0xc4));
      case 0xc7: case 0xc8: case 0xc9: return this.#extension(this.#length(byte - 0xc7));
      case 0xca: return this.#put(String(this.#number("Float32", 4)));
      case 0xcb: return this.#put(String(this.#number("Float64", 8)));
      case 0xcc: case 0xcd: case 0xce: return this.#put(String(this.#length(byte - 0xcc)));
      case 0xcf: return this.#put(String(this.#number("BigUint64", 8)));
      case 0xd0: return this.#put(String(this.#number("Int8", 1)));
      case 0xd1: return this.#put(String(this.#number("Int16", 2)));
      case 0xd2: return this.#put(String(this.#number("Int32", 4)));
      case 0xd3: return this.#put(String(this.#number("BigInt64", 8)));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.#extension(1 << (byte - 0xd4));
      case 0xd9: case 0xda: case 0xdb: return this.#string(this.#length(byte - 0xd9));
      case 0xdc: case 0xdd: return this.#array(this.#length(byte - 0xdb), depth);
      case 0xde: case 0xdf: return this.#map(this.#length(byte - 0xdd), depth);
      default: throw new Error("a byte 0xc1 is no value");
    }
  }

  /** An unsigned number of 1, 2 or 4 bytes: 0, 1, 2. */
  #length(power) {
    return this.#number(["Uint8", "Uint16", "Uint32"][power], 1 << power);
  }

  #string(length) {
    const start = this.#take(Math.min(length, this.rest));
    this.#put(JSON.stringify(new TextDecoder().decode(this.#bytes.subarray(start, start + Math.min(length, this.#most)))));
    if (this.#at - start < length) throw new Error(END);
  }

  #binary(length) {
    const start = this.#take(Math.min(length, this.rest));
    const shown = [...this.#bytes.subarray(start, Math.min(this.#at, start + 32))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#put(`<${length} bytes: ${shown}${length > 32 ? "…" : ""}>`);
    if (this.#at - start < length) throw new Error(END);
  }

  #extension(length) {
    const type = this.#number("Int8", 1);
    const start = this.#take(length);
    if (type === -1 && length === 4) return this.#time(this.#view.getUint32(start));
    if (type === -1 && length === 8) return this.#time((this.#view.getUint32(start) & 3) * 4294967296 + this.#view.getUint32(start + 4));
    if (type === -1 && length === 12) return this.#time(Number(this.#view.getBigInt64(start + 4)));
    this.#put(`<extension ${type} of ${length} bytes>`);
  }

  #time(seconds) {
    const date = new Date(seconds * 1000);
    this.#put(Number.isNaN(date.getTime()) ? `<time ${seconds} s>` : `<time ${date.toISOString()}>`);
  }

  #array(length, depth) {
    this.#items(length, depth, "[", "]", () => this.value(depth + 1));
  }

  #map(length, depth) {
    this.#items(length, depth, "{", "}", () => {
      this.value(depth + 1);
      this.#put(": ");
      this.value(depth + 1);
    });
  }

  #items(length, depth, open, close, item) {
    this.#put(open);
    for (let i = 0; i < length; i++) {
      this.#put(`${i ? "," : ""}\n${"  ".repeat(depth + 1)}`);
      item();
    }
    this.#put(length ? `\n${"  ".repeat(depth)}${close}` : close);
  }
}

/**
 * @param {Uint8Array} bytes one value; of one that is cut off, as much as there is
 * @param {number} most characters
 * @returns {{text: string, fault: string|null}} `fault`: what is wrong with it, null where nothing is
 */
export function msgpackText(bytes, most) {
  const reader = new Reader(bytes, most);
  let fault = null;
  try {
    reader.value(0);
    if (reader.rest > 0) fault = `${reader.rest} bytes stand behind its end`;
  } catch (error) {
    fault = error.message;
  }
  if (fault === "cut") return { text: `${reader.text.slice(0, most)}\n… cut here, after ${most} characters`, fault: null };
  return { text: fault === END ? `${reader.text} …` : reader.text, fault };
}
