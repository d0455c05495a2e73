// A page of another site that stays with an older version of the client, which lies in assets.dir, while the bridge has a newer one.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

const OLDER = "0.0.9";

describe("an older version of the client", () => {
  let browser, bridge, site, router, worker;
  const assets = mkdtempSync(join(tmpdir(), "daffi-assets-"));
  const pages = {};

  before(async () => {
    const port = await freePort();
    router = await startRouter(port);
    worker = await startWorker("w1", port);
    mkdirSync(join(assets, OLDER));
    writeFileSync(join(assets, OLDER, "daffi.js"), `globalThis.olderClient = "${OLDER}";\n${readFileSync(join(CLIENT, "daffi.js"), "utf8")}`);
    copyFileSync(join(CLIENT, "app.wasm"), join(assets, OLDER, "app.wasm"));
    site = await serveFolder(assets, pages);
    const config = join(assets, "bridge.json");
    writeFileSync(config, JSON.stringify({ assets: { dir: assets } }));
    bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url, "-c", config]);
    for (const version of [OLDER, "latest"]) {
      pages[`/${version}.html`] = `<!DOCTYPE html><meta charset="utf-8"><title>pinned</title><script src="${bridge.url}/gh/600apples/daffi@${version}/js-client/daffi.js"></script>`;
    }
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    for (const peer of [bridge, site, worker, router]) await peer?.stop();
    rmSync(assets, { recursive: true });
  });

  for (const [version, marker] of [[OLDER, OLDER], ["latest", undefined]]) {
    test(`a page that names ${version} loads script and wasm of it, and calls`, async () => {
      const page = await openPage(browser);
      const loaded = [];
      page.on("response", (response) => { if (response.url().startsWith(bridge.url)) loaded.push([new URL(response.url()).pathname, response.headers()["cache-control"]]); });
      await page.goto(`${site.url}/${version}.html`);
      const sum = await page.evaluate(async (wsUrl) => {
        const client = new DaffiClient({ wsUrl });
        const conn = await client.connect();
        await conn.waitForMembers("w1", { timeout: 10000 });
        const answer = await conn.rpc({ timeout: 10000 }).add(2, 3);
        client.stop();
        return answer;
      }, bridge.wsUrl);
      assert.equal(sum, 5);
      assert.equal(await page.evaluate(() => globalThis.olderClient), marker);
      const kept = marker ? "public, max-age=31536000, immutable" : "no-cache";
      assert.deepEqual(loaded, ["daffi.js", "app.wasm"].map((name) => [`/gh/600apples/daffi@${version}/js-client/${name}`, kept]));
      assert.deepEqual(page.problems, []);
      await page.context().close();
    });
  }
});
