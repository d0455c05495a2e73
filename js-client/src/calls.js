// What waits for an answer: calls by their id on the wire, streams and waiters by numbers below it.
import { makeDeferred } from "./deferred.js";
import { DaffiError } from "./errors.js";
import { decodeError, decodeResult } from "./values.js";
import { RESPONSE } from "./wire.js";

// How long a member that was evicted may still answer. A page before a bare Router evicts itself as it changes its functions, and answers
// earlier calls by its new connection; a stranger who took its name answers none of them. The two look alike from here, so the wait is
// long enough for most calls, and short enough for who waits in vain.
const EVICTED_WAIT = 2000;

export class Calls {
  #host;
  #waiting = new Map();
  #wireless = 0;

  /** `host` has the core, which it may replace when nothing waits. */
  constructor(host) {
    this.#host = host;
  }

  /** An id for a message that nobody answers. */
  takeId() {
    const id = this.#host.core.openCall();
    this.#host.core.closeCall(id);
    return id;
  }

  /** Begins to wait. `what`, which is ours from here on: { method, member, timeout, signal, late() → text, outlives() the connection's loss,
   *  outlivesEviction() of its member }. Its promise settles once: by `answer`, by `fail`, by its timeout or signal. `wire`: it gets a call id. */
  open(what, wire) {
    what.id = wire ? this.#host.core.openCall() : --this.#wireless;
    const call = makeDeferred(what);
    this.#waiting.set(call.id, call);
    if (call.timeout) call.timer = setTimeout(() => this.#failAlone(call, this.#error("timeout", call, call.late())), call.timeout);
    if (call.signal) {
      call.abort = () => this.#failAlone(call, aborted(call));
      call.signal.addEventListener("abort", call.abort);
    }
    return call;
  }

  #error(code, { member, method }, text) {
    return new DaffiError(code, `${method}: ${text}`, { member, method });
  }

  isOpen(call) {
    return this.#waiting.get(call.id) === call;
  }

  /** No longer waits; false when it was settled before. */
  #close(call) {
    if (!this.isOpen(call)) return false;
    this.#waiting.delete(call.id);
    if (call.timer) clearTimeout(call.timer);
    if (call.grace) clearTimeout(call.grace);
    if (call.abort) call.signal.removeEventListener("abort", call.abort);
    if (call.id > 0) this.#host.core?.closeCall(call.id);
    return true;
  }

  finish(call, value) {
    if (this.#close(call)) call.resolve(value);
  }

  fail(call, error) {
    if (this.#close(call)) call.reject(error);
  }

  /** Fails with an error that was made for this call alone. */
  #failAlone(call, error) {
    if (this.#close(call)) call.resolve(traced(error));
  }

  /** A RESPONSE or ERROR came; late ones, for calls that are gone, are dropped. */
  answer(message) {
    const call = this.#waiting.get(message.uuid);
    if (!call) return;
    const { core } = this.#host;
    try {
      if (message.flag !== RESPONSE) throw decodeError(core, message, call);
      this.finish(call, decodeResult(core, message, call));
    } catch (error) {
      this.#failAlone(call, error);
    }
  }

  failAll(error) {
    for (const call of [...this.#waiting.values()]) {
      if (!call.outlives?.()) this.fail(call, error);
    }
  }

  /** A member left: what waits for it will not be answered. */
  failMember(member) {
    for (const call of this.#of(member)) this.#failLeft(call, "disconnected");
  }

  /** A member's name was taken: what waits for it may still be answered. */
  evictMember(member) {
    for (const call of this.#of(member)) {
      clearTimeout(call.grace);
      call.grace = setTimeout(() => this.#endGrace(call), EVICTED_WAIT);
    }
  }

  #endGrace(call) {
    try {
      if (!call.outlivesEviction?.()) this.#failLeft(call, "was evicted");
    } catch {
      // app.wasm trapped, which has ended all that waited
    }
  }

  #of(member) {
    return [...this.#waiting.values()].filter((call) => call.member === member);
  }

  #failLeft(call, what) {
    this.#failAlone(call, this.#error("disconnected", call, `${call.member} ${what} before it answered`));
  }
}

/** Rejects with `error`, a moment later: by then the call's promise waits for this one, and V8 can tell who `await`s the call, a line that one wants to see.
 *  It costs nothing where nothing fails. A fault that is not ours keeps the lines where it broke. */
async function traced(error) {
  await null;
  await null;
  if (error instanceof DaffiError) Error.captureStackTrace?.(error, traced);
  throw error;
}

export function aborted({ method, member, signal }) {
  return new DaffiError("aborted", `${method} was aborted`, { member, method, cause: signal.reason });
}
