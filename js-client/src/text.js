// UTF-8, both ways.
import { tagOf } from "./errors.js";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

export const encodeText = (text) => encoder.encode(text);
export const encodeTextInto = (text, bytes) => encoder.encodeInto(text, bytes).written;
/** Throws on invalid UTF-8. */
export const decodeText = (bytes) => strict.decode(bytes);
/** Invalid UTF-8 becomes U+FFFD. */
export const showText = (bytes) => lenient.decode(bytes);

/** The bytes of a Uint8Array, any other view, or a buffer, without a copy; null for anything else. */
export function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return /^\[object (Shared)?ArrayBuffer\]$/.test(tagOf(value)) ? new Uint8Array(value) : null;
}
