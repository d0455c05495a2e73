// JSON: what JSON.stringify and JSON.parse do, in Python's envelope.
import { isLost, unsendable } from "./errors.js";
import { decodeText, encodeText } from "./text.js";

export function encodeJson(method, args, kwargs) {
  if (args.some(isLost) || Object.values(kwargs).some(isLost)) throw blame(method, args, kwargs, "it would be lost");
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
  const [name, value] = entries.find(([, each]) => {
    try {
      JSON.stringify(each);
      return isLost(each);
    } catch {
      return true;
    }
  }) ?? ["the arguments", args];
  return unsendable(`${method}: ${name}`, value, "JSON", cause);
}

export function decodeJson(payload) {
  return JSON.parse(decodeText(payload));
}
