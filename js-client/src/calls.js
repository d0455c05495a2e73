// What waits for an answer: calls by their id, and streams and waiters without one.
import { DaffiError } from "./errors.js";
import { decodeError, decodeResult } from "./values.js";
import { RESPONSE } from "./wire.js";

export class Calls {
  #host;
  #waiting = new Set();
  #byId = new Map();

  /** `host` has the core, which it may replace when nothing waits. */
  constructor(host) {
    this.#host = host;
  }

  /** An id for a message that nobody answers. */
  takeId() {
    const id = this.#openId();
    this.#host.core.closeCall(id);
    return id;
  }

  #openId() {
    const id = this.#host.core.openCall();
    if (id < 0) throw new DaffiError("busy", `${this.#byId.size} calls are waiting for their answers, which is as many as the wire can tell apart`);
    return id;
  }

  /** Begins to wait. `what`: { method, member, timeout, signal, late() → text }. Its promise settles once: by `answer`, by
   *  `fail`, by its timeout or signal. `wire`: it gets a call id. */
  open(what, wire) {
    const call = { ...what, id: wire ? this.#openId() : 0, timer: undefined, abort: undefined };
    call.promise = new Promise((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
    });
    this.#waiting.add(call);
    if (wire) this.#byId.set(call.id, call);
    if (call.timeout !== undefined) {
      call.timer = setTimeout(() => this.fail(call, new DaffiError("timeout", call.late(), { member: call.member, method: call.method })), call.timeout);
    }
    if (call.signal) {
      call.abort = () => this.fail(call, aborted(call));
      call.signal.addEventListener("abort", call.abort);
    }
    return call;
  }

  isOpen(call) {
    return this.#waiting.has(call);
  }

  /** No longer waits; false when it was settled before. */
  #close(call) {
    if (!this.#waiting.delete(call)) return false;
    clearTimeout(call.timer);
    if (call.abort) call.signal.removeEventListener("abort", call.abort);
    if (call.id !== 0) {
      this.#byId.delete(call.id);
      this.#host.core?.closeCall(call.id);
    }
    return true;
  }

  finish(call, value) {
    if (this.#close(call)) call.resolve(value);
  }

  fail(call, error) {
    if (this.#close(call)) call.reject(error);
  }

  /** A RESPONSE or ERROR came; late ones, for calls that are gone, are dropped. */
  answer(message) {
    const call = this.#byId.get(message.uuid);
    if (!call) return;
    if (message.flag !== RESPONSE) return this.fail(call, decodeError(this.#host.core, message, call));
    let value;
    try {
      value = decodeResult(this.#host.core, message, call);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      return this.fail(call, error);
    }
    this.finish(call, value);
  }

  failAll(error) {
    for (const call of [...this.#waiting]) {
      if (!call.outlives?.(error)) this.fail(call, error);
    }
  }

  /** A member left: what waits for it will not be answered. */
  failMember(member, why) {
    for (const call of [...this.#waiting]) {
      if (call.member === member) {
        this.fail(call, new DaffiError("disconnected", `${call.method}: ${member} ${why} before it answered`, { member, method: call.method }));
      }
    }
  }
}

export function aborted({ method, member, signal }) {
  return new DaffiError("aborted", `${method} was aborted`, { member, method, cause: signal.reason });
}
