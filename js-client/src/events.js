// Who is told of members that come and go: handlers, and readers of client.events().
import { DaffiError, refused } from "./errors.js";

const QUEUE_MAX = 4096; // events that one reader may leave unread

export class Events {
  #handlers = new Set();
  #readers = new Set();

  /** Adds a handler; returns the function that removes it. */
  add(handler) {
    if (typeof handler !== "function") throw refused("addEventHandler: fn", handler, "a function is accepted");
    const entry = { handler }; // the same function may be added twice
    this.#handlers.add(entry);
    return () => {
      this.#handlers.delete(entry);
    };
  }

  emit(type, member) {
    for (const { handler } of [...this.#handlers]) tell(handler, { type, member });
  }

  /** An async iterator of the events from now on. */
  read() {
    const reader = new Reader(() => {
      remove();
      this.#readers.delete(reader);
    });
    const remove = this.add((event) => reader.push(event));
    this.#readers.add(reader);
    return reader;
  }

  /** Ends every reader: there will be no more events. */
  end() {
    for (const reader of [...this.#readers]) reader.return();
  }
}

/** At once. One that throws, or promises and fails, is no other's concern. */
async function tell(handler, event) {
  try {
    await handler(event);
  } catch (error) {
    console.error("daffi: an event handler failed:", error);
  }
}

class Reader {
  #queue = [];
  #waiting = []; // resolvers of next() that found the queue empty
  #ended = false;
  #failure = null;
  #onend;

  constructor(onend) {
    this.#onend = onend;
  }

  push(event) {
    if (this.#waiting.length > 0) {
      this.#waiting.shift()({ value: event, done: false });
    } else if (this.#queue.push(event) > QUEUE_MAX) {
      this.#failure = new DaffiError("busy", `events(): more than ${QUEUE_MAX} are unread`);
      this.return();
    }
  }

  async next() {
    if (this.#queue.length > 0) return { value: this.#queue.shift(), done: false };
    if (this.#ended) {
      const failure = this.#failure;
      this.#failure = null;
      if (failure) throw failure;
      return { value: undefined, done: true };
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(value) {
    this.#ended = true;
    this.#onend();
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
    return { value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
