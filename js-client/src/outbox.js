// Several messages in one WebSocket message: what is sent within one turn of the page's loop leaves together at its end.

const BATCH = 65536; // a larger one wins nothing

export class Outbox {
  #batch;
  #send;

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
    if (this.bytes === 0) queueMicrotask(() => this.flush());
    this.#batch.set(message, this.bytes);
    this.bytes += message.length;
  }

  flush() {
    const batch = this.#batch.subarray(0, this.bytes);
    this.bytes = 0;
    if (batch.length > 0) this.#send(batch);
  }
}
