// Functions of a page, in a real Chromium, called by Python and by another page: before a bare Router, behind the bridge before
// one, and behind the bridge that is the Router itself.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startCaller } from "../client/python_caller.mjs";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter } from "./harness.mjs";

const scratch = mkdtempSync(join(tmpdir(), "daffi-expose-"));
const allowing = join(scratch, "allowing.json");
let browser, site;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
});
after(async () => {
  await browser?.close();
  await site?.stop();
  rmSync(scratch, { recursive: true });
});

for (const [kind, isBridged, hasRouter] of [["a bare Router", false, true], ["the bridge before a Router", true, true], ["the bridge's own router", true, false]]) {
  describe(kind, () => {
    let router, bridge, page, other, caller;

    before(async () => {
      const port = await freePort();
      writeFileSync(allowing, JSON.stringify({ policy: { expose: ["*"], expose_shared: true } }));
      if (hasRouter) router = await startRouter(port);
      const native = hasRouter ? [] : ["--listen", `http://127.0.0.1:${port}`];
      if (isBridged) bridge = await startBridge(hasRouter ? `tcp://127.0.0.1:${port}` : [], ["-c", allowing, "--allow-origin", site.url, ...native]);
      caller = await startCaller("caller", port);
      const wsUrl = bridge?.wsUrl ?? `ws://127.0.0.1:${port}`;
      const open = async (name) => {
        const tab = await openPage(browser, `${site.url}/page.html`);
        await tab.evaluate(async (all) => {
          globalThis.client = new DaffiClient(all.name, { wsUrl: all.wsUrl });
          if (all.name === "page") {
            await client.expose({
              add: (a, b) => a + b,
              later: async (value) => { await new Promise((done) => { setTimeout(done, 20); }); return value; },
              title: (text) => { document.title = text; },
              fail: () => { throw new RangeError("out of range"); },
            });
          }
          globalThis.conn = await client.connect();
        }, { name, wsUrl });
        return tab;
      };
      page = await open("page");
      other = await open("other");
    });
    after(async () => {
      for (const tab of [page, other]) await tab?.context().close();
      await caller?.stop();
      for (const peer of [bridge, router]) await peer?.stop();
    });

    test("Python calls them, in each serde, by rpc, cast and nowait, and gets their errors", async () => {
      const run = (call) => caller.run(`once(lambda: conn.${call})`);
      assert.equal(await run("rpc(timeout=5, serde=JSON).add(3, 4)"), 7);
      assert.equal(await run("rpc(timeout=5, serde=MSGPACK).later(5)"), 5);
      assert.equal(await run("rpc(timeout=5, serde=RAW).later(b'\\x00raw')"), "b'\\x00raw'");
      assert.deepEqual(await run("cast(timeout=5, serde=JSON).add(3, 4)"), { page: 7 });
      await run("rpc_nowait(serde=JSON).title('by Python')");
      await page.waitForFunction(() => document.title === "by Python");
      assert.deepEqual(await run("rpc(timeout=5, serde=JSON).fail()"), { module: "javascript", type: "RangeError", text: "out of range" });
    });

    test("another page calls them, and gets their errors", async () => {
      assert.deepEqual(await other.evaluate(async () => {
        await conn.waitForMembers("page", { timeout: 20000 });
        const error = await conn.rpc({ serde: "msgpack" }).fail().catch((caught) => caught);
        return [await conn.rpc().add(1, 2), await conn.cast().later("x"), DaffiClient.text(await conn.rpc({ serde: "raw" }).later("bytes")), error.remoteType, error.remoteMessage];
      }), [3, { page: "x" }, "bytes", "RangeError", "out of range"]);
    });

    test("they come and go, with a call under way; others know at once", async () => {
      const calling = caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).slow())");
      await page.evaluate(async () => {
        const called = new Promise((done) => { globalThis.called = done; });
        await client.expose({ slow: () => new Promise((then) => { globalThis.answer = then; globalThis.called(); }) });
        await called;
        await client.expose({ added: () => "added" });
        await client.unexpose("title");
        answer("at last");
      });
      assert.equal(await calling, "at last");
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).added())"), "added");
      assert.ok((await caller.run("fails(lambda: conn.rpc(timeout=1, serde=JSON, receiver='page').title('x'))")).includes("TransmissionFailure"));
      await other.waitForFunction(() => String(conn.members().find(({ name }) => name === "page")?.methods?.sort()) === "add,added,fail,later,slow");
      assert.equal(await other.evaluate(() => conn.rpc().title("x").catch((error) => error.code)), "no-such-method");
      assert.equal(await page.evaluate(() => client.state), "connected");
    });

    test("no script error on the way", () => assert.deepEqual([...page.problems, ...other.problems], []));
  });
}
