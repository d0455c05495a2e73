// A page of another site that loads the client from the bridge by a line of `daffi-bridge sri`, and lets the browser check it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { BUILD, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

describe("script lines with hashes", () => {
  let browser, bridge, site, router, worker;
  const pages = {};

  before(async () => {
    const port = await freePort();
    router = await startRouter(port);
    worker = await startWorker("w1", port);
    site = await serveFolder(BUILD, pages);
    bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
    browser = await launchChromium();
    const lines = execFileSync(join(BUILD, "daffi-bridge"), ["sri", bridge.url], { encoding: "utf8" }).match(/<script[^]*?<\/script>/g);
    const line = (name) => lines.find((text) => text.includes(`/${name}"`));
    pages["/classic.html"] = `<!DOCTYPE html><meta charset="utf-8"><title>classic</title>${line("daffi.js")}`;
    pages["/standalone.html"] = `<!DOCTYPE html><meta charset="utf-8"><title>standalone</title>${line("daffi.standalone.js")}`;
    pages["/changed.html"] = pages["/classic.html"].replace("sha384-", "sha384-A");
    pages["/module.html"] = `<!DOCTYPE html><meta charset="utf-8"><title>module</title>${line("daffi.mjs")}`;
  });
  after(async () => {
    await browser?.close();
    for (const peer of [bridge, site, worker, router]) await peer?.stop();
  });

  const add = (page) => page.evaluate(async (wsUrl) => {
    const client = new DaffiClient({ wsUrl });
    const conn = await client.connect();
    await conn.waitForMembers("w1", { timeout: 10000 });
    const sum = await conn.rpc({ timeout: 10000 }).add(2, 3);
    client.stop();
    return sum;
  }, bridge.wsUrl);

  for (const name of ["classic", "standalone"]) {
    test(`${name}: the line loads, and a call is answered`, async () => {
      const page = await openPage(browser, `${site.url}/${name}.html`);
      assert.equal(await add(page), 5);
      assert.deepEqual(page.problems, []);
    });
  }

  test("module: what the line has fetched and checked is what an import gives", async () => {
    const page = await openPage(browser, `${site.url}/module.html`);
    const kinds = await page.evaluate(async () => {
      const { default: DaffiClient } = await import(document.querySelector("script").src);
      return typeof DaffiClient;
    });
    assert.equal(kinds, "function");
  });

  test("with another hash the browser runs nothing of it", async () => {
    const page = await openPage(browser, `${site.url}/changed.html`);
    assert.equal(await page.evaluate(() => typeof globalThis.DaffiClient), "undefined");
  });
});
