// What app.wasm is: its size, its imports and exports, its memory.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { test } from "node:test";
import { App, MEMORY, ROOT, compile, toHex, wasmPath } from "./app.mjs";

/** The functions that exports.h declares for the module. */
function declared() {
  const header = readFileSync(join(ROOT, "wasm-core/wasm/exports.h"), "utf8")
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/#ifndef __wasm__[^]*?#endif/g, "");
  return [...header.matchAll(/\bdaffi_wasm_[a-z0-9_]+(?=\()/g)].map(([name]) => name);
}

test("it is small, and so is what is served compressed", () => {
  assert.ok(statSync(wasmPath).size <= 32768);
  assert.ok(statSync(`${wasmPath}.br`).size <= 14336);
  const bytes = toHex(readFileSync(wasmPath));
  assert.equal(toHex(brotliDecompressSync(readFileSync(`${wasmPath}.br`))), bytes);
  assert.equal(toHex(gunzipSync(readFileSync(`${wasmPath}.gz`))), bytes);
});

test("it imports nothing", () => {
  assert.deepEqual(WebAssembly.Module.imports(compile()), []);
});

test("it exports its header's functions, memory and _initialize, and nothing else", () => {
  const exported = WebAssembly.Module.exports(compile()).map(({ name }) => name);
  assert.ok(declared().length > 30);
  assert.deepEqual(exported.sort(), [...declared(), "memory", "_initialize"].sort());
});

test("it begins with at most 512 KiB and has the ABI of its header", () => {
  const app = new App();
  assert.ok(app.memory.length <= 512 * 1024, `${app.memory.length} bytes`);
  const header = readFileSync(join(ROOT, "wasm-core/wasm/exports.h"), "utf8");
  assert.equal(app.call.abi(), Number(header.match(/#define DAFFI_WASM_ABI (\d+)/)[1]));
  assert.equal(app.call.fields() % 8, 0);
});

test("no machine's path and no name of a build stands in it", () => {
  assert.ok(!/\/(home|work|tmp|usr|root)\//.test(readFileSync(wasmPath, "latin1")));
});

test("100,000 rounds do not grow its memory", () => {
  const app = new App();
  const metadata = new TextEncoder().encode("caller|worker|function");
  const event = '{"type":"disconnected","member":"w"}';
  const handshake = JSON.stringify({ meta: { type: "router", error: null }, members: [{ name: "w", methods: ["f", "g"] }] });
  app.call.members_reset(app.put("me"));
  const before = app.wasm.memory.buffer;
  for (let round = 0; round < 100000; round++) {
    const id = app.call.call_open();
    app.head.set(metadata, 9);
    const size = app.call.message_encode(id, 1 | (3 << 4) | 128, metadata.length, round);
    assert.equal(app.call.message_decode(size), size);
    let at = app.call.pack_array(0, 2);
    at = app.call.pack_number(at, round * 1.5);
    at = app.call.pack_timestamp(at, BigInt(round), 5);
    assert.ok(app.call.unpack(0, at) === 1 && at > 1);
    if (round % 10 === 0) {
      assert.equal(app.readHandshake(handshake, round % 20 === 0 ? 1 : 0), 2);
      assert.equal(app.call.member_pick(app.put("f")), 1);
      assert.equal(app.readEvent(event), 1);
      app.handshake("me", ["f", "g"]);
    }
    assert.equal(app.call.call_close(id), 0);
  }
  assert.equal(app.wasm.memory.buffer, before);
});

test("a large handshake grows memory, and it is used again", () => {
  const app = new App();
  app.call.members_reset(app.put("me"));
  const members = Array.from({ length: 5000 }, (_, index) => ({ name: `worker-${index}`, methods: ["run", `only-${index}`] }));
  const json = JSON.stringify({ meta: { type: "router", error: null }, members });
  assert.equal(app.readHandshake(json), 2);
  assert.equal(app.call.members_count(), 5000);
  assert.equal(app.windowText(app.call.member_pick(app.put("only-4321"))), "worker-4321");
  for (let round = 0; round < 3; round++) assert.equal(app.readHandshake(json), 2);
  const before = app.memory.length;
  for (let round = 0; round < 10; round++) assert.equal(app.readHandshake(json), 2);
  assert.equal(app.memory.length, before);
});

test("what it has no memory for is refused, and it goes on", () => {
  const app = new App();
  app.call.members_reset(app.put("me"));
  assert.equal(app.call.allocate(0xffffffff), 0);
  assert.equal(app.call.allocate(200 * 1024 * 1024), 0);
  // 16 MiB of JSON that would need far more than the module may have
  const flood = `{"meta":{"type":"router"},"members":[],"x":[${"[],".repeat(5592000)}0]}`;
  assert.equal(app.readHandshake(flood), MEMORY);
  assert.ok(app.fault().length > 10);
  assert.equal(app.readHandshake('{"meta":{"type":"router"},"members":[{"name":"w","methods":["f"]}]}'), 2);
  assert.equal(app.windowText(app.call.member_pick(app.put("f"))), "w");
});

test("memory that ends inside a text is told as that", () => {
  // as many arrays as leave room for the text, too little for its growing, and none
  for (const arrays of [1500000, 1550000, 1600000]) {
    const app = new App();
    const text = "s".repeat(4000000);
    const result = app.readHandshake(`{"meta":{"type":"router"},"members":[],"x":[${"[],".repeat(arrays)}"${text}"]}`);
    assert.ok(result === 2 || result === MEMORY, `${arrays} arrays: ${result}, ${app.fault()}`);
    assert.equal(app.readHandshake('{"meta":{"type":"router"},"members":[]}'), 2);
  }
});

test("keys of objects hash by the seed of the page, and a hundred thousand are read in a moment", () => {
  const keys = Array.from({ length: 100000 }, (_, index) => `"k${index}":0`).join(",");
  const json = `{"meta":{"type":"router"},"members":[],${keys}}`;
  const app = new App();
  const begun = performance.now();
  assert.equal(app.readHandshake(json), 2);
  assert.ok(performance.now() - begun < 5000);
});
