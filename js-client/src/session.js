// A client's life: one state, moved by connect, by the link's end, by eviction and by stop. It outlives its links.
import { backoffDelay } from "./backoff.js";
import { Calls } from "./calls.js";
import { Core } from "./core.js";
import { makeDeferred } from "./deferred.js";
import { DaffiError, describe } from "./errors.js";
import { errorAnswer, Exposure } from "./exposure.js";
import { Link } from "./link.js";
import { Members } from "./members.js";
import { encodeText } from "./text.js";
import { instantiate } from "./wasm.js";
import { ERROR, EVENTS, HANDSHAKE, HEADER, LENGTH_MAX, JSON_SERDE, REQUEST, RESPONSE } from "./wire.js";

const RETIRED_WAIT = 1000; // for what is still on its way to a link that another one has replaced
const PROBE_WAIT = 1000;
const FRAGMENTED = 131072; // from here Chromium splits a message, which aborts a bare server

export class Session {
  /** idle → connecting → connected → reconnecting or disconnected → …; evicted; closed for good. */
  state = "idle";
  name;
  core = null; // app.wasm's instance; made anew after it trapped
  calls = new Calls(this);
  members = new Members(this);
  link = null;
  exposure = new Exposure();
  /** What connect() resolves to. */
  connection = null;
  /** The largest whole message that may go: { bytes, why }. */
  limit = null;
  #settings;
  #events;
  #onstate;
  #attempt = null; // what connect() gave: under way or successful
  #everConnected = false;
  #failures = 0;
  #waitNoMore = () => {};
  #links = new Set(); // two while a bare server is told of other functions
  #told = Promise.resolve();
  #former = null; // the first of those two
  #replaced; // who waits for the second of two links

  constructor(name, settings, events, onstate) {
    this.name = name;
    this.#settings = settings;
    this.#events = events;
    this.#onstate = onstate;
  }

