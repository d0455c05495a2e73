// Names and texts of others as they may be shown: bounded, and with nothing in them that changes how what stands beside them reads.

const UNSEEN = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/gu;
const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** On one line, of at most `most` characters: control characters and marks of direction become visible escapes. */
export function plainName(text, most = 120) {
  const shown = String(text);
  return (shown.length > most ? `${shown.slice(0, most - 1)}…` : shown).replace(UNSEEN, escape);
}

/** Of any number of lines, and of at most `most` characters. */
export function plainText(text, most = 65536) {
  const shown = text.length > most ? `${text.slice(0, most)}\n… ${text.length - most} characters more` : text;
  return shown.replace(UNSEEN, (character) => (character === "\n" || character === "\t" ? character : escape(character)));
}

/** A number of bytes as people read it. */
export function byteCount(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;
}
