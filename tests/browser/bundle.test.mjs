// The npm package, bundled by esbuild, in a real page: app.wasm is found beside the bundle, also where the page is elsewhere.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startRouter, startWorker } from "./harness.mjs";

const BUNDLES = {
  "a classic script": { head: 'import { DaffiClient } from "daffi-client";', options: [], script: "<script defer" },
  "a classic script, by require": { head: 'const { DaffiClient } = require("daffi-client");', options: [], script: "<script defer" },
  "a module": { head: 'import { DaffiClient } from "daffi-client";', options: ["--format=esm", "--minify"], script: '<script type="module"' },
  "a module, standalone": { head: 'import { DaffiClient } from "daffi-client/standalone";', options: ["--format=esm"], script: '<script type="module"', standalone: true },
};

let folder, browser, port, router, worker;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "daffi-bundle-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(CLIENT, join(folder, "node_modules/daffi-client"));
  browser = await launchChromium();
  port = await freePort();
  router = await startRouter(port);
  worker = await startWorker("w1", port);
});
after(async () => {
  for (const peer of [worker, router]) await peer?.stop();
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const [form, { head, options, script, standalone }] of Object.entries(BUNDLES)) {
  test(`${form} calls a real worker`, async () => {
    const place = mkdtempSync(join(folder, "site-"));
    writeFileSync(join(folder, "app.js"), `${head}\nconst client = new DaffiClient({ wsUrl: "ws://127.0.0.1:${port}" });
      globalThis.sum = client.connect().then(async (conn) => (await conn.waitForMembers("w1"), conn.rpc({ timeout: 20000 }).add(3, 4)));\n`);
    execFileSync("esbuild", [join(folder, "app.js"), "--bundle", "--log-level=warning", ...options, `--outfile=${place}/assets/app.js`]);
    if (!standalone) copyFileSync(join(CLIENT, "app.wasm"), join(place, "assets/app.wasm"));
    const site = await serveFolder(place, { "/deep/page.html": `<!DOCTYPE html><meta charset="utf-8"><title>bundle</title>${script} src="../assets/app.js"></script>` });
    try {
      const page = await openPage(browser, `${site.url}/deep/page.html`);
      assert.equal(await page.evaluate(() => globalThis.sum), 7);
      await page.context().close();
    } finally {
      await site.stop();
    }
  });
}
