// The header of a daffi message, all of its fields as they stand on the wire.        (docs/protocol.md, "Message")

export const HEADER_BYTES = 9;
export const FLAGS = ["HANDSHAKE", "REQUEST", "RESPONSE", "ERROR", "EVENTS"];
export const SERDES = ["raw", "json", "pickle", "msgpack"];

/**
 * Reads the header at `at`: 72 bits, the least significant first.
 * @param {Uint8Array} bytes
 * @returns {object|null} null where there are fewer than nine bytes
 */
export function readHeader(bytes, at = 0) {
  if (bytes.length - at < HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  const low = view.getUint32(0, true);
  const high = view.getUint32(4, true);
  return {
    uuid: low & 0xffff,
    flag: (low >>> 16) & 15,
    decoder: (low >>> 20) & 3,
    is_bytes: (low >>> 22) & 1,
    return_result: (low >>> 23) & 1,
    msg_len: (low >>> 24) | ((high & 0x1ffff) << 8),
    metadata_len: high >>> 17,
    msg_parts: view.getUint8(8) & 127,
    endian: view.getUint8(8) >>> 7,
  };
}
