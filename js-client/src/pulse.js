// Notices when the bridge has fallen silent: it gives a sign of life each interval, and one whenever it is asked. A page that slept,
// or whose timers the browser holds back, asks before it believes the worst.

const SLOWEST = 16; // bytes in a millisecond: a line on which a page may still wait for a large message, of which it sees no part

export class Pulse {
  #heard = Date.now(); // read with each message: cheaper than performance.now(), and goes on while a computer sleeps
  #grace = 0; // ms more than usual
  #timer;
  #probe;
  #onsilent;

  /** After `patience` ms without a word `probe()` asks for one; `answer` ms later `onsilent()` is called, once. */
  constructor(patience, answer, probe, onsilent) {
    this.#probe = probe;
    this.#onsilent = onsilent;
    this.#wait(patience, () => this.#look(patience, answer));
  }

  #wait(time, then) {
    this.#timer = setTimeout(then, time);
    this.#timer.unref?.(); // Node: it keeps nobody awake
  }

  #look(patience, answer) {
    const now = Date.now();
    if (this.#heard > now) this.#heard = now; // the clock was put back
    const rest = this.#heard + this.#grace + patience - now;
    if (rest > 0) return this.#wait(rest, () => this.#look(patience, answer));
    const last = this.#heard;
    this.#probe();
    this.#wait(answer, () => (this.#heard === last ? this.#onsilent() : this.#look(patience, answer)));
  }

  /** Something came: by itself, or as the notice of a message of `size` bytes that is on its way. */
  hear(size = 0) {
    this.#heard = Date.now();
    this.#grace = size / SLOWEST;
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
