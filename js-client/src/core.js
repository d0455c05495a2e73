// app.wasm as JavaScript sees it: one instance, its window, its fields.         (wasm-core/wasm/exports.h)
import { DaffiError } from "./errors.js";
import { random32 } from "./random.js";
import { encodeText, encodeTextInto, showText } from "./text.js";
import { HEADER, METADATA_MAX } from "./wire.js";

export const ABI = 1;
export const WINDOW = 16384;
const HEAD_MAX = HEADER + METADATA_MAX;
const HEAD_USUAL = 512;
const SCRATCH = 4096; // a buffer of its own costs a small message more than all its encoding
const MORE = -1;

export class Core {
  #wasm = {};
  #scratch = new Uint8Array(SCRATCH);
  #heap; // views, made anew when memory has grown

  /** Who fills the window piece by piece, if anybody does. Between two pieces a getter in what is packed may call the client, which takes the window. */
  holder = null;

  /** `ontrap(cause)` → the error to throw, where the instance can't be used any more. */
  constructor({ exports }, ownName, ontrap) {
    for (const [name, value] of Object.entries(exports)) {
      this.#wasm[name.replace("daffi_wasm_", "")] = typeof value === "function" ? trapping(value, ontrap) : value;
    }
    this.#wasm._initialize?.();
    const abi = this.#wasm.abi?.();
    if (abi !== ABI) throw new DaffiError("protocol", `app.wasm has ABI ${abi}, this daffi.js needs ${ABI}: take both from one release`);
    this.#wasm.seed(random32(), random32());
    this.#wasm.members_reset(this.#put(ownName));
  }

  /** The module's functions by name, without their prefix: what packs and unpacks is called directly. */
  get wasm() {
    return this.#wasm;
  }

