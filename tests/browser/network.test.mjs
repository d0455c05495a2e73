// A network that dies without a word, in a real page: both sides notice in a set time, and the page comes back by itself.
import assert from "node:assert/strict";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, said, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

const HEARTBEAT = 2000; // ms: half of it is how late a loaded machine may be

/** Passes bytes on to `port` until it is cut: then they vanish, both ways, and no end is told. */
async function startNetwork(port) {
  const pairs = new Set();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const pair = { cut: isCut };
    pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on("data", (bytes) => pair.cut || to.write(bytes));
      from.on("close", () => pair.cut || to.destroy());
      from.on("error", () => {});
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: server.address().port,
    /** What is open now is dead for good; `newcomers` too? */
    cut(newcomers) {
      isCut = newcomers;
      for (const pair of pairs) pair.cut = true;
    },
    mend() {
      isCut = false;
    },
    stop: () => server.close(),
  };
}

describe("a dead network", () => {
  let browser, site, router, worker, bridge, network, page, folder;
  before(async () => {
    const port = await freePort();
    folder = mkdtempSync(join(tmpdir(), "daffi-network-"));
    const file = join(folder, "bridge.json");
    writeFileSync(file, JSON.stringify({ timeouts_ms: { heartbeat: HEARTBEAT, heartbeat_answer: HEARTBEAT / 2 } }));
    browser = await launchChromium();
    site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
    router = await startRouter(port);
    worker = await startWorker("w1", port);
    bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["-c", file, "--allow-origin", site.url]);
    network = await startNetwork(bridge.port);
    page = await openPage(browser, `${site.url}/page.html`);
    await page.evaluate(async (wsUrl) => {
      globalThis.client = new DaffiClient("page", { wsUrl, autoreconnect: true, reconnectDelay: 0.05 });
      globalThis.conn = await client.connect();
      await conn.waitForMembers("w1");
    }, `wss://127.0.0.1:${network.port}/`);
  });
  after(async () => {
    await browser?.close();
    network?.stop();
    for (const peer of [bridge, worker, router, site]) await peer?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("an idle page stays connected, over many intervals", async () => {
    const open = await page.evaluate(async (ms) => {
      const lost = new Promise((done) => client.addEventListener("statechange", () => done(false), { once: true }));
      const long = new Promise((done) => setTimeout(() => done(true), ms));
      return Promise.race([lost, long]);
    }, HEARTBEAT * 4);
    assert.equal(open, true);
    assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000 }).echo("still here")), "still here");
  });

  test("the page's pending call rejects `disconnected` within the set time, the bridge closes its side, and the page is back when the network is", async () => {
    network.cut(true);
    const { code, message, ms } = await page.evaluate(() => {
      const begun = performance.now();
      return conn.rpc().echo(1).catch(({ code, message }) => ({ code, message, ms: performance.now() - begun }));
    });
    assert.equal(code, "disconnected");
    assert.match(message, /gave no sign of life for 3 s/);
    assert.ok(ms < HEARTBEAT * 1.5 + 10000, `${ms} ms`);
    await said(bridge, /gave no sign of life for 3000 ms/); // before the page can come back and take its own place
    network.mend();
    await page.evaluate(() => conn.waitForMembers("w1", { timeout: 20000 }));
    assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000 }).echo("back")), "back");
  });

  test("a page that slept through it all comes back by itself", async () => {
    const session = await page.context().newCDPSession(page);
    await page.evaluate(() => {
      globalThis.lost = new Promise((done) => client.addEventHandler(({ type, member }) => type === "disconnected" && member === "page" && done()));
    });
    await session.send("Debugger.enable");
    const paused = new Promise((done) => session.once("Debugger.paused", done));
    await session.send("Debugger.pause"); // it stops in the next script that runs: a timer's, or this
    page.evaluate(() => {}).catch(() => {});
    await paused;
    network.cut(false);
    await new Promise((done) => setTimeout(done, HEARTBEAT * 3)); // asleep: longer than anybody waits
    await session.send("Debugger.resume");
    await session.send("Debugger.disable");
    await page.evaluate(async () => {
      await lost;
      await conn.waitForMembers("w1", { timeout: 20000 });
    });
    assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000 }).echo("awake")), "awake");
  });

  for (const sign of ["globalThis.dispatchEvent(new Event('online'))", "document.dispatchEvent(new Event('visibilitychange'))"]) {
    test(`a reconnect that would come much later comes at once by ${sign}, and only then`, async () => {
      const states = await page.evaluate(async ([wsUrl, sign]) => {
        const sockets = [];
        class Noted extends WebSocket {
          constructor(url) {
            super(url);
            sockets.push(this);
          }
        }
        const eager = new DaffiClient("eager", { wsUrl, autoreconnect: true, reconnectDelay: 50000, WebSocket: Noted });
        await eager.connect();
        const states = [];
        const next = () => new Promise((done) => eager.addEventListener("statechange", () => done(eager.state), { once: true }));
        let change = next();
        sockets[0].close();
        states.push(await change);
        change = next();
        eval(sign);
        eval(sign);
        states.push(await change, sockets.length);
        eval(sign);
        states.push(sockets.length, eager.state);
        eager.stop();
        eval(sign);
        return [...states, sockets.length];
      }, [bridge.wsUrl, sign]);
      assert.deepEqual(states, ["reconnecting", "connected", 2, 2, "connected", 2]);
    });
  }
});
