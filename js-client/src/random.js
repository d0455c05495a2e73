// 32 random bits.
export function random32() {
  // Node 18 has no global crypto.
  return globalThis.crypto?.getRandomValues(new Uint32Array(1))[0] ?? Math.floor(Math.random() * 2 ** 32);
}
