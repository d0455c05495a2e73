// UTF-8, both ways.
import { refused, tagOf } from "./errors.js";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

const SHORT_WRITE = 64; // up to here a loop is faster than a call out of the JavaScript engine, as names are ASCII as a rule
const SHORT_READ = 32;

export const encodeText = (text) => encoder.encode(text);

/** How many bytes of `bytes`, which are at least SHORT_WRITE, it takes. */
export function encodeTextInto(text, bytes) {
  for (let at = 0; text.length <= SHORT_WRITE; at++) {
    if (at === text.length) return at;
    const unit = text.charCodeAt(at);
    if (unit > 127) break;
    bytes[at] = unit;
  }
  return encoder.encodeInto(text, bytes).written;
}

function decode(bytes, decoder) {
  let text = "";
  for (let at = 0; bytes.length <= SHORT_READ; at++) {
    if (at === bytes.length) return text;
    if (bytes[at] > 127) break;
    text += String.fromCharCode(bytes[at]);
  }
  return decoder.decode(bytes);
}

/** Throws on invalid UTF-8. */
export const decodeText = (bytes) => decode(bytes, strict);
/** Invalid UTF-8 becomes U+FFFD. */
export const showText = (bytes) => decode(bytes, lenient);

/** The bytes of any view or buffer, without a copy; null for anything else. Throws where they are not there any more. */
export function bytesOf(value) {
  if (ArrayBuffer.isView(value)) {
    value.keys?.(); // throws where the buffer ends before it, which its length does not tell from an empty one
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return /^\[object (Shared)?ArrayBuffer\]$/.test(tagOf(value)) ? new Uint8Array(value) : null;
}

/** The same, or the TypeError of `argument`. */
export function checkBytes(argument, value, accepted) {
  let why = accepted;
  try {
    const bytes = bytesOf(value);
    if (bytes) return bytes;
  } catch ({ message }) {
    why = `${message}; ${accepted}`;
  }
  throw refused(argument, value, why);
}
