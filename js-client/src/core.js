// app.wasm as JavaScript sees it: one instance, its window, its fields.         (wasm-core/wasm/exports.h)
import { DaffiError } from "./errors.js";
import { encodeText, encodeTextInto, showText } from "./text.js";
import { HEADER, METADATA_MAX } from "./wire.js";

export const ABI = 1;
export const WINDOW = 16384;
const HEAD_MAX = HEADER + METADATA_MAX;
const HEAD_USUAL = 512;
const METADATA_FAULT = "the names of caller, receiver and function are together too long";
const MORE = -1;

export class Core {
  #wasm;
  #heap = null; // views, made anew when memory has grown
  #headAt;
  #windowAt;
  #fieldsAt;

  constructor(instance) {
    this.#wasm = instance.exports;
    const abi = this.#wasm.daffi_wasm_abi?.();
    if (abi !== ABI) {
      throw new DaffiError("protocol", `app.wasm has ABI ${abi}, this daffi.js needs ${ABI}: take both from the same release`);
    }
    this.#headAt = this.#wasm.daffi_wasm_head();
    this.#windowAt = this.#wasm.daffi_wasm_window();
    this.#fieldsAt = this.#wasm.daffi_wasm_fields();
    const name = (suffix) => this.#wasm[`daffi_wasm_pack_${suffix}`];
    /** The packers, each (at, …values) → next at. */
    this.pack = {};
    for (const kind of ["nil", "bool", "number", "int64", "uint64", "text", "binary", "array", "map", "timestamp"]) this.pack[kind] = name(kind);
    this.unpack = this.#wasm.daffi_wasm_unpack;
  }

  get #views() {
    const { buffer } = this.#wasm.memory;
    if (this.#heap?.buffer !== buffer) {
      this.#heap = {
        buffer,
        bytes: new Uint8Array(buffer),
        head: new Uint8Array(buffer, this.#headAt, HEAD_MAX),
        window: new Uint8Array(buffer, this.#windowAt, WINDOW),
        fields: new Int32Array(buffer, this.#fieldsAt, 32),
        view: new DataView(buffer, this.#fieldsAt, 128),
      };
    }
    return this.#heap;
  }

  get window() {
    return this.#views.window;
  }

  field(index) {
    return this.#views.fields[index];
  }

  int64(index) {
    return this.#views.view.getBigInt64(index * 4, true);
  }

  float64(index) {
    return this.#views.view.getFloat64(index * 4, true);
  }

  /** Bytes that the module's memory has now. */
  get memorySize() {
    return this.#views.bytes.length;
  }

  /** Why the last call was refused. */
  fault() {
    const { bytes } = this.#views;
    const at = this.#wasm.daffi_wasm_fault();
    return showText(bytes.subarray(at, bytes.indexOf(0, at)));
  }

  #text(at, length) {
    return showText(this.#views.bytes.subarray(at, at + length));
  }

  #windowText(length) {
    return length < 0 ? null : showText(this.window.subarray(0, length));
  }

  /** Puts a name into the window; false when it can't be one. */
  #put(name) {
    return name.length > 1024 ? -1 : encodeTextInto(name, this.window);
  }

