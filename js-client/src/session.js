// A client's life: one state, moved by connect, by the link's end, by eviction and by stop. It outlives its links.
import { backoffDelay } from "./backoff.js";
import { Calls } from "./calls.js";
import { Core } from "./core.js";
import { DaffiError } from "./errors.js";
import { Link } from "./link.js";
import { Members } from "./members.js";
import { instantiate } from "./wasm.js";
import { ERROR, EVENTS, HANDSHAKE, HEADER, LENGTH_MAX, REQUEST, RESPONSE } from "./wire.js";

const FRAGMENTED = 131072; // from here Chromium splits a message, which aborts a bare server

export class Session {
  /** idle → connecting → connected → reconnecting or disconnected → …; evicted; closed for good. */
  state = "idle";
  name;
  core = null; // app.wasm's instance; made anew after it trapped
  calls = new Calls(this);
  members = new Members(this);
  link = null;
  /** What connect() resolves to. */
  connection = null;
  /** The largest whole message that may go: { bytes, why }. */
  limit = null;
  #settings;
  #events;
  #onstate;
  #attempt = null; // the promise of the attempt that runs, or of the one that succeeded
  #abandon = null; // rejects it
  #everConnected = false;
  #failures = 0;
  #timer;

  constructor(name, settings, events, onstate) {
    this.name = name;
    this.#settings = settings;
    this.#events = events;
    this.#onstate = onstate;
  }

  /** Resolves when there is a connection; the same promise as long as it is under way or there. */
  connect() {
    if (this.state === "closed") return Promise.reject(new DaffiError("closed", "the client was stopped: make a new one"));
    if (this.#attempt) return this.#attempt;
    clearTimeout(this.#timer);
    if (this.state !== "reconnecting") this.#become("connecting");
    return this.#try();
  }

  #try() {
    const attempt = new Promise((resolve, reject) => {
      this.#abandon = reject;
      this.#open().then(() => resolve(this.connection), reject);
    });
    this.#attempt = attempt;
    attempt.catch((error) => this.#failed(error));
    return attempt;
  }

  async #open() {
    const back = this.#everConnected;
    if (!this.core) {
      const core = new Core(await instantiate(this.#settings.wasmUrl));
      if (this.state === "closed") return;
      this.core = core;
      this.members.clear();
    }
    const link = new Link(this.core, this.name, this.#settings, {
      onmessage: (message) => this.#receive(message),
      onhandshake: (payload) => this.members.learn(payload, true),
      onlost: (error) => this.#lost(error),
    });
    this.link = link;
    await link.open();
    this.#everConnected = true;
    this.#failures = 0;
    this.limit = messageLimit(link.bridge);
    this.#become("connected");
    this.members.changed();
    if (back) this.#events.emit("connected", this.name);
  }

  #failed(error) {
    if (this.state === "closed") return;
    this.#attempt = null;
    this.#dropBroken(error);
    if (this.state === "reconnecting") this.#schedule();
    else this.#become("disconnected");
  }

  #schedule() {
    const delay = backoffDelay(this.#settings.reconnectDelay, this.#failures++);
    this.#timer = setTimeout(() => this.#try(), delay);
  }

  #lost(error) {
    this.#attempt = null;
    this.#dropBroken(error);
    this.members.clear();
    const { autoreconnect } = this.#settings;
    if (autoreconnect) this.#schedule();
    this.#become(autoreconnect ? "reconnecting" : "disconnected");
    this.calls.failAll(error);
    this.#events.emit("disconnected", this.name);
  }

  #evicted() {
    const error = new DaffiError("evicted", `another client took the name "${this.name}"`, { member: this.name });
    this.link.close(error);
    this.#attempt = null;
    this.members.clear();
    this.#become("evicted");
    this.calls.failAll(error);
    this.#events.emit("evicted", this.name);
  }

  stop() {
    if (this.state === "closed") return;
    const error = new DaffiError("closed", "the client was stopped");
    clearTimeout(this.#timer);
    this.#become("closed");
    this.#abandon?.(error);
    this.link?.close(error);
    this.members.clear();
    this.calls.failAll(error);
    this.#events.end();
  }

  #become(state) {
    const previous = this.state;
    this.state = state;
    if (previous !== state) this.#onstate(state, previous);
  }

  /** After a trap the instance may hold anything: the next attempt makes a fresh one. */
  #dropBroken({ cause }) {
    if (cause instanceof WebAssembly.RuntimeError) this.core = null;
  }

  #receive(message) {
    switch (message.flag) {
      case HANDSHAKE:
        return this.#hearHandshake(this.core.transmitter(), message.payload);
      case RESPONSE:
      case ERROR:
        return this.calls.answer(message);
      case EVENTS:
        return this.#hearEvent(message.payload);
      default: // a REQUEST: this client exposes nothing, and the wire has no answer for that
    }
  }

  /** A Service tells of newcomers by the answer to their handshake, which lists those alone who expose something, and by no event. */
  #hearHandshake(newcomer, payload) {
    const { service } = this.members.learn(payload, false);
    if (!service || newcomer === "" || newcomer === this.name) return;
    this.members.add(newcomer);
    this.#events.emit("connected", newcomer);
  }

  #hearEvent(payload) {
    const { type, member } = this.members.hear(payload);
    if (member === this.name) {
      if (type === "evicted" && this.state === "connected") this.#evicted();
      return;
    }
    if (type !== "connected") this.calls.failMember(member, type === "evicted" ? "lost its name to another" : "disconnected");
    this.#events.emit(type, member);
  }

  /** Throws the error that a call gets where there is no connection. */
  requireConnection() {
    if (this.state === "connected") return;
    if (this.state === "closed") throw new DaffiError("closed", "the client was stopped");
    if (this.state === "evicted") throw new DaffiError("evicted", `another client took the name "${this.name}"`, { member: this.name });
    throw new DaffiError("disconnected", `there is no connection: the client is ${this.state}`);
  }

  /** The bytes of a REQUEST. */
  encodeRequest(uuid, returnResult, { member, method, serde, payload: { bytes, isBytes } }) {
    const kind = { flag: REQUEST, decoder: serde, isBytes, returnResult };
    return this.core.encodeMessage(uuid, kind, `${this.name}|${member}|${method}`, bytes, this.limit);
  }
}

/** The most that one message may have, whole. */
function messageLimit(bridge) {
  const wire = { bytes: LENGTH_MAX + HEADER, why: "the wire takes" };
  if (bridge) return bridge.maxMessage > 0 && bridge.maxMessage < wire.bytes ? { bytes: bridge.maxMessage, why: "this bridge takes" } : wire;
  const chromium = /Chrom(e|ium)\//.test(globalThis.navigator?.userAgent);
  return chromium ? { bytes: FRAGMENTED - 1, why: "Chromium sends more in pieces, which a Python server without a bridge does not survive, so it takes" } : wire;
}
