// options.token in a real page: who shows none does not come in, who shows one calls, and a session that ends with its token is
// taken up again with the next one.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

const SECRET = "browser-secret-".repeat(3);
const tokenFor = (seconds, claims = {}) => {
  const text = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + seconds, ...claims })).toString("base64url");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
};

let browser, site, router, worker, bridge, folder;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
  const port = await freePort();
  router = await startRouter(port);
  worker = await startWorker("w1", port);
  folder = mkdtempSync(join(tmpdir(), "daffi-token-"));
  writeFileSync(join(folder, "secrets.txt"), `${SECRET}\n`);
  chmodSync(join(folder, "secrets.txt"), 0o600);
  writeFileSync(join(folder, "bridge.json"), JSON.stringify({ auth: { secrets: "secrets.txt" }, log: { level: "debug" } }));
  bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["-c", join(folder, "bridge.json"), "--allow-origin", site.url]);
});
after(async () => {
  await browser?.close();
  for (const peer of [bridge, worker, router, site]) await peer?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A page whose function `nextToken` asks us for a token, each time anew. */
async function openTokenPage(tokens) {
  const page = await openPage(browser, `${site.url}/page.html`);
  await page.exposeFunction("nextToken", tokens);
  return page;
}

test("without a token, and with one of somebody else, a page is refused", async () => {
  const page = await openTokenPage(() => null);
  const refusal = (token) => page.evaluate(async ({ wsUrl, token }) => {
    const client = new DaffiClient("alice", { wsUrl, token });
    try {
      await client.connect();
      return "connected";
    } catch (error) {
      return [error.name, error.code, error.message];
    }
  }, { wsUrl: bridge.wsUrl, token });
  const [name, code, text] = await refusal(null);
  assert.deepEqual([name, code], ["DaffiError", "refused"]);
  assert.match(text, /a token is needed/);
  const good = tokenFor(300);
  assert.match((await refusal(good.slice(0, -1) + (good.endsWith("A") ? "E" : "A")))[2], /not signed/);
  assert.match((await refusal(tokenFor(-1)))[2], /expired/);
  assert.equal(await refusal(good), "connected");
  await page.context().close();
});

test("a token says what its page may be called, and may call", async () => {
  const page = await openTokenPage(() => tokenFor(300, { name: "alice", functions: ["add"] }));
  const tried = await page.evaluate(async (wsUrl) => {
    const client = new DaffiClient("alice", { wsUrl, token: nextToken });
    const conn = await client.connect();
    await conn.waitForMembers("w1", { timeout: 10000 });
    const told = [await conn.rpc().add(1, 2), await conn.rpc({ receiver: "w1" }).whoami().catch((error) => error.code)];
    const other = await new DaffiClient("bob", { wsUrl, token: nextToken }).connect().catch((error) => error.message);
    return [...told, other];
  }, bridge.wsUrl);
  assert.deepEqual(tried.slice(0, 2), [3, "no-such-method"]); // for this page it is not there
  assert.match(tried[2], /"alice"/);
  await page.context().close();
});

test("a page whose token expires is connected again with the next one, under its name", async () => {
  let asked = 0;
  const page = await openTokenPage(() => tokenFor(asked++ === 0 ? 6 : 300));
  const states = await page.evaluate(async (wsUrl) => {
    const client = new DaffiClient("carol", { wsUrl, token: nextToken, autoreconnect: true, reconnectDelay: 20 });
    const conn = await client.connect();
    const seen = [];
    const again = new Promise((done) => {
      client.addEventListener("statechange", () => {
        seen.push(client.state);
        if (client.state === "connected") done();
      });
    });
    const first = await conn.rpc({ receiver: "w1" }).add(1, 2);
    await again;
    await conn.waitForMembers("w1", { timeout: 10000 });
    return [first, await conn.rpc({ receiver: "w1" }).add(2, 2), seen.at(-1), seen.includes("reconnecting")];
  }, bridge.wsUrl);
  assert.deepEqual(states, [3, 4, "connected", true]);
  assert.equal(asked, 2);
  assert.match(bridge.log(), /the token has expired: connect with a new one/);
  assert.doesNotMatch(bridge.log(), /eyJ|daffi-token/);
  await page.context().close();
});
