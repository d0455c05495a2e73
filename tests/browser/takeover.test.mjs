// Whose name it is, in real pages: a reloaded page has its own back at once, another tab does not get it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startWorker } from "./harness.mjs";

let browser, site, router, worker, bridge;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
  const port = await freePort();
  router = await startRouter(port);
  worker = await startWorker("w1", port);
  bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
});
after(async () => {
  await browser?.close();
  for (const peer of [bridge, worker, router, site]) await peer?.stop();
});

/** A client called `name` in that page, as globalThis[as]; what add(1, 2) is, or the error's code and message. */
const connect = (page, name, as = "client") => page.evaluate(async ({ wsUrl, name, as }) => {
  globalThis[as] = new DaffiClient(name, { wsUrl, reconnectDelay: 50 });
  try {
    const conn = await globalThis[as].connect();
    await conn.waitForMembers("w1", { timeout: 10000 });
    return await conn.rpc().add(1, 2);
  } catch (error) {
    return [error.code, error.message];
  }
}, { wsUrl: bridge.wsUrl, name, as });

test("a page has its name back after each reload, at once", async () => {
  const page = await openPage(browser, `${site.url}/page.html`);
  for (let reload = 0; reload < 10; reload++) {
    const began = Date.now();
    assert.equal(await connect(page, "alice"), 3);
    assert.ok(Date.now() - began < 1500, `${Date.now() - began} ms`);
    await page.reload();
  }
  await page.context().close();
});

test("a page that is loaded anew does not hear what was for the one before it, even if its call ids start as those did", async () => {
  const page = await openPage(browser, `${site.url}/page.html`);
  await page.addInitScript(() => {
    const random = crypto.getRandomValues.bind(crypto);
    crypto.getRandomValues = (values) => (values instanceof Uint32Array ? values.fill(4711) : random(values));
  });
  await page.reload();
  const greet = () => page.evaluate(async (wsUrl) => {
    globalThis.conn = await new DaffiClient("erin", { wsUrl }).connect();
    await conn.waitForMembers("w1", { timeout: 10000 });
  }, bridge.wsUrl);
  await greet();
  assert.equal(await page.evaluate(() => {
    conn.rpc().slow(2).catch(() => {}); // the worker does one thing at a time
    return conn.rpc({ receiver: "nobody" }).add(1, 2).catch((error) => error.code); // comes back when that is on its way
  }), "no-such-member");
  await page.reload();
  await greet();
  assert.equal(await page.evaluate(() => conn.rpc().slow(0.01)), 0.01);
  await page.context().close();
});

test("a second tab is refused, and the first one goes on", async () => {
  const first = await openPage(browser, `${site.url}/page.html`);
  assert.equal(await connect(first, "bob"), 3);
  const second = await first.context().newPage();
  await second.goto(`${site.url}/page.html`);
  const [code, message] = await connect(second, "bob");
  assert.equal(code, "refused");
  assert.match(message, /the name is taken/);
  assert.equal(await first.evaluate(async () => (await client.connect()).rpc().add(2, 2)), 4);
  assert.equal(await first.evaluate(() => client.state), "connected");
  await first.context().close();
});

test("two clients of one name in one tab: the newer replaces the older, which stays away", async () => {
  const page = await openPage(browser, `${site.url}/page.html`);
  assert.equal(await connect(page, "carol", "older"), 3);
  await page.evaluate(() => {
    globalThis.gone = new Promise((resolve) => older.addEventHandler((event) => event.member === "carol" && resolve(event.type)));
  });
  assert.equal(await connect(page, "carol", "newer"), 3);
  assert.equal(await page.evaluate(() => gone), "evicted");
  await page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 500); })); // ten times the delay of a reconnect
  assert.deepEqual(await page.evaluate(() => [older.state, newer.state]), ["evicted", "connected"]);
  assert.equal(await page.evaluate(async () => (await newer.connect()).rpc().add(3, 3)), 6);
  await page.context().close();
});
