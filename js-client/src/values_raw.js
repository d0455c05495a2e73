// Raw: exactly one value, which goes out as it is.
import { checkBytes, encodeText } from "./text.js";

export function encodeRaw(method, args) {
  if (args.length !== 1) throw new TypeError(`${method}: raw takes exactly one argument, there are ${args.length}`);
  const [value] = args;
  if (typeof value === "string") return { bytes: encodeText(value), isBytes: false };
  return { bytes: checkBytes(`${method}: argument 1`, value, "raw takes a string, a Uint8Array or another view, or an ArrayBuffer"), isBytes: true };
}