  get #views() {
    if (!this.#heap?.bytes.length) { // 0: the memory has grown, and left its old buffer
      const { memory: { buffer }, head, window, fields } = this.#wasm;
      this.#heap = {
        bytes: new Uint8Array(buffer),
        head: new Uint8Array(buffer, head(), HEAD_MAX),
        names: new Uint8Array(buffer, head() + HEADER, METADATA_MAX),
        window: new Uint8Array(buffer, window(), WINDOW),
        fields: new Int32Array(buffer, fields(), 32),
        numbers: new DataView(buffer, fields(), 128),
      };
    }
    return this.#heap;
  }

  get window() {
    return this.#views.window;
  }

  /** The window is `holder`'s from here on, or free for whatever is done next: null. Who had it puts away what is there. */
  hold(holder) {
    this.holder?.flush();
    this.holder = holder;
  }

  field(index) {
    return this.#views.fields[index];
  }

  int64(index) {
    return this.#views.numbers.getBigInt64(index * 4, true);
  }

  float64(index) {
    return this.#views.numbers.getFloat64(index * 4, true);
  }

  /** Why the last call was refused. */
  fault() {
    const { bytes } = this.#views;
    const at = this.#wasm.fault();
    return showText(bytes.subarray(at, bytes.indexOf(0, at)));
  }

  /** A result that is not below 0, or the fault as an error. */
  #done(result, what = "") {
    if (result < 0) throw new Error(what + this.fault());
    return result;
  }

  #text(at, length) {
    return showText(this.#views.bytes.subarray(at, at + length));
  }

  #windowText(length) {
    return length < 0 ? null : showText(this.window.subarray(0, length));
  }

  /** Puts a name into the window: its length, or -1 when it can't be one. */
  #put(name) {
    this.hold(null);
    return name.length > 1024 ? -1 : encodeTextInto(name, this.window);
  }

  /** Hands `bytes` to `read(address, length)` in the module's heap. */
  #lend(bytes, read) {
    const address = this.#wasm.allocate(Math.max(bytes.length, 1));
    if (address === 0) throw new Error("app.wasm has no memory left");
    try {
      this.#views.bytes.set(bytes, address);
      return read(address, bytes.length);
    } finally {
      this.#wasm.release(address);
    }
  }

  /** The whole bytes of a message, to be sent or copied before the next one is encoded. `kind` is { flag, decoder, isBytes, returnResult }; `limit` { bytes, why } is the
   *  largest that may go, a RangeError beyond it. */
  encodeMessage(uuid, { flag, decoder, isBytes, returnResult }, metadata, payload, limit) {
    const { head, names } = this.#views;
    const length = encodeTextInto(metadata, names); // names are short: they stand in the registry
    const kind = flag | (decoder << 4) | (isBytes << 6) | (returnResult << 7);
    const whole = HEADER + length + payload.length;
    if (limit && whole > limit.bytes) {
      throw new RangeError(`${metadata.split("|")[2]}: a message of ${whole} bytes is too large: ${limit.why} takes ${limit.bytes} bytes`);
    }
    const size = this.#done(this.#wasm.message_encode(uuid, kind, length, payload.length));
    const message = whole <= SCRATCH ? this.#scratch.subarray(0, size + payload.length) : new Uint8Array(size + payload.length);
    message.set(head.subarray(0, size));
    message.set(payload, size);
    return message;
  }

  /** The message at the front of `bytes`; throws a sentence when there is none. Its payload is a view. */
  decodeMessage(bytes) {
    const { head } = this.#views;
    const decode = (most) => {
      const front = bytes.subarray(0, most);
      head.set(front);
      return this.#wasm.message_decode(front.length);
    };
    let offset = decode(HEAD_USUAL);
    if (offset === MORE) offset = decode(HEAD_MAX);
    if (offset === MORE) throw new Error(`a message of ${bytes.length} bytes is cut off`);
    this.#done(offset);
    const { fields } = this.#views;
    const size = fields[5];
    if (size > bytes.length) throw new Error(`a message of ${size} bytes came with only ${bytes.length}`);
    return { uuid: fields[0], flag: fields[1], decoder: fields[2], returnResult: fields[4], size, payload: bytes.subarray(offset, size) };
  }

  #part(index) {
    const { fields, head } = this.#views;
    return showText(head.subarray(fields[index], fields[index] + fields[index + 1]));
  }

  /** Who sent the message decoded last. */
  transmitter() {
    return this.#part(6);
  }

  /** The function that it is about. */
  method() {
    return this.#part(10);
  }

  /** The JSON of one's own handshake, with the functions that one exposes. */
  handshakeOf(name, methods) {
    this.#done(this.#wasm.handshake_begin(this.#put(name), methods.length > 0));
    for (const method of methods) this.#done(this.#wasm.handshake_method(this.#put(method)));
    const length = this.#done(this.#wasm.handshake_end());
    const at = this.field(0);
    return this.#views.bytes.slice(at, at + length);
  }

  /** Reads a server's handshake into the registry. `bridge` is null where none announced itself. */
  readHandshake(payload, replace) {
    return this.#lend(payload, (address, length) => {
      const type = this.#done(this.#wasm.handshake_read(address, length, replace), "handshake: ");
      const [errorAt, errorLength, abi, maxMessage, maxBatch, heartbeat] = this.#views.fields;
      return {
        service: type === 1,
        error: errorAt === 0 ? null : this.#text(errorAt, errorLength),
        bridge: abi === 0 ? null : { abi, maxMessage, maxBatch, heartbeat },
      };
    });
  }

  /** Reads an EVENTS payload; disconnected and evicted members are gone from the registry. */
  readEvent(payload) {
    this.hold(null);
    const type = this.#lend(payload, (address, length) => this.#wasm.event_read(address, length));
    return { type: ["connected", "disconnected", "evicted"][this.#done(type, "event: ")], member: this.#windowText(this.field(0)) };
  }

  /** [type, module, text] of a pickled error, which is not executed. */
  readPickledError(pickle) {
    return this.#lend(pickle, (address, length) => {
      this.#done(this.#wasm.pickle_error(address, length));
      const { fields } = this.#views;
      return [0, 2, 4].map((index) => this.#text(fields[index], fields[index + 1]));
    });
  }

  /** Nobody is there. Never throws: an instance that trapped has nobody either. */
  resetMembers(ownName) {
    try {
      this.#wasm.members_reset(this.#put(ownName));
    } catch {
      // ontrap has been told
    }
  }

  /** Adds a member of which nothing but its name is known. */
  addMember(name) {
    this.readHandshake(encodeText(JSON.stringify({ meta: { type: "router", error: null }, members: [{ name, methods: null }] })), false);
  }

  /** The next member in turn that exposes `method`, never oneself, or null. */
  pickMember(method) {
    return this.#windowText(this.#wasm.member_pick(this.#put(method)));
  }

  /** The member's index, below 0 when it is not there. */
  findMember(name) {
    return this.#wasm.member_find(this.#put(name));
  }

  memberExposes(index, method) {
    return this.#wasm.member_exposes(index, this.#put(method)) === 1;
  }

  /** [{ name, methods }]: a snapshot. methods is null where the member said so. */
  listMembers() {
    this.hold(null);
    return Array.from({ length: this.#wasm.members_count() }, (_, index) => {
      const name = this.#windowText(this.#wasm.member_name(index));
      const count = this.#wasm.member_methods(index);
      const methods = count < 0 ? null : Array.from({ length: count }, (_, method) => this.#windowText(this.#wasm.member_method(index, method)));
      return { name, methods };
    });
  }

  /** A call id. */
  openCall() {
    const id = this.#wasm.call_open();
    if (id < 0) throw new DaffiError("busy", "65535 calls wait for answers: the wire has no more ids");
    return id;
  }

  /** Never throws: it is called from timers and clean-ups. */
  closeCall(id) {
    try {
      this.#wasm.call_close(id);
    } catch {
      // ontrap has been told
    }
  }
}

/** `run`, whose every exception is a trap. None of the module's functions takes more than four arguments. */
function trapping(run, ontrap) {
  return (a, b, c, d) => {
    try {
      return run(a, b, c, d);
    } catch (cause) {
      throw ontrap(cause);
    }
  };
}
