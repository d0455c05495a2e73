// Several messages in one WebSocket message: what is sent within one turn of the page's loop leaves together at its end.

export class Outbox {
  #messages = [];
  #bytes = 0;
  #limit;
  #send;

  /** `limit`: bytes of one batch; a larger message goes alone. */
  constructor(limit, send) {
    this.#limit = limit;
    this.#send = send;
  }

  get bytes() {
    return this.#bytes;
  }

  push(message) {
    if (this.#bytes + message.length > this.#limit) this.flush();
    if (this.#messages.push(message) === 1) queueMicrotask(() => this.flush());
    this.#bytes += message.length;
  }

  flush() {
    const messages = this.#messages;
    if (messages.length === 0) return;
    const batch = messages.length > 1 ? new Uint8Array(this.#bytes) : messages[0];
    if (messages.length > 1) messages.reduce((at, message) => (batch.set(message, at), at + message.length), 0);
    this.#messages = [];
    this.#bytes = 0;
    this.#send(batch);
  }
}
