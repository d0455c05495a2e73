// The first strings of a pickle: looked for opcode by opcode, and nothing of it is run.  (docs/protocol.md, "Payloads")
// A worker's error is a tuple that begins with three of them: type, module, text.

const FIXED = { 0x80: 1, 0x95: 8, 0x28: 0, 0x94: 0, 0x71: 1, 0x72: 4, 0x85: 0, 0x86: 0, 0x87: 0, 0x74: 0, 0x7d: 0, 0x29: 0, 0x5d: 0 }; // opcode → bytes of its operand
const STRING = { 0x8c: 1, 0x58: 4, 0x8d: 8 }; // opcode → bytes of the length
const NONE = 0x4e;
const GET = { 0x68: 1, 0x6a: 4 };

/** Up to `most` of them; None counts as an empty one. It ends at what it does not know. */
export function pickledStrings(bytes, most) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = [];
  const remembered = [];
  let last = null;
  const number = (at, size) => (size === 1 ? view.getUint8(at) : view.getUint32(at, true)); // of 8 bytes the low half
  try {
    for (let at = 0; at < bytes.length && found.length < most;) {
      const code = view.getUint8(at++);
      if (code in STRING) {
        const start = at + STRING[code];
        const length = number(at, STRING[code]);
        last = new TextDecoder().decode(bytes.subarray(start, start + length));
        found.push(last);
        at = start + length; // of one that is cut off, what there is
      } else if (code === NONE) {
        last = "";
        found.push("");
      } else if (code in GET) {
        found.push(remembered[number(at, GET[code])] ?? "");
        at += GET[code];
      } else if (code in FIXED) {
        if (code === 0x94) remembered.push(last);
        else if (code === 0x71 || code === 0x72) remembered[number(at, FIXED[code])] = last;
        if (remembered.length > 1024) break;
        at += FIXED[code];
      } else {
        break;
      }
    }
  } catch { /* cut off: what was found stands */ }
  return found;
}
