// The public face: new DaffiClient([name,] options).
import { Connection } from "./connection.js";
import { DaffiError } from "./errors.js";
import { Events } from "./events.js";
import { VERSION } from "./generated.js";
import { checkName, makeName } from "./names.js";
import { readClientOptions } from "./options.js";
import { Session } from "./session.js";
import { checkBytes, showText } from "./text.js";
import { kwargs } from "./values.js";

/** The event that tells of a new `state`; `previous` is the one before. */
class StateChange extends Event {
  constructor(state, previous) {
    super("statechange");
    this.state = state;
    this.previous = previous;
  }
}

/** A daffi client in a page, a worker or Node. Emits `statechange`. */
export class DaffiClient extends EventTarget {
  static name = "DaffiClient";
  static DaffiError = DaffiError;
  static version = VERSION;

  /** Marks an object as Python's keyword arguments, as the last argument of a call. */
  static kwargs(values) {
    return kwargs(values);
  }

  /** The text of raw bytes (UTF-8). */
  static text(bytes) {
    return showText(checkBytes("text: bytes", bytes, "a Uint8Array or another view, or an ArrayBuffer is accepted").slice());
  }

  #session;
  #events = new Events();

  /** `name` may be left out: one is made of the page's host and 32 random bits. `options`: wsUrl (required), autoreconnect,
   *  reconnectDelay (ms), WebSocket (a class, where there is no global one), wasmUrl, token. */
  constructor(name, options) {
    super();
    if (options === undefined && typeof name === "object") [name, options] = [undefined, name];
    const settings = readClientOptions(options);
    const own = name === undefined || name === null ? makeName() : checkName(name);
    this.#session = new Session(own, settings, this.#events, (state, previous) => this.dispatchEvent(new StateChange(state, previous)));
    this.#session.connection = new Connection(this.#session);
  }

  /** The name that others see. */
  get name() {
    return this.#session.name;
  }

  /** idle, connecting, connected, reconnecting, disconnected, evicted or closed. */
  get state() {
    return this.#session.state;
  }

  /** What the bridge said of itself: { abi, maxMessage, maxBatch, heartbeat }; null without a connection to one. */
  get bridge() {
    return this.state === "connected" ? this.#session.link.bridge : null;
  }

  /** → promise of the Connection, the same one while connecting or connected. */
  connect() {
    return this.#session.connect();
  }

  /** Ends for good. What waits rejects `closed`. */
  stop() {
    this.#session.stop();
  }

  /** Offers functions to others, also before connect(): expose({ add: (a, b) => a + b }). They may be async; what they throw
   *  arrives at the caller. Python's keyword arguments come last, as DaffiClient.kwargs makes them.
   *  → promise of all others' knowing them; rejects `refused` where the bridge does not let pages expose them. */
  expose(functions) {
    return this.#session.expose(functions);
  }

  /** Takes functions back: who calls them hears `no-such-method`. */
  unexpose(...names) {
    return this.#session.unexpose(names);
  }

  /** Calls fn({ type, member }) for each connected, disconnected and evicted. Returns a function that removes it. */
  addEventHandler(fn) {
    return this.#events.add(fn);
  }

  /** The same as an async iterator, from now until stop(). */
  events() {
    const reader = this.#events.read();
    if (this.state === "closed") reader.return();
    return reader;
  }
}
