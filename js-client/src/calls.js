// What waits for an answer: calls by their id, and streams and waiters without one.
import { makeDeferred } from "./deferred.js";
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
    if (id < 0) throw new DaffiError("busy", `${this.#byId.size} calls wait for answers: the wire has no more ids`);
    return id;
  }

  /** Begins to wait. `what`, which is ours from here on: { method, member, timeout, signal, late() → text }. Its promise settles once: by `answer`, by
   *  `fail`, by its timeout or signal. `wire`: it gets a call id. */
  open(what, wire) {
    const id = wire ? this.#openId() : 0;
    const call = makeDeferred(what);
    call.id = id;
    this.#waiting.add(call);
    if (wire) this.#byId.set(call.id, call);
    if (call.timeout) call.timer = setTimeout(() => this.fail(call, this.#error("timeout", call, call.late())), call.timeout);
    if (call.signal) {
      call.abort = () => this.fail(call, aborted(call));
      call.signal.addEventListener("abort", call.abort);
    }
    return call;
  }

  #error(code, { member, method }, text) {
    return new DaffiError(code, `${method}: ${text}`, { member, method });
  }

  isOpen(call) {
    return this.#waiting.has(call);
  }

  /** No longer waits; false when it was settled before. */
  #close(call) {
    if (!this.#waiting.delete(call)) return false;
    clearTimeout(call.timer);
    if (call.abort) call.signal.removeEventListener("abort", call.abort);
    if (this.#byId.delete(call.id)) this.#host.core?.closeCall(call.id);
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
    const { core } = this.#host;
    try {
      if (message.flag !== RESPONSE) throw decodeError(core, message, call);
      this.finish(call, decodeResult(core, message, call));
    } catch (error) {
      this.fail(call, error);
    }
  }

  failAll(error) {
    for (const call of [...this.#waiting]) {
      if (!call.outlives?.()) this.fail(call, error);
    }
  }

  /** A member left: what waits for it will not be answered. */
  failMember(member, why) {
    for (const call of [...this.#waiting]) {
      if (call.member === member) this.fail(call, this.#error("disconnected", call, `${member} ${why} before it answered`));
    }
  }
}

export function aborted({ method, member, signal }) {
  return new DaffiError("aborted", `${method} was aborted`, { member, method, cause: signal.reason });
}
