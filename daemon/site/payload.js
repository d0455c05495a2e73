// The payload of a message as text, whatever serde it came in; of one that is kept in part, that part.
import { HEADER_BYTES } from "./header.js";
import { indentJson } from "./json_text.js";
import { msgpackText } from "./msgpack_text.js";
import { pickledStrings } from "./pickle_strings.js";
import { serdeOf } from "./traffic.js";

const READ = { json: readJson, msgpack: readMsgpack, raw: readRaw, pickle: readPickle };

/** The part of a message's payload that is kept. */
export const payloadOf = ({ header, bytes }) => bytes.subarray(HEADER_BYTES + header.metadata_len);

/**
 * @param {import("./traffic.js").Message} message one with a header
 * @param {number} most characters of text
 * @returns {{text: string, note: string}} `note` says what is to be known of it, where there is anything
 */
export function payloadText(message, most = 65536) {
  const { note, text } = READ[serdeOf(message)](payloadOf(message), { most, whole: message.bytes.length === message.size, isBytes: message.header.is_bytes === 1 });
  const kept = message.bytes.length < message.size ? `the first ${message.bytes.length} of its ${message.size} bytes are kept` : "";
  return { text, note: [kept, note].filter(Boolean).join("; ") };
}

/** UTF-8 text; a character that is cut off at the end is left out. null where it is no text. */
function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return null;
  }
}

function readJson(bytes, { most, whole }) {
  const text = utf8(bytes);
  if (text === null) return { text: "", note: "it is no UTF-8" };
  let note = "";
  try { if (whole) JSON.parse(text); } catch (error) { note = `it is no JSON: ${error.message.slice(0, 200)}`; }
  return { text: indentJson(text, most), note };
}

function readMsgpack(bytes, { most, whole }) {
  const { text, fault } = msgpackText(bytes, most);
  return { text, note: fault && whole ? `it is no MSGPACK: ${fault}` : "" };
}

function readRaw(bytes, { isBytes }) {
  if (isBytes) return { text: "", note: "bytes, as they are" };
  const text = utf8(bytes);
  return text === null ? { text: "", note: "said to be text, and is no UTF-8" } : { text, note: "text, as it is" };
}

function readPickle(bytes) {
  const [type, module, text] = pickledStrings(bytes, 3);
  const note = "a pickle, of which the first strings are read and nothing is run";
  return { text: type === undefined ? "" : `${module ? `${module}.` : ""}${type}${text === undefined ? "" : `: ${text}`}`, note };
}
