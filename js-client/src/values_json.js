// JSON: what JSON.stringify and JSON.parse do, in Python's envelope.
import { decodeText, encodeText } from "./text.js";

export function encodeJson(method, args, kwargs) {
  let text;
  try {
    text = JSON.stringify({ args, kwargs });
  } catch (cause) {
    throw blame(method, args, kwargs, cause);
  }
  return { bytes: encodeText(text), isBytes: false };
}

/** Which argument was it? */
function blame(method, args, kwargs, cause) {
  const entries = [...args.map((value, index) => [`argument ${index + 1}`, value]), ...Object.entries(kwargs)];
  const [name] = entries.find(([, value]) => {
    try {
      JSON.stringify(value);
      return false;
    } catch {
      return true;
    }
  }) ?? ["an argument"];
  return new TypeError(`${method}: ${name} can't be sent as JSON: ${cause?.message ?? cause}`, { cause });
}

export function decodeJson(payload) {
  return JSON.parse(decodeText(payload));
}
