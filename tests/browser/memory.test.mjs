// What a page keeps of calls and connections that are over: nothing. Measured after the collector has run; the margins are what
// the engine itself moves by (compiled code, caches), far below what one kept promise or buffer for each call would be.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startService, startWorker } from "./harness.mjs";

const CALLS = 100000;
const AT_A_TIME = 500;
const RECONNECTS = 1000;
const HEAP_MARGIN = 256 * 1024; // 2.6 bytes a call
const MIB = 1048576;

// Keeps the newest instance of app.wasm where the test sees it.
const PAGE = `<!DOCTYPE html><meta charset="utf-8"><title>memory</title><script>
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...given) => (globalThis.wasm = await instantiate(...given));
  globalThis.wasmBytes = () => wasm.exports.memory.buffer.byteLength;
</script><script src="daffi.js"></script>`;

let browser, site;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/memory.html": PAGE });
});
after(async () => { await browser?.close(); await site?.stop(); });

/** A page of which `used()` tells { heap, wasm } in bytes after a collection. */
async function measuredPage() {
  const page = await openPage(browser, `${site.url}/memory.html`);
  const cdp = await page.context().newCDPSession(page);
  page.used = async () => {
    for (let round = 0; round < 3; round++) await cdp.send("HeapProfiler.collectGarbage");
    const { usedSize: heap } = await cdp.send("Runtime.getHeapUsage");
    return { heap, wasm: await page.evaluate(() => globalThis.wasm ? wasmBytes() : 0) };
  };
  return page;
}

describe("100,000 calls of each serde through the bridge", () => {
  let service, bridge, page;
  before(async () => {
    const port = await freePort();
    service = await startService(port);
    bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
    page = await measuredPage();
    await page.evaluate(async (wsUrl) => {
      const client = new DaffiClient({ wsUrl });
      const conn = await client.connect();
      const values = { json: { a: [1, "two", null] }, msgpack: { a: [1, "two", new Date(0)] }, raw: new Uint8Array(64) };
      globalThis.call = async (serde, count, atATime) => {
        const { echo } = conn.rpc({ serde, timeout: 30000 });
        let left = count;
        const lane = async () => { while (left-- > 0) await echo(values[serde]); };
        await Promise.all(Array.from({ length: atATime }, lane));
      };
    }, bridge.wsUrl);
  });
  after(async () => {
    await page?.context().close();
    for (const peer of [bridge, service]) await peer?.stop();
  });

  for (const serde of ["json", "msgpack", "raw"]) {
    test(serde, { timeout: 120000 }, async (t) => {
      const run = (count) => page.evaluate(([name, total, atATime]) => call(name, total, atATime), [serde, count, AT_A_TIME]);
      await run(5000);
      const start = await page.used();
      const begun = Date.now();
      await run(CALLS);
      const took = Date.now() - begun;
      const end = await page.used();
      t.diagnostic(`${Math.round(CALLS * 1000 / took)} calls a second; heap ${start.heap} → ${end.heap}, WASM ${start.wasm} → ${end.wasm} bytes`);
      assert.ok(start.wasm <= MIB / 2);
      assert.equal(end.wasm, start.wasm);
      assert.ok(end.heap - start.heap < HEAP_MARGIN);
    });
  }
});

test("1,000 reconnects to a bridge that is the Router", { timeout: 120000 }, async (t) => {
  const bridge = await startBridge([], ["--allow-origin", site.url]);
  const page = await measuredPage();
  try {
    await page.evaluate(async (wsUrl) => {
      let socket;
      class Dropped extends WebSocket {
        constructor(address) {
          super(address);
          socket = this;
        }
      }
      const client = new DaffiClient("comes-and-goes", { wsUrl, WebSocket: Dropped, autoreconnect: true, reconnectDelay: 1 });
      await client.connect();
      globalThis.reconnect = async (count) => {
        for (; count > 0; count--) {
          const back = new Promise((done) => {
            const remove = client.addEventHandler(({ type, member }) => {
              if (type !== "connected" || member !== client.name) return;
              remove();
              done();
            });
          });
          socket.close();
          await back;
        }
      };
    }, bridge.wsUrl);
    await page.evaluate(() => reconnect(50));
    const start = await page.used();
    const begun = Date.now();
    await page.evaluate((count) => reconnect(count), RECONNECTS);
    const took = Date.now() - begun;
    const end = await page.used();
    t.diagnostic(`${took} ms; heap ${start.heap} → ${end.heap}, WASM ${start.wasm} → ${end.wasm} bytes`);
    assert.equal(end.wasm, start.wasm);
    assert.ok(end.heap - start.heap < HEAP_MARGIN);
  } finally {
    await page.context().close();
    await bridge.stop();
  }
});

test("a message of 33 MB leaves app.wasm's memory under 2 MiB, as raw and as JSON", { timeout: 120000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "daffi-memory-"));
  const port = await freePort();
  const router = await startRouter(port);
  const worker = await startWorker("w1", port);
  const configuration = join(folder, "bridge.json");
  writeFileSync(configuration, JSON.stringify({ limits: { message_bytes: 33554431 } }));
  const bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["-c", configuration, "--allow-origin", site.url]);
  const page = await measuredPage();
  try {
    const sizes = await page.evaluate(async (wsUrl) => {
      const client = new DaffiClient({ wsUrl });
      const conn = await client.connect();
      await conn.waitForMembers("w1", { timeout: 10000 });
      const raw = await conn.rpc({ timeout: 60000, serde: "raw" }).echo(new Uint8Array(33e6));
      const text = await conn.rpc({ timeout: 60000 }).echo("x".repeat(33e6));
      const packed = await conn.rpc({ timeout: 60000, serde: "msgpack" }).echo(new Uint8Array(33e6));
      return [raw.length, text.length, packed.length];
    }, bridge.wsUrl);
    assert.deepEqual(sizes, [33e6, 33e6, 33e6]);
    const { heap, wasm } = await page.used();
    t.diagnostic(`WASM ${wasm} bytes, heap ${heap}`);
    assert.ok(wasm < 2 * MIB);
  } finally {
    await page.context().close();
    for (const peer of [bridge, worker, router]) await peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
