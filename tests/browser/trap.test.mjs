// A trap inside app.wasm, were there one, in a real page: what waits rejects `protocol`, and the client comes back with a fresh instance.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { trapIn } from "../client/doctored.mjs";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

let browser, site;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>trap</title><script src="daffi.js"></script>',
    "/trap.wasm": Buffer.from(trapIn("daffi_wasm_event_read")) });
});
after(async () => { await browser?.close(); await site?.stop(); });

test("a trap while a call waits", { timeout: 60000 }, async () => {
  const port = await freePort();
  const peers = [await startRouter(port)];
  peers.unshift(await startWorker("w1", port));
  peers.unshift(await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]));
  const page = await openPage(browser, `${site.url}/page.html`);
  try {
    await page.evaluate(async ({ wsUrl, wasmUrl }) => {
      const { instantiate } = WebAssembly;
      globalThis.made = 0;
      WebAssembly.instantiate = (...given) => { made++; return instantiate(...given); };
      globalThis.states = [];
      const client = new DaffiClient({ wsUrl, wasmUrl, autoreconnect: true, reconnectDelay: 10 });
      client.addEventListener("statechange", ({ state }) => states.push(state));
      globalThis.conn = await client.connect();
      await conn.waitForMembers("w1", { timeout: 10000 });
      globalThis.back = new Promise((done) => client.addEventHandler(({ type, member }) => { if (type === "connected" && member === client.name) done(); }));
      globalThis.waits = conn.rpc().slow(20).then(() => "answered", (error) => [error.code, error instanceof Error, /app\.wasm failed/.test(error.message)]);
    }, { wsUrl: peers[0].wsUrl, wasmUrl: `${site.url}/trap.wasm` });
    peers.unshift(await startWorker("w2", port)); // the news of it is what traps
    const [ended, sum, made, states] = await page.evaluate(async () => {
      const how = await waits;
      await back;
      await conn.waitForMembers("w2", { timeout: 10000 });
      return [how, await conn.rpc({ receiver: "w2", timeout: 10000 }).add(2, 3), made, states];
    });
    assert.deepEqual(ended, ["protocol", true, true]);
    assert.equal(sum, 5);
    assert.equal(made, 2);
    assert.deepEqual(states, ["connecting", "connected", "reconnecting", "connected"]);
    assert.deepEqual(page.problems, []);
  } finally {
    await page.context().close();
    for (const peer of peers) await peer.stop();
  }
});