  /** Resolves when there is a connection; the same promise as long as it is under way or there. */
  connect() {
    if (this.state === "closed") return Promise.reject(this.#whyNot());
    return (this.#attempt ?? this.#begin()).promise;
  }

  #begin() {
    this.#waitNoMore();
    const attempt = makeDeferred();
    this.#attempt = attempt;
    attempt.promise.catch(() => {}); // a reconnect has nobody who waits
    if (this.state !== "reconnecting") this.#become("connecting");
    this.#open(attempt).catch((error) => this.#ended(error));
    return attempt;
  }

  async #open(attempt) {
    const { wasmUrl, token } = this.#settings;
    const instance = this.core ? null : await instantiate(wasmUrl);
    const given = typeof token === "function" ? await askFor(token) : token;
    if (attempt !== this.#attempt) return;
    this.core ??= this.#makeCore(instance);
    this.link = this.#makeLink({ onopen: () => this.#opened(), onend: (error, link) => this.#serves(link) && this.#ended(error) });
    this.link.open(given);
  }

  #makeCore(instance) {
    let core; // not before it has been made, in which it may trap
    return core = new Core(instance, this.name, (cause) => this.#trapped(cause, core));
  }

  /** `hooks`: what differs between the first link and one that replaces it. */
  #makeLink(hooks) {
    const link = new Link(this.core, this.name, this.#settings, {
      ...hooks,
      methods: () => this.exposure.names,
      onmessage: (message) => this.#receive(message, link),
      onhandshake: (payload) => this.members.learn(payload, true),
      ontold: () => this.members.changed(),
      onend: (error) => {
        this.#links.delete(link);
        hooks.onend(error, link);
      },
    });
    this.#links.add(link);
    return link;
  }

  /** Offers functions: → promise of everybody's knowing them; without a connection they go with the next handshake. */
  expose(functions) {
    const settle = this.exposure.add(functions);
    const told = this.#announce(Object.keys(functions));
    told.then(() => settle(true), () => settle(false));
    return told;
  }

  unexpose(names) {
    this.exposure.remove(names);
    return this.#announce([]);
  }

  /** One after another, each telling of the functions `added` besides those that are known: one that is refused takes no other down. */
  #announce(added) {
    const told = this.#told.then(async () => {
      await this.#attempt?.promise.catch(() => {});
      if (this.state !== "connected") return; // the next handshake tells of all
      const { link } = this;
      const names = this.exposure.names.filter((name) => added.includes(name) || link.methods.includes(name));
      if (String(link.methods) !== String(names)) await (link.bridge ? link.tell(names) : this.#replaceLink());
    });
    this.#told = told.catch(() => {});
    return told;
  }

  /** A bare server ends a connection that sends a second handshake; but a newcomer of the same name takes the place of the one
   *  before, and the answers that are on their way to it arrive at the newcomer. What it has sent is read no more, so an answer
   *  to oneself goes first: when a Router has sent it back, it has read all before it; a Service would not survive one. */
  async #replaceLink() {
    const old = this.link;
    const read = old.service || this.#sendProbe();
    const replaced = makeDeferred();
    this.#replaced = replaced;
    const next = this.#makeLink({
      onopen: () => {
        setTimeout(() => this.#drop(old), RETIRED_WAIT);
        this.members.changed();
        replaced.opened = true;
        replaced.resolve();
      },
      onend: (error) => {
        replaced.reject(error);
        if (replaced.opened && !this.#serves(next)) return;
        if (replaced.opened || !this.#links.has(old)) {
          this.#ended(error);
        } else {
          this.link = old;
          for (const message of next.takeBacklog()) old.send(message);
        }
      },
    });
    this.#former = old;
    this.link = next;
    await read;
    if (this.#links.has(next)) next.open();
    return replaced.promise;
  }

  #sendProbe() {
    const read = this.calls.open({ method: "expose", timeout: PROBE_WAIT, late: () => "nothing came back" }, true);
    this.link.send(this.core.encodeMessage(read.id, { flag: RESPONSE, decoder: JSON_SERDE }, `${this.name}|${this.name}|`, encodeText('{"args":[0],"kwargs":{}}')));
    return read.promise.catch(() => {});
  }

  /** Whether that is the link that counts: until another one has greeted, the one before it. */
  #serves(link) {
    return link === (this.link.greeted ? this.link : this.#former ?? this.link);
  }

  #drop(link) {
    this.#links.delete(link);
    link.close();
  }

  #opened() {
    const back = this.#everConnected;
    this.#everConnected = true;
    this.#failures = 0;
    this.limit = messageLimit(this.link.bridge);
    this.#attempt.resolve(this.connection);
    this.#become("connected");
    this.members.changed();
    if (back && this.state === "connected") this.#events.emit("connected", this.name);
  }

  /** Tries again after that time, or as soon as there are signs that it is worth it: a network, somebody who looks. */
  #beginIn(delay) {
    const begin = () => this.#begin();
    const look = () => document.hidden || begin();
    const timer = setTimeout(begin, delay);
    globalThis.addEventListener?.("online", begin);
    globalThis.document?.addEventListener("visibilitychange", look);
    this.#waitNoMore = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", begin);
      globalThis.document?.removeEventListener("visibilitychange", look);
    };
  }

  /** The link is no more, or none could be made. */
  #ended(error) {
    if (!this.#attempt) return;
    const lost = this.state === "connected";
    const again = lost ? this.#settings.autoreconnect : this.state === "reconnecting";
    if (again) this.#beginIn(backoffDelay(this.#settings.reconnectDelay, this.#failures++));
    this.#leave(again ? "reconnecting" : "disconnected", error);
    if (lost) this.#events.emit("disconnected", this.name);
  }

  /** No connection from here on: all that waits gets `error`. */
  #leave(state, error) {
    const attempt = this.#attempt;
    this.#attempt = this.#former = null;
    for (const link of this.#links) this.#drop(link);
    this.#replaced?.resolve(); // the next handshake will tell
    this.core?.resetMembers(this.name);
    this.#become(state);
    attempt?.reject(error);
    this.calls.failAll(error);
    this.members.changed();
  }

  /** After a trap the instance may hold anything: the next attempt makes a fresh one. Returns what to tell the caller, who may have begun
   *  with an instance that is gone: then that is all. */
  #trapped(cause, core) {
    const error = new DaffiError("protocol", `app.wasm failed: ${cause.message}`, { cause });
    if (core && core !== this.core) return error;
    this.core = null;
    this.#ended(error);
    return error;
  }

  stop() {
    if (this.state === "closed") return;
    this.#waitNoMore();
    this.core = null;
    this.#leave("closed", new DaffiError("closed", "the client was stopped"));
    this.#events.end();
  }

  #become(state) {
    const previous = this.state;
    this.state = state;
    if (previous !== state) this.#onstate(state, previous);
  }

  #receive(message, link) {
    switch (message.flag) {
      case HANDSHAKE:
        return this.#hearHandshake(this.core.transmitter(), message.payload);
      case RESPONSE:
      case ERROR:
        return this.calls.answer(message);
      case EVENTS:
        return this.#hearEvent(message.payload, link);
      default:
        return void this.#serve({ ...message, caller: this.core.transmitter() }, this.core.method()).catch(() => {}); // nobody to be told
    }
  }

  /** Runs the function that is called; its answer goes by the connection of the call, or by the one that has replaced it. */
  async #serve(request, method) {
    const attempt = this.#attempt;
    const answer = await this.exposure.answer(this.core, request, method);
    if (!answer || attempt !== this.#attempt) return;
    const send = ({ flag, decoder, payload: { bytes, isBytes } }) => {
      const kind = { flag, decoder, isBytes, returnResult: false };
      this.link.send(this.core.encodeMessage(request.uuid, kind, `${this.name}|${request.caller}|${method}`, bytes, this.limit));
    };
    try {
      send(answer);
    } catch (error) {
      if (answer.flag === RESPONSE && this.core) send(errorAnswer(error)); // it is too large
    }
  }

  /** A Service tells of newcomers by the answer to their handshake, which lists those alone who expose something, and by no event. */
  #hearHandshake(newcomer, payload) {
    const { service } = this.members.learn(payload, false);
    if (!service || newcomer === "" || newcomer === this.name) return;
    this.members.add(newcomer);
    this.#events.emit("connected", newcomer);
  }

  #hearEvent(payload, link) {
    const { type, member } = this.members.hear(payload);
    if (member === this.name && !this.#serves(link)) return; // replaced by our own doing
    if (member !== this.name) {
      if (type === "disconnected") this.calls.failMember(member);
      else if (type === "evicted") this.calls.evictMember(member);
      this.#events.emit(type, member);
    } else if (type === "evicted" && this.state === "connected") {
      this.#leave(type, this.#whyNot(type));
      this.#events.emit(type, member);
    }
  }

  /** Whether a connection is on its way. */
  get isConnecting() {
    return this.state === "connecting" || this.state === "reconnecting";
  }

  /** The error of what needs a connection while the client is in `state`. */
  #whyNot(state = this.state) {
    if (state === "closed") return new DaffiError(state, "the client was stopped");
    if (state === "evicted") return new DaffiError(state, `another client took the name "${this.name}"`, { member: this.name });
    return new DaffiError("disconnected", `there is no connection: the client is ${state}`);
  }

  /** Throws the error that a call gets where there is no connection. */
  requireConnection() {
    if (this.state !== "connected") throw this.#whyNot();
  }

  /** The bytes of a REQUEST, to be sent or copied before the next message is encoded. */
  encodeRequest(uuid, returnResult, { member, method, serde, payload: { bytes, isBytes } }) {
    const kind = { flag: REQUEST, decoder: serde, isBytes, returnResult };
    return this.core.encodeMessage(uuid, kind, `${this.name}|${member}|${method}`, bytes, this.limit);
  }
}

/** A token for one attempt. What it fails with is an Error. */
async function askFor(token) {
  try {
    return await token();
  } catch (cause) {
    if (cause instanceof Error) throw cause;
    const reason = String(cause?.message ?? describe(cause));
    throw new DaffiError("refused", `options.token gave no token: ${reason}`, { reason, cause });
  }
}

/** The most that one message may have, whole. */
function messageLimit(bridge) {
  const wire = LENGTH_MAX + HEADER;
  if (bridge) return { bytes: Math.min(bridge.maxMessage || wire, wire), why: "the bridge" };
  if (!/Chrom(e|ium)\//.test(globalThis.navigator?.userAgent)) return { bytes: wire, why: "the wire" };
  return { bytes: FRAGMENTED - 1, why: "a Python server, which does not survive the pieces that Chromium sends more in," };
}
