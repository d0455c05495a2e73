// The daffi messages of this page's own connections, the last of them kept: what a tap hears, cut into messages. A WebSocket message
// carries one of them, or, from and to a bridge, several; none when it is a sign of life.
import { FLAGS, HEADER_BYTES, readHeader, SERDES } from "./header.js";

export const KEPT_MESSAGES = 300;
export const KEPT_BYTES = 16384; // of each
const AWAITED_MOST = 1024; // calls whose answer is still to come

const utf8 = new TextDecoder();

/**
 * @typedef {{number: number, at: number, direction: "in"|"out", header: object|null, fault: string|null, transmitter: string,
 *   receiver: string, method: string, size: number, bytes: Uint8Array, answerMs: number|null}} Message
 *   `bytes` are its first KEPT_BYTES; `fault` says what is wrong with it.
 */

export class Traffic {
  /** @type {Message[]} the last ones, oldest first */
  messages = [];
  /** All there were: messages and bytes of each direction, signs of life. */
  counted = { in: 0, out: 0, bytes: { in: 0, out: 0 }, heartbeats: 0 };
  #number = 0;
  #awaited = new Map(); // "direction uuid" of a REQUEST → when it passed
  #onmessage;

  /** @param {() => void} onmessage is told that there is something new */
  constructor(onmessage) {
    this.#onmessage = onmessage;
  }

  /** Takes a WebSocket message as the tap gives it. */
  hear(direction, data) {
    const bytes = typeof data === "string" ? null : new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    this.counted.bytes[direction] += bytes?.length ?? data.length;
    if (!bytes) this.#keep(direction, new Uint8Array(), null, `a text message of ${data.length} characters, which daffi has none of`);
    else if (bytes.length === 0 || (direction === "in" && bytes.length === 4)) this.counted.heartbeats++; // 4: a large one begins
    else this.#cut(direction, bytes);
    this.#onmessage();
  }

  #cut(direction, bytes) {
    for (let at = 0; at < bytes.length;) {
      const header = readHeader(bytes, at);
      const size = header ? HEADER_BYTES + header.msg_len : 0;
      const rest = bytes.subarray(at);
      if (!header) return this.#keep(direction, rest, null, `${rest.length} bytes, which are too few for a header`);
      if (size > rest.length) return this.#keep(direction, rest, header, `its header says ${size} bytes, and there are ${rest.length}`);
      this.#keep(direction, rest.subarray(0, size), header, header.metadata_len > header.msg_len ? "its metadata is longer than the whole of it" : null);
      at += size;
    }
  }

  #keep(direction, bytes, header, fault) {
    this.counted[direction]++;
    const names = header ? utf8.decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + header.metadata_len)).split("|") : [];
    this.messages.push({
      number: ++this.#number, at: Date.now(), direction, header,
      fault: fault ?? (header && names.length !== 3 ? `its metadata has ${names.length - 1} bars instead of 2` : null),
      transmitter: names[0] ?? "", receiver: names[1] ?? "", method: names.slice(2).join("|"),
      size: bytes.length, bytes: bytes.slice(0, KEPT_BYTES), answerMs: header ? this.#pair(direction, header) : null,
    });
    if (this.messages.length > KEPT_MESSAGES) this.messages.shift();
  }

  /** For an answer, how long its call has waited for it. */
  #pair(direction, { uuid, flag, return_result: awaited }) {
    const now = performance.now();
    if (FLAGS[flag] === "REQUEST" && awaited) {
      if (this.#awaited.size >= AWAITED_MOST) this.#awaited.delete(this.#awaited.keys().next().value);
      this.#awaited.set(`${direction} ${uuid}`, now);
    }
    if (FLAGS[flag] !== "RESPONSE" && FLAGS[flag] !== "ERROR") return null;
    const key = `${direction === "in" ? "out" : "in"} ${uuid}`;
    const asked = this.#awaited.get(key);
    this.#awaited.delete(key);
    return asked === undefined ? null : now - asked;
  }

  clear() {
    this.messages = [];
  }
}

export const flagOf = ({ header }) => (header ? FLAGS[header.flag] ?? `flag ${header.flag}` : "BROKEN");
export const serdeOf = ({ header }) => (header ? SERDES[header.decoder] : "");
