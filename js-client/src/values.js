// One value's way to the wire and back: which serde does it.                    (protocol.md, "Payloads")
import { DaffiError, describe, isLost, refused, remoteError, tagOf } from "./errors.js";
import { decodeJson, encodeJson } from "./values_json.js";
import { decodeMsgpack, encodeMsgpack } from "./values_msgpack.js";
import { encodeRaw } from "./values_raw.js";
import { showText } from "./text.js";
import { MSGPACK, PICKLE, RAW } from "./wire.js";

const PICKLE_READ_MAX = 262144; // the three strings come first; what lies beyond is not worth its memory

class Kwargs {
  constructor(values) {
    this.values = values;
  }
}

/** Marks `values` as Python's keyword arguments; goes last: rpc().fn(1, DaffiClient.kwargs({ b: 2 })). */
export function kwargs(values) {
  if (tagOf(values) !== "[object Object]") {
    throw refused("kwargs", values, "a plain object is accepted, one key for each keyword argument");
  }
  return new Kwargs({ ...values });
}

/** The payload of a request: { bytes, isBytes }. Throws the TypeError of the argument that can't go. */
export function encodeArguments(core, serde, method, values) {
  const last = values.at(-1);
  const [args, named] = last instanceof Kwargs ? [values.slice(0, -1), last.values] : [values, {}];
  if (args.some((value) => value instanceof Kwargs)) throw new TypeError(`${method}: DaffiClient.kwargs(…) goes last`);
  if (serde === RAW) {
    if (args !== values) throw new TypeError(`${method}: raw takes one value as it is, and no keyword arguments`);
    return encodeRaw(method, args);
  }
  return serde === MSGPACK ? encodeMsgpack(core, method, args, named) : encodeJson(method, args, named);
}

/** The arguments of a REQUEST: Python's keyword arguments come last, as kwargs() marks them; raw is one Uint8Array of its own buffer. */
export function decodeRequest(core, { decoder, payload, caller }, method) {
  if (decoder === RAW) return [payload.slice()];
  if (decoder === PICKLE) throw new DaffiError("refused", `${method}: a page takes no pickle: call it with serde JSON, MSGPACK or OPAQUE`);
  try {
    const [args, named] = decoder === MSGPACK ? decodeMsgpack(core, payload) : listOf(decodeJson(payload));
    if (!Array.isArray(args) || tagOf(named) !== "[object Object]") throw new Error("no arguments in it");
    return Object.keys(named).length > 0 ? [...args, kwargs(named)] : args;
  } catch (error) {
    throw undecodable(error, "call", { member: caller, method });
  }
}

const listOf = ({ args, kwargs: named }) => [args, named];

/** The payload of a RESPONSE. */
export function encodeResult(core, serde, method, result) {
  if (result instanceof Kwargs || isLost(result)) throw new TypeError(`${method}: the result is ${describe(result)}, which can't be sent`);
  if (serde === RAW && result === undefined) return { bytes: new Uint8Array(), isBytes: true }; // what a function that returns nothing returns
  return encodeArguments(core, serde, `${method}: the result`, [result]);
}

/** `args[0]` of a RESPONSE or ERROR: the result, or the error's tuple. */
function decodePayload(core, { decoder, payload }) {
  const args = decoder === MSGPACK ? decodeMsgpack(core, payload)?.[0] : decodeJson(payload)?.args;
  if (!Array.isArray(args)) throw new Error("no arguments in it");
  return args[0];
}

/** What a RESPONSE holds. Raw is always a Uint8Array of its own buffer. */
export function decodeResult(core, message, call) {
  if (message.decoder === RAW) return message.payload.slice();
  try {
    if (message.decoder === PICKLE) throw new Error("it is a pickle, which is never loaded");
    return decodePayload(core, message);
  } catch (error) {
    throw undecodable(error, "answer", call);
  }
}

/** What an ERROR says, as a DaffiError, whatever serde it came in. */
export function decodeError(core, message, { member, method }) {
  const call = { member, method };
  const { decoder, payload } = message;
  try {
    if (decoder === RAW) return remoteError(["", "", showText(payload)], call);
    const tuple = decoder === PICKLE ? core.readPickledError(payload.subarray(0, PICKLE_READ_MAX)) : decodePayload(core, message);
    return remoteError(tuple.slice(0, 3).map(String), call);
  } catch (error) {
    return undecodable(error, "error", call);
  }
}

function undecodable(error, what, { member, method }) {
  return new DaffiError("protocol", `${method}: the ${what} of ${member} can't be read: ${error.message}`, { member, method, cause: error });
}
