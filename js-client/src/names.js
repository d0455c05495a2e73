// Names of members: what is one, and one's own when none was given.
import { refused } from "./errors.js";
import { random32 } from "./random.js";
import { encodeText } from "./text.js";

const NAME_MAX = 255;
export const NAMES = "1 to 255 UTF-8 bytes without \"|\", comma and control characters are accepted";

/** Whether a member or a function may be called so. */
export function isName(name) {
  // The u flag makes the surrogate range match lone ones only.
  return typeof name === "string" && name !== "" && !/[|,\p{Cc}\uD800-\uDFFF]/u.test(name) && encodeText(name).length <= NAME_MAX;
}

/** Returns `name`, or throws the TypeError that says why no peer may bear it. */
export function checkName(name) {
  if (!isName(name)) throw refused("name", name, NAMES);
  return name;
}

/** "localhost-0x3f9a12bc": the page's host and 32 random bits. */
export function makeName() {
  return `${globalThis.location?.hostname || "browser"}-0x${random32().toString(16).padStart(8, "0")}`;
}
