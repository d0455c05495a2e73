// Several messages in one WebSocket message: what is sent within one turn of the page's loop leaves together at its end.

const BATCH = 65536; // a larger one wins nothing

// A call of the browser's own costs more than all that is done here, as does a view that it has not seen before: hence a promise in
// place of queueMicrotask(), and the last view kept for a batch of the same size.
const settled = Promise.resolve();

export class Outbox {
  #batch;
  #view = new Uint8Array(0); // what was sent last
  #send;
  #flush = () => this.flush();

  /** How many bytes wait for the end of the turn. */
  bytes = 0;

  /** `limit`: bytes of one batch; a larger message goes alone. `send` has done with the bytes when it returns. */
  constructor(limit, send) {
    this.#batch = new Uint8Array(Math.min(limit, BATCH));
    this.#send = send;
  }

  push(message) {
    if (this.bytes + message.length > this.#batch.length) this.flush();
    if (message.length > this.#batch.length) return this.#send(message);
    if (this.bytes === 0) settled.then(this.#flush);
    this.#batch.set(message, this.bytes);
    this.bytes += message.length;
  }

  flush() {
    if (this.bytes === 0) return;
    if (this.#view.length !== this.bytes) this.#view = this.#batch.subarray(0, this.bytes);
    this.bytes = 0;
    this.#send(this.#view);
  }
}