  /** Hands `bytes` to `read(address, length)` in the module's heap. */
  #lend(bytes, read) {
    const address = this.#wasm.daffi_wasm_allocate(Math.max(bytes.length, 1));
    if (address === 0) throw new Error("app.wasm has no memory left");
    try {
      this.#views.bytes.set(bytes, address);
      return read(address, bytes.length);
    } finally {
      this.#wasm.daffi_wasm_release(address);
    }
  }

  /** The whole bytes of a message. `kind` is { flag, decoder, isBytes, returnResult }; `limit` { bytes, why } is the
   *  largest that may go, a RangeError beyond it. */
  encodeMessage(uuid, { flag, decoder, isBytes, returnResult }, metadata, payload, limit) {
    const { head } = this.#views;
    const length = metadata.length * 3 > HEAD_MAX ? -1 : encodeTextInto(metadata, head.subarray(HEADER));
    const kind = flag | (decoder << 4) | (isBytes ? 64 : 0) | (returnResult ? 128 : 0);
    const whole = HEADER + Math.max(length, 0) + payload.length;
    if (limit && whole > limit.bytes) throw new RangeError(`a message of ${whole} bytes is too large: ${limit.why} ${limit.bytes} bytes`);
    const size = length < 0 ? length : this.#wasm.daffi_wasm_message_encode(uuid, kind, length, payload.length);
    if (size < 0) throw new TypeError(length < 0 ? METADATA_FAULT : this.fault());
    const message = new Uint8Array(size + payload.length);
    message.set(head.subarray(0, size));
    message.set(payload, size);
    return message;
  }

  /** The message at the front of `bytes`; throws a sentence when there is none. Its payload is a view. */
  decodeMessage(bytes) {
    const { head } = this.#views;
    let available = Math.min(bytes.length, HEAD_USUAL);
    head.set(bytes.subarray(0, available));
    let offset = this.#wasm.daffi_wasm_message_decode(available);
    if (offset === MORE && bytes.length > available) {
      available = Math.min(bytes.length, HEAD_MAX);
      head.set(bytes.subarray(0, available));
      offset = this.#wasm.daffi_wasm_message_decode(available);
    }
    if (offset < 0) throw new Error(offset === MORE ? `a message of ${bytes.length} bytes ends too early` : this.fault());
    const [uuid, flag, decoder, , returnResult, size] = this.#views.fields;
    if (size > bytes.length) throw new Error(`a message of ${size} bytes came with only ${bytes.length}`);
    return { uuid, flag, decoder, returnResult: returnResult === 1, size, payload: bytes.subarray(offset, size) };
  }

  /** Who sent the message decoded last. */
  transmitter() {
    const { fields, head } = this.#views;
    return showText(head.subarray(fields[6], fields[6] + fields[7]));
  }

  /** The JSON of one's own handshake. */
  handshakeOf(name) {
    this.#wasm.daffi_wasm_handshake_begin(this.#put(name), 0);
    const length = this.#wasm.daffi_wasm_handshake_end();
    if (length < 0) throw new Error(this.fault());
    const at = this.field(0);
    return this.#views.bytes.slice(at, at + length);
  }

  /** Reads a server's handshake into the registry. `bridge` is null where none announced itself. */
  readHandshake(payload, replace) {
    return this.#lend(payload, (address, length) => {
      const type = this.#wasm.daffi_wasm_handshake_read(address, length, replace ? 1 : 0);
      if (type < 0) throw new Error(`a handshake that can't be read: ${this.fault()}`);
      const [errorAt, errorLength, abi, maxMessage, maxBatch, heartbeat] = this.#views.fields;
      return {
        service: type === 1,
        error: errorAt === 0 ? null : this.#text(errorAt, errorLength),
        bridge: abi === 0 ? null : { abi, maxMessage: maxMessage >>> 0, maxBatch: maxBatch >>> 0, heartbeat },
      };
    });
  }

  /** Reads an EVENTS payload; disconnected and evicted members are gone from the registry. */
  readEvent(payload) {
    const type = this.#lend(payload, (address, length) => this.#wasm.daffi_wasm_event_read(address, length));
    if (type < 0) throw new Error(`an event that can't be read: ${this.fault()}`);
    return { type: ["connected", "disconnected", "evicted"][type], member: this.#windowText(this.field(0)) };
  }

  /** [type, module, text] of a pickled error, which is not executed. */
  readPickledError(pickle) {
    return this.#lend(pickle, (address, length) => {
      if (this.#wasm.daffi_wasm_pickle_error(address, length) < 0) throw new Error(this.fault());
      const [typeAt, typeLength, moduleAt, moduleLength, textAt, textLength] = this.#views.fields;
      return [this.#text(typeAt, typeLength), this.#text(moduleAt, moduleLength), this.#text(textAt, textLength)];
    });
  }

  resetMembers(ownName) {
    this.#wasm.daffi_wasm_members_reset(this.#put(ownName));
  }

  /** Adds a member of which nothing but its name is known. */
  addMember(name) {
    this.readHandshake(encodeText(JSON.stringify({ meta: { type: "router", error: null }, members: [{ name, methods: null }] })), false);
  }

  get memberCount() {
    return this.#wasm.daffi_wasm_members_count();
  }

  /** The next member in turn that exposes `method`, or null. */
  pickMember(method) {
    const length = this.#put(method);
    return length < 0 ? null : this.#windowText(this.#wasm.daffi_wasm_member_pick(length));
  }

  /** The member's index, below 0 when it is not there. */
  findMember(name) {
    const length = this.#put(name);
    return length < 0 ? length : this.#wasm.daffi_wasm_member_find(length);
  }

  memberName(index) {
    return this.#windowText(this.#wasm.daffi_wasm_member_name(index));
  }

  memberExposes(index, method) {
    const length = this.#put(method);
    return length >= 0 && this.#wasm.daffi_wasm_member_exposes(index, length) === 1;
  }

  /** Names of what the member exposes; null where it said so. */
  memberMethods(index) {
    const count = this.#wasm.daffi_wasm_member_methods(index);
    if (count < 0) return null;
    return Array.from({ length: count }, (_, method) => this.#windowText(this.#wasm.daffi_wasm_member_method(index, method)));
  }

  /** A call id, below 0 when none is free. */
  openCall() {
    return this.#wasm.daffi_wasm_call_open();
  }

  closeCall(id) {
    this.#wasm.daffi_wasm_call_close(id);
  }

  get callCount() {
    return this.#wasm.daffi_wasm_calls_count();
  }
}
