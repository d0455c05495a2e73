// What the build makes: each form works, and daffi.js does not grow unseen (app.wasm's size: tests/wasm/module.test.mjs).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import vm from "node:vm";
import WebSocket from "ws";
import { CLIENT, failureOf } from "./peers.mjs";
import { startFakeServer } from "./fake_server.mjs";

const DAFFI_JS_MAX = 13165; // bytes with brotli
const FORMS = ["daffi.js", "daffi.mjs", "daffi.standalone.js", "daffi.d.ts"];
const read = (name) => readFileSync(join(CLIENT, name));

describe("files", () => {
  for (const name of FORMS) {
    test(`${name}: .br and .gz hold the same`, () => {
      assert.deepEqual(brotliDecompressSync(read(`${name}.br`)), read(name));
      assert.deepEqual(gunzipSync(read(`${name}.gz`)), read(name));
    });
  }

  test("daffi.js is no larger with brotli than it was", () => {
    // The goal was 8 KB; why it is not reached: docs/performance.md, "In a page". This is a ratchet, slightly above what it has: lowered as it shrinks, raised for a reason that is told.
    assert.ok(read("daffi.js.br").length <= DAFFI_JS_MAX, `${read("daffi.js.br").length} bytes`);
  });

  test("the others have not even what would read it", () => {
    for (const name of ["daffi.js", "daffi.mjs"]) assert.ok(!read(name).toString().includes("atob"), name);
  });

  test("daffi.standalone.js has app.wasm inside", () => {
    const [, base64] = /"([A-Za-z0-9+\/=]{9999,})"/.exec(read("daffi.standalone.js").toString());
    const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
    assert.equal(hash(Buffer.from(base64, "base64")), hash(read("app.wasm")));
  });
});

async function callWith(t, DaffiClient, options = {}) {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const client = new DaffiClient({ wsUrl: server.url, WebSocket, ...options });
  t.after(() => client.stop());
  const conn = await client.connect();
  const peer = await server.peer();
  const call = conn.rpc().echo(1);
  peer.answer(await peer.next(), "here");
  return call;
}

describe("forms", () => {
  const require = createRequire(import.meta.url);

  test("CommonJS", async (t) => {
    const DaffiClient = require(join(CLIENT, "daffi.js"));
    assert.equal(DaffiClient.DaffiClient, DaffiClient);
    assert.deepEqual([DaffiClient.name, DaffiClient.DaffiError.name], ["DaffiClient", "DaffiError"]);
    assert.equal(await callWith(t, DaffiClient), "here");
  });

  test("ES module, by name and by default", async (t) => {
    const module = await import(pathToFileURL(join(CLIENT, "daffi.mjs")));
    assert.equal(module.default, module.DaffiClient);
    assert.equal(module.DaffiError, module.DaffiClient.DaffiError);
    assert.deepEqual([module.DaffiClient.name, module.DaffiError.name], ["DaffiClient", "DaffiError"]);
    assert.equal(await callWith(t, module.DaffiClient), "here");
  });

  test("standalone needs no file beside it", async (t) => {
    const context = vm.createContext({ atob, WebAssembly, TextEncoder, TextDecoder, URL, EventTarget, Event, setTimeout, clearTimeout, console,
      Uint8Array, Int32Array, ArrayBuffer, DataView, JSON, Object, Array, Map, Set, Promise, Error, TypeError });
    vm.runInContext(read("daffi.standalone.js").toString(), context);
    assert.equal(await callWith(t, vm.runInContext("DaffiClient", context)), "here");
  });

  test("a classic script sets DaffiClient and nothing else", () => {
    const context = vm.createContext({ TextEncoder, TextDecoder, URL, EventTarget, Event });
    const before = new Set(Object.getOwnPropertyNames(vm.runInContext("globalThis", context)));
    vm.runInContext(read("daffi.js").toString(), context);
    assert.deepEqual(Object.getOwnPropertyNames(vm.runInContext("globalThis", context)).filter((name) => !before.has(name)), ["DaffiClient"]);
  });

  test("without a file beside it, and from no known address, it says what it tried", async (t) => {
    const context = vm.createContext({ WebAssembly, TextEncoder, TextDecoder, URL, EventTarget, Event, setTimeout, clearTimeout });
    vm.runInContext(read("daffi.js").toString(), context);
    const DaffiClient = vm.runInContext("DaffiClient", context);
    const error = await failureOf(new DaffiClient({ wsUrl: "ws://127.0.0.1:1", WebSocket }).connect());
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /app\.wasm could not be loaded; tried "app.wasm" from an unknown address.*options\.wasmUrl/);
    void t;
  });
});
