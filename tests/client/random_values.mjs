// Random values of each serde, the same for the same seed, and what each is once it has been there and back.
// Runs in Node and in a page.

/** A seed, told so that a failure can be had again: DAFFI_SEED=N runs the same values. */
export function takeSeed(t) {
  const seed = Number(globalThis.process?.env.DAFFI_SEED ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`DAFFI_SEED=${seed}`);
  return seed;
}

/** Numbers from 0 to 1 (xorshift). */
export function randomFrom(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ state << 5) >>> 0;
    return state / 2 ** 32;
  };
}

const ALPHABET = ["a", "Z", "0", " ", "\"", "\\", "/", "\u0000", "\n", "\u007f", "é", "€", "😀", "\u2028", "\ufeff", "\ufffd", "{", "|", ","];

export class Values {
  #random;

  constructor(random) {
    this.#random = random;
  }

  below(limit) {
    return Math.floor(this.#random() * limit);
  }

  #oneOf(list) {
    return list[this.below(list.length)];
  }

  #text() {
    const length = this.#random() < 0.02 ? this.below(40000) : this.below(12); // some past what a window of app.wasm takes
    return Array.from({ length }, () => this.#oneOf(ALPHABET)).join("");
  }

  #bytes() {
    return new Uint8Array(this.#random() < 0.02 ? this.below(40000) : this.below(300)).map(() => this.below(256));
  }

  #integer() {
    return Math.floor((this.#random() - 0.5) * 2 ** this.below(55));
  }

  #scalar() {
    return [() => null, () => this.#random() < 0.5, () => this.#integer(), () => this.#integer(), () => this.#text(),
      () => (this.#random() - 0.5) * 10 ** (this.#random() * 600 - 300)][this.below(6)]();
  }

  #items(depth, leaf) {
    return Array.from({ length: this.below(6) }, () => this.#nested(depth - 1, leaf));
  }

  #nested(depth, leaf) {
    const kind = depth > 0 ? this.below(4) : 0;
    if (kind === 2) return this.#items(depth, leaf);
    if (kind === 3) return Object.fromEntries(this.#items(depth, leaf).map((value, index) => [`${index}${this.#text()}x`, value]));
    return leaf();
  }

  /** { send, back } for one serde: what to send, and what an echo has to give. */
  json() {
    const send = this.#nested(4, () => this.#scalar());
    return { send, back: JSON.parse(JSON.stringify(send)) };
  }

  msgpack() {
    const more = [() => this.#bytes(), () => new Date(this.below(2 ** 32) * 1000 + this.below(1000) - 2 ** 40),
      () => 2n ** 53n + BigInt(this.below(2 ** 32)) * BigInt(this.below(2 ** 31)) * 2n, () => -(2n ** 53n) - 1n - BigInt(this.below(2 ** 32)),
      // No 0 and 1 beside false and true: to Python they are the same key.
      () => new Map([[2 + this.below(2 ** 40), this.#scalar()], [this.#text(), this.#integer()], [this.#random() < 0.5, null]])];
    const send = this.#nested(4, () => (this.#random() < 0.3 ? this.#oneOf(more)() : this.#scalar()));
    return { send, back: send };
  }

  raw() {
    const bytes = this.#bytes();
    const text = this.#text();
    return this.#random() < 0.5 ? { send: bytes, back: bytes } : { send: text, back: new TextEncoder().encode(text) };
  }
}

/** Whether two values are the same in kind and in content; -0 is 0, as an integer has no sign of its own there. */
export function same(a, b) {
  if (a === b || (typeof a === "number" && Number.isNaN(a) && Number.isNaN(b))) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object" || a.constructor !== b.constructor) return false;
  if (a instanceof Date) return a.getTime() === b.getTime();
  const [one, other] = [a, b].map((value) => (value instanceof Map ? [...value] : Object.entries(value)));
  return one.length === other.length && one.every(([key, value], index) => key === other[index][0] && same(value, other[index][1]));
}
