// Between what a person types or reads and what is called with or answered.

/**
 * Reads the arguments field.
 * @param {string} text JSON values separated by commas; for raw the text itself.
 * @param {"json"|"msgpack"|"raw"} serde
 * @returns {unknown[]} the arguments
 * @throws {Error} a sentence that says what is accepted
 */
export function readArguments(text, serde) {
  if (serde === "raw") return [text];
  try {
    return JSON.parse(`[${text}]`);
  } catch {
    throw new Error(`arguments can't be read: ${text} (JSON values separated by commas, such as 3, "text", [1, 2])`);
  }
}

/**
 * Reads the keyword arguments field.
 * @param {string} text a JSON object, or nothing
 * @returns {object|null}
 * @throws {Error} a sentence that says what is accepted
 */
export function readKeywords(text) {
  if (text.trim() === "") return null;
  let value;
  try { value = JSON.parse(text); } catch { value = undefined; }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`keyword arguments can't be read: ${text} (a JSON object, such as {"b": 4})`);
  }
  return value;
}

function hexDump(bytes, most = 512) {
  const shown = bytes.subarray(0, most);
  const lines = [];
  for (let at = 0; at < shown.length; at += 16) {
    const row = [...shown.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  if (bytes.length > most) lines.push(`… ${bytes.length - most} bytes more`);
  return lines.join("\n");
}

/**
 * A result as text for people: JSON where it is JSON, and a readable form of the rest.
 * @param {unknown} value what a call resolved to
 * @returns {string}
 */
export function describe(value) {
  if (value === undefined) return "undefined";
  if (value instanceof Uint8Array) {
    let text = "";
    try { text = `${JSON.stringify(new TextDecoder("utf-8", { fatal: true }).decode(value.subarray(0, 4096)))}\n`; } catch { /* no text */ }
    return `${value.length} bytes\n${text}${hexDump(value)}`;
  }
  return JSON.stringify(value, (key, item) => {
    if (typeof item === "bigint") return `${item}n`;
    if (item instanceof Uint8Array) return `<${item.length} bytes: ${[...item.subarray(0, 32)].map((b) => b.toString(16).padStart(2, "0")).join("")}${item.length > 32 ? "…" : ""}>`;
    if (item instanceof Map) return Object.fromEntries(item);
    if (typeof item === "number" && !Number.isFinite(item)) return String(item);
    return item;
  }, 2);
}
