// Names of members: what is one, and one's own when none was given.
import { refused } from "./errors.js";
import { encodeText } from "./text.js";

export const NAME_MAX = 255;

/** Returns `name`, or throws the TypeError that says why no peer may bear it. */
export function checkName(name) {
  const accepted = "a name is a text of 1 to 255 UTF-8 bytes without \"|\", comma and control characters";
  // The u flag makes the surrogate range match lone ones only.
  if (typeof name !== "string" || name === "" || /[|,\p{Cc}\uD800-\uDFFF]/u.test(name) || encodeText(name).length > NAME_MAX) {
    throw refused("name", name, accepted);
  }
  return name;
}

/** "localhost-0x3f9a12bc": the page's host and 32 random bits. */
export function makeName() {
  const random = crypto.getRandomValues(new Uint32Array(1))[0];
  const host = (globalThis.location?.hostname || "browser").slice(0, NAME_MAX - 11);
  return `${host}-0x${random.toString(16).padStart(8, "0")}`;
}
