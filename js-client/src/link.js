// One WebSocket, from its opening through the handshake to its end. It never comes back: the session makes another.
import { DaffiError } from "./errors.js";
import { decodeError } from "./values.js";
import { ERROR, HANDSHAKE, JSON_SERDE, RAW } from "./wire.js";

const OPEN_WAIT = 10000;
const ANSWER_WAIT = 5000;
const HIGH_WATER = 1048576; // bytes unsent, above which a stream waits
const DRAIN_POLL = 5; // a WebSocket does not say when it has sent

export class Link {
  /** opening → greeting → open → closed */
  #state = "opening";
  #socket = null;
  #timer;
  #uuid = 0; // of the handshake
  #settings;
  #core;
  #name;
  #hooks;
  #opened;

  /** What the bridge said of itself, null for a bare server. */
  bridge = null;

  /** `hooks`: onmessage(message) for what is not this link's handshake; onhandshake(payload) → what it says, for the
   *  answer to it; onlost(error), once, when an open link ends by itself. */
  constructor(core, name, settings, hooks) {
    this.#core = core;
    this.#name = name;
    this.#settings = settings;
    this.#hooks = hooks;
  }

  /** Resolves once the handshake is answered. */
  open() {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      const { url, WebSocket } = this.#settings;
      const address = new URL(url);
      address.search += `${address.search ? "&" : "?"}daffi-bridge=1`;
      try {
        this.#socket = new WebSocket(address.href);
      } catch (cause) {
        return this.#end(new DaffiError("unreachable", `no connection to ${url.href} could be made: ${cause.message}`, { cause }));
      }
      this.#socket.binaryType = "arraybuffer";
      this.#socket.onopen = () => this.#guard(() => this.#greet());
      this.#socket.onmessage = ({ data }) => this.#guard(() => this.#read(data));
      this.#socket.onerror = () => {}; // close follows and says more
      this.#socket.onclose = (event) => this.#end(this.#closeError(event));
      this.#timer = setTimeout(() => this.#end(new DaffiError("unreachable", `${url.href} did not open within ${OPEN_WAIT / 1000} s`)), OPEN_WAIT);
    });
  }

  /** Sends the bytes of one message. */
  send(bytes) {
    this.#socket.send(bytes);
  }

  /** Resolves when little enough is unsent, or the link is closed. */
  async drained() {
    while (this.#state === "open" && this.#socket.bufferedAmount > HIGH_WATER) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL));
    }
  }

  get full() {
    return this.#socket.bufferedAmount > HIGH_WATER;
  }

  /** Ends it from this side; a handshake still under way rejects with `error`; onlost is not called. */
  close(error) {
    this.#hooks.onlost = () => {};
    this.#end(error);
  }

  #greet() {
    this.#state = "greeting";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(new DaffiError("timeout",
      `${this.#settings.url.href} did not answer the handshake within ${ANSWER_WAIT / 1000} s`)), ANSWER_WAIT);
    this.#uuid = this.#core.openCall();
    const kind = { flag: HANDSHAKE, decoder: JSON_SERDE, isBytes: false, returnResult: true };
    this.send(this.#core.encodeMessage(this.#uuid, kind, `${this.#name}||`, this.#core.handshakeOf(this.#name)));
  }

  #read(data) {
    if (this.#state === "closed") return;
    if (typeof data === "string") throw new Error("the server sent a text message");
    if (data.byteLength === 0) return; // a bridge's heartbeat
    const message = this.#core.decodeMessage(new Uint8Array(data));
    if (message.size !== data.byteLength) throw new Error(`a message of ${message.size} bytes came with ${data.byteLength}`);
    if (this.#state === "greeting" && message.uuid === this.#uuid) return this.#readAnswer(message);
    this.#hooks.onmessage(message);
  }

  #readAnswer(message) {
    if (message.flag === ERROR) return this.#refuse(this.#refusal(message));
    if (message.flag !== HANDSHAKE || this.#core.transmitter() !== this.#name) return this.#hooks.onmessage(message);
    const { error, bridge } = this.#hooks.onhandshake(message.payload);
    if (error !== null) return this.#refuse(error);
    clearTimeout(this.#timer);
    this.#core.closeCall(this.#uuid);
    this.bridge = bridge;
    this.#state = "open";
    this.#opened.resolve();
  }

  /** The reason in an ERROR that answers the handshake. */
  #refusal(message) {
    const { remoteMessage, message: text } = decodeError(this.#core, message, { member: "the server", method: "connect" });
    return message.decoder === RAW ? text : remoteMessage || text;
  }

  #refuse(reason) {
    this.#end(new DaffiError("refused", `${this.#settings.url.href} refused the connection: ${reason}`, { reason }));
  }

  #closeError({ code, reason }) {
    const { href } = this.#settings.url;
    const why = `${reason ? `: ${reason}` : ""} (close code ${code})`;
    switch (this.#state) {
      case "opening":
        return new DaffiError("unreachable", `no connection to ${href} could be opened${why}`);
      case "greeting":
        return new DaffiError("refused", `${href} closed the connection without answering the handshake${why}`, { reason });
      default:
        return new DaffiError("disconnected", `the connection to ${href} was lost${why}`, { reason });
    }
  }

  /** Whatever goes wrong in a message is the server's fault and ends the link. */
  #guard(step) {
    try {
      step();
    } catch (cause) {
      this.#end(new DaffiError("protocol", `${this.#settings.url.href} broke the protocol: ${cause.message}`, { cause }));
    }
  }

  #end(error) {
    if (this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    if (this.#state === "greeting") this.#core.closeCall(this.#uuid);
    this.#state = "closed";
    clearTimeout(this.#timer);
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
    }
    if (wasOpen) this.#hooks.onlost(error);
    else this.#opened.reject(error);
  }
}
