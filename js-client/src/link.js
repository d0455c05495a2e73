// One WebSocket, from its opening through the handshake to its end. It never comes back: the session makes another.
import { makeDeferred } from "./deferred.js";
import { DaffiError } from "./errors.js";
import { Outbox } from "./outbox.js";
import { Pulse } from "./pulse.js";
import { tabSecret } from "./tab.js";
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
  #uuid = 0; // of the handshake, or of the last one that told of other functions
  #backlog = []; // what is to go when the handshake is answered; then null
  #backlogBytes = 0;
  #told = null; // who waits for the bridge to have been told of other functions
  #settings;
  #core;
  #name;
  #hooks;
  #outbox = null; // where the bridge takes batches
  #pulse = null; // where it gives signs of life

  /** What the bridge said of itself, null for a bare server. */
  bridge = null;
  /** Whether the server is a Service. */
  service = false;
  /** The functions that the server was told of. */
  methods = [];

  /** `hooks`: methods() → the functions that one exposes; ontold() when a later one is
   *  answered; onopen() when the handshake is answered; onmessage(message) for what is not this link's handshake;
   *  onhandshake(payload) → what it says, for the answer to it; onend(error), once, when it ends by itself. */
  constructor(core, name, settings, hooks) {
    this.#core = core;
    this.#name = name;
    this.#settings = settings;
    this.#hooks = hooks;
  }

  open(token) {
    const { url, WebSocket } = this.#settings;
    const address = new URL(url);
    address.search += `${address.search ? "&" : "?"}daffi-bridge=1&daffi-tab=${tabSecret(this.#settings)}${token ? `&daffi-token=${encodeURIComponent(token)}` : ""}`;
    try {
      this.#socket = new WebSocket(address.href);
    } catch (cause) {
      return this.#end("unreachable", `can't be reached: ${cause.message}`, { cause });
    }
    // Chromium tells nothing more of it.
    if (this.#socket.readyState === 3) return this.#end("unreachable", "can't be reached: the page's Content-Security-Policy lacks it in connect-src");
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#guard(() => this.#greet());
    this.#socket.onmessage = ({ data }) => this.#guard(() => this.#read(data));
    let failure; // close follows, but says nothing of a certificate that is not trusted: this does, outside of browsers
    this.#socket.onerror = ({ message }) => { failure = message; };
    this.#socket.onclose = (event) => this.#lose(event, failure);
    this.#wait(OPEN_WAIT, "unreachable", "did not open");
  }

  #wait(time, code, text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(code, `${text} within ${time / 1000} s`), time);
  }

  /** Sends the bytes of one message: at once, or with others at the end of this turn. They are the caller's again afterwards. */
  send(bytes) {
    if (this.#backlog) {
      this.#backlog.push(bytes.slice());
      this.#backlogBytes += bytes.length;
    } else if (this.#outbox) {
      this.#outbox.push(bytes);
    } else {
      this.#write(bytes);
    }
  }

  #write(bytes) {
    if (this.#state === "closed") return;
    try {
      this.#socket.send(this.#settings.WebSocket === globalThis.WebSocket ? bytes : bytes.slice()); // another one may read them later
    } catch (cause) {
      this.#end("disconnected", `can't be sent to: ${cause.message}`, { cause });
    }
  }

  /** Resolves when little enough is unsent, or the link is closed. */
  async drained() {
    while (this.full) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL));
  }

  get full() {
    if (this.#state === "closed") return false;
    return (this.#backlog ? this.#backlogBytes : this.#socket.bufferedAmount + (this.#outbox?.bytes ?? 0)) > HIGH_WATER;
  }

  /** Whether it has told the server who it is. */
  get greeted() {
    return this.#state !== "opening";
  }

  #greet() {
    this.#state = "greeting";
    this.#wait(ANSWER_WAIT, "timeout", "did not answer the handshake");
    this.#write(this.#handshake(this.#hooks.methods()));
  }

  #handshake(methods) {
    this.methods = methods;
    this.#uuid = 0; // a former one may be a call's by now, which stays open if there is none for this
    this.#uuid = this.#core.openCall();
    const kind = { flag: HANDSHAKE, decoder: JSON_SERDE, isBytes: false, returnResult: true };
    return this.#core.encodeMessage(this.#uuid, kind, `${this.#name}||`, this.#core.handshakeOf(this.#name, this.methods));
  }

  /** Tells the bridge, which takes a second handshake, that `methods` are one's functions now: → promise of its having told all others. */
  tell(methods) {
    const late = () => this.#answered(new DaffiError("timeout", "the bridge did not answer the new handshake"));
    const told = { ...makeDeferred(), before: this.methods, timer: setTimeout(late, ANSWER_WAIT) };
    this.#told = told;
    try {
      this.send(this.#handshake(methods));
    } catch (error) {
      this.#answered(error);
    }
    return told.promise;
  }

  /** tell() is over; without an error where it was taken, or the next link's handshake will tell. */
  #answered(error) {
    const told = this.#told;
    if (!told) return;
    this.#told = null;
    clearTimeout(told.timer);
    this.#core.closeCall(this.#uuid);
    if (error) this.methods = told.before;
    if (error) told.reject(error);
    else told.resolve();
  }

  /** What waits for the handshake's answer. */
  takeBacklog() {
    const backlog = this.#backlog ?? [];
    this.#backlog = null;
    return backlog;
  }

  #read(data) {
    if (typeof data === "string") throw new Error("a text message");
    if (this.#pulse && data.byteLength === 4) return this.#pulse.hear(new DataView(data).getUint32(0, true)); // a large message begins
    this.#pulse?.hear();
    const bytes = new Uint8Array(data); // empty: a sign of life
    for (let at = 0; at < bytes.length && this.#state !== "closed";) {
      const message = this.#core.decodeMessage(at ? bytes.subarray(at) : bytes);
      at += message.size;
      if (at < bytes.length && !this.#outbox) throw new Error(`a message of ${at} bytes came with ${bytes.length}`);
      const awaited = (this.#state === "greeting" || this.#told) && message.uuid === this.#uuid;
      if (!awaited || !this.#readAnswer(message)) this.#hooks.onmessage(message);
    }
  }

  /** Whether this answers the handshake. */
  #readAnswer(message) {
    if (message.flag === ERROR) {
      const error = decodeError(this.#core, message, { member: "the server", method: "connect" });
      if (this.#told) this.#answered(error);
      else this.#refuse(message.decoder === RAW ? error.message : error.remoteMessage || error.message);
      return true;
    }
    if (message.flag !== HANDSHAKE || this.#core.transmitter() !== this.#name) return false;
    const { error, bridge, service } = this.#hooks.onhandshake(message.payload);
    if (this.#told) {
      this.#answered();
      this.#hooks.ontold();
    } else if (error === null) {
      clearTimeout(this.#timer);
      this.#core.closeCall(this.#uuid);
      this.bridge = bridge;
      this.service = service;
      this.#state = "open";
      const { maxBatch, heartbeat } = bridge ?? {};
      if (maxBatch > 0) this.#outbox = new Outbox(maxBatch, (batch) => this.#write(batch));
      if (heartbeat > 0) {
        this.#pulse = new Pulse(heartbeat * 1.25, heartbeat / 4, () => this.#write(new Uint8Array()),
          () => this.#end("disconnected", `gave no sign of life for ${heartbeat * 1.5 / 1000} s`));
      }
      for (const waiting of this.takeBacklog()) this.send(waiting);
      this.#hooks.onopen();
    } else {
      this.#refuse(error);
    }
    return true;
  }

  #refuse(reason) {
    this.#end("refused", `refused the connection: ${reason}`, { reason });
  }

  #lose({ code, reason }, failure) {
    const why = `${reason || failure ? `: ${reason || failure}` : ""} (close code ${code})`;
    if (this.#state === "opening") this.#end("unreachable", `can't be reached${why}`);
    else if (this.#state === "greeting") this.#end("refused", `closed the connection without answering the handshake${why}`, { reason });
    else this.#end("disconnected", `closed the connection${why}`, { reason });
  }

  /** Whatever goes wrong in a message is the server's fault and ends the link. */
  #guard(step) {
    try {
      step();
    } catch (cause) {
      this.#end("protocol", `broke the protocol: ${cause.message}`, { cause });
    }
  }

  #end(code, text, details) {
    if (this.#state === "closed") return;
    this.close();
    this.#hooks.onend(new DaffiError(code, `${this.#settings.url.href} ${text}`, details));
  }

  /** Ends it from this side, without a word to the hooks. */
  close() {
    if (this.#state === "greeting") this.#core.closeCall(this.#uuid);
    this.#outbox?.flush(); // what was sent before stop() has been sent
    this.#state = "closed";
    this.#answered();
    clearTimeout(this.#timer);
    this.#pulse?.stop();
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
    }
  }
}
