// `daffi-bridge dev`: pages follow their files, errors reach the terminal, and its certificates are believed once they are to be.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BUILD, launchChromium, makeFolder, openLivePage, openPage, said, serveFolder, startDev } from "./harness.mjs";

const run = promisify(execFile);
const html = (title, more = "") => `<!doctype html><title>${title}</title><link rel="stylesheet" href="look.css"><h1>${title}</h1>
<script src="lib/code.js"></script>${more}`;

/** A site in a new folder, and a home beside it. */
function makeSite() {
  const made = makeFolder();
  made.write("index.html", html("one"));
  made.write("old.html", '<script src="/_bridge/dev/live.js?4000000000"></script>'); // as a service worker of the site's own may keep it
  made.write("look.css", "h1 { color: rgb(1, 2, 3) }");
  made.write("lib/code.js", "window.code = 1");
  return made;
}

describe("daffi-bridge dev in a browser", () => {
  let browser, dev, page;
  const { top, site, home, write } = makeSite();
  const title = (text) => page.waitForFunction((wanted) => document.querySelector("h1")?.textContent === wanted, text);

  before(async () => {
    browser = await launchChromium();
    dev = await startDev(site, home);
    page = await openLivePage(browser, `${dev.https}/`);
    await title("one");
  });
  after(async () => {
    await browser?.close();
    await dev?.stop();
    rmSync(top, { recursive: true });
  });

  test("a changed stylesheet is taken over, and the page stays as it is", async () => {
    await page.evaluate(() => { window.kept = "kept"; });
    write("look.css", "h1 { color: rgb(9, 8, 7) }");
    await page.waitForFunction(() => getComputedStyle(document.querySelector("h1")).color === "rgb(9, 8, 7)");
    assert.equal(await page.evaluate(() => window.kept), "kept");
    assert.equal(await page.locator("link[rel=stylesheet]").count(), 1, "the old one is gone");
  });

  test("a changed page or script loads it anew, and so does a file that it has missed", async () => {
    write("index.html", html("two"));
    await title("two");
    assert.equal(await page.evaluate(() => window.kept), undefined);
    write("lib/code.js", "window.code = 2");
    await page.waitForFunction(() => window.code === 2);
    await page.evaluate(async () => {
      window.kept = "kept";
      await fetch("/deep/er/data.json");
    });
    mkdirSync(join(site, "deep", "er"), { recursive: true });
    writeFileSync(join(site, "deep", "er", "data.json"), "{}");
    await page.waitForFunction(() => window.kept === undefined && document.readyState === "complete");
  });

  test("two tabs and one over http follow, too", async () => {
    const others = [await openPage(browser, `${dev.https}/`), await openPage(browser, `${dev.http}/`)];
    write("index.html", html("three"));
    for (const other of [page, ...others]) await other.waitForFunction(() => document.querySelector("h1")?.textContent === "three");
    for (const other of others) await other.context().close();
  });

  test("errors of a page are told on the terminal, with their place", async () => {
    write("index.html", html("four", '<img src="/no-picture.png"><script>setTimeout(() => { throw new TypeError("oh no"); })</script>'));
    await title("four");
    await said(dev, /^page {3}\/\n {9}error: TypeError: oh no\n {9}https:\/\/localhost:\d+\/:\d+:\d+$/m);
    await said(dev, /^ {9}not loaded: https:\/\/localhost:\d+\/no-picture\.png$/m);
    await page.evaluate(() => { Promise.reject(new RangeError("not caught")); });
    await said(dev, /^ {9}unhandled rejection: RangeError: not caught$/m);
  });

  test("an error of the client's is told with the page's own line, and without the client's", async () => {
    write("calling.html", `<!doctype html><script src="/daffi.js"></script><script>
async function shop() {
  const connection = await new DaffiClient("shop", { wsUrl: "wss://" + location.host + "/" }).connect();
  await connection.rpc({ receiver: "nobody" }).add(1, 2);
}
shop();
</script>`);
    const calling = await openPage(browser, `${dev.https}/calling.html`);
    const [report] = await said(dev, /^page {3}\/calling\.html\n {9}unhandled rejection: DaffiError: .*\n(?: {9}.*\n)+/m);
    assert.match(report, /^ {9} +at shop \(https:\/\/localhost:\d+\/calling\.html:4:\d+\)$/m);
    assert.doesNotMatch(report, /daffi\.m?js/);
    assert.equal(report.match(/DaffiError/g).length, 1);
    await calling.context().close();
  });

  test("a module that is not there is told by its name", async () => {
    write("modules.html", '<!doctype html><script type="module">import { a } from "./no-such.mjs";</script><script type="module" src="/neither.mjs"></script>');
    const modules = await openPage(browser, `${dev.https}/modules.html`);
    await said(dev, /^ {9}not loaded: what a <script type="module"> of this page imports: \.\/no-such\.mjs$/m);
    await said(dev, /^ {9}not loaded: https:\/\/localhost:\d+\/neither\.mjs, or what it imports$/m);
    await modules.context().close();
  });

  test("so are those of a page that has its addresses mean another site", async () => {
    write("based.html", '<!doctype html><base href="https://example.invalid/x/"><h1>based</h1>');
    const based = await openLivePage(browser, `${dev.https}/based.html`);
    await based.evaluate(() => { Promise.reject(new RangeError("of a page with a base")); });
    await said(dev, /^ {9}unhandled rejection: RangeError: of a page with a base$/m);
    write("based.html", '<!doctype html><base href="https://example.invalid/x/"><h1>based anew</h1>');
    await based.waitForFunction(() => document.querySelector("h1")?.textContent === "based anew");
    await based.context().close();
  });

  test("so are those of a page that came over http by this machine's name, as from the LAN", async () => {
    const elsewhere = await launchChromium({ args: [`--host-resolver-rules=MAP ${hostname()} 127.0.0.1`] });
    const guest = await openPage(elsewhere, `${dev.http.replace("localhost", hostname())}/`);
    assert.equal(await guest.evaluate(() => isSecureContext), false);
    await guest.evaluate(() => { Promise.reject(new RangeError("of a guest")); });
    await said(dev, /^ {9}unhandled rejection: RangeError: of a guest$/m);
    await elsewhere.close();
  });

  test("another site's page writes nothing to the terminal", async () => {
    const site = await serveFolder(top, { "/page.html": "<!doctype html><title>elsewhere</title>" });
    const stranger = await openPage(browser, `${site.url}/page.html`);
    const ends = await stranger.evaluate((report) => Promise.all([{}, { mode: "no-cors" }, { headers: { "Daffi-Dev": "report" } }, { mode: "no-cors", headers: { "Daffi-Dev": "report" } }]
      .map((options) => fetch(`${report}?stranger`, options).then(({ type }) => type, () => "refused"))), `${dev.http}/_bridge/dev/report`);
    assert.deepEqual(ends, ["refused", "opaque", "refused", "opaque"]);
    await page.evaluate(() => { Promise.reject(new RangeError("after the stranger")); });
    await said(dev, /^ {9}unhandled rejection: RangeError: after the stranger$/m);
    assert.doesNotMatch(dev.log(), /stranger$(?<!after the stranger)/m);
    await stranger.context().close();
    await site.stop();
  });

  test("a page under a strict Content-Security-Policy of its own follows, and is sent nothing that it would refuse", async () => {
    const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
    write("strict.html", `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><h1>strict</h1>`);
    const strict = await openPage(browser, `${dev.https}/strict.html`);
    await strict.locator("h1").waitFor();
    write("strict.html", `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><h1>stricter</h1>`);
    await strict.waitForFunction(() => document.querySelector("h1")?.textContent === "stricter");
    assert.deepEqual(strict.problems, []);
    await strict.context().close();
  });

  test("a page calls over wss a function that another page exposes, and the call is shown", async () => {
    write("calls.html", '<!doctype html><script src="/daffi.js"></script>');
    const [serving, calling] = [await openPage(browser, `${dev.https}/calls.html`), await openPage(browser, `${dev.https}/calls.html`)];
    const connect = (one, name) => one.evaluate(async (own) => {
      const client = new DaffiClient(own, { wsUrl: `wss://${location.host}/` });
      if (own === "serving") await client.expose({ add: (a, b) => a + b });
      window.connection = await client.connect();
    }, name);
    await connect(serving, "serving");
    await connect(calling, "calling");
    assert.equal(await calling.evaluate(() => window.connection.rpc({ receiver: "serving" }).add(3, 4)), 7);
    await said(dev, /^call {3}calling → serving\.add {2}json {2}\d+ B {2}[\d.]+ ms$/m);
    for (const one of [serving, calling]) await one.context().close();
  });

  test("pages of another server, and from disk, connect where they are named", async () => {
    const other = await serveFolder(top, { "/page.html": "<!doctype html><title>elsewhere</title>" });
    const named = await startDev(site, home, ["--allow-origin", new URL(other.url).origin, "--allow-origin", "null"]);
    write("from-disk.html", "<!doctype html><title>from disk</title>");
    for (const url of [`${other.url}/page.html`, `file://${join(site, "from-disk.html")}`]) {
      const guest = await openPage(browser, url);
      await guest.addScriptTag({ url: `${named.http}/daffi.js` });
      const isConnected = await guest.evaluate(async (wsUrl) => (await new DaffiClient("guest", { wsUrl }).connect()) !== undefined, `${named.http.replace("http", "ws")}/`);
      assert.equal(isConnected, true, url);
      await guest.context().close();
    }
    await named.stop();
    await other.stop();
  });

  test("a page that is on its way while files change is loaded anew as it comes", async () => {
    const slow = await openPage(browser);
    let held = false;
    await slow.route(/live\.js/, async (route) => { // its HTML is here, and nobody can tell it anything yet
      if (!held) {
        held = true;
        write("index.html", html("five"));
        await title("five");
      }
      await route.continue();
    });
    await slow.goto(`${dev.https}/`);
    await slow.waitForFunction(() => document.querySelector("h1")?.textContent === "five");
    await slow.context().close();
  });

  test("a page that somebody keeps from becoming new is loaded anew once, and not for ever", async () => {
    const kept = await openPage(browser);
    let loads = 0;
    kept.on("request", (request) => { loads += request.isNavigationRequest() ? 1 : 0; });
    const twice = new Promise((done) => {
      let told = 0;
      kept.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => { if (payload === "stale" && ++told === 2) done(); }));
    });
    await kept.goto(`${dev.https}/old.html`);
    await twice;
    await kept.evaluate(() => fetch("/look.css").then(() => true)); // would fail in a page that is being left
    assert.equal(loads, 2);
    await kept.context().close();
  });

  test("when the server is started anew, the page comes back by itself", async () => {
    await page.goto(`${dev.https}/lib/`); // a listing is a page, too
    const { port } = new URL(dev.https);
    await page.evaluate(() => { window.kept = "kept"; });
    await dev.stop();
    dev = await startDev(site, home, ["--port", port, "--strict-port"]);
    await page.waitForFunction(() => window.kept === undefined && document.querySelector("a[href*='code.js']"));
  });
});

describe("daffi-bridge trust, for a browser", () => {
  const { top, site, home } = makeSite();
  const env = { ...process.env, HOME: home, XDG_DATA_HOME: join(home, "data") };
  delete env.SUDO_UID; // who runs these tests by sudo is this user all the same
  // What belongs to the whole machine is a copy, in a mount namespace (unshare(1)); what browsers read is in this home.
  const apart = "mount -t tmpfs none /usr/local/share/ca-certificates; mount -t tmpfs none /etc/ssl/certs; exec \"$@\"";
  const inApart = (...command) => run("unshare", [...(process.getuid() === 0 ? ["-m"] : ["-rm"]), "sh", "-ec", apart, "sh", ...command], { env });
  const tool = (action) => inApart(join(BUILD, "daffi-bridge"), action);
  let dev;

  before(async () => { dev = await startDev(site, home, ["--host", "0.0.0.0"]); });
  after(async () => {
    await dev?.stop();
    rmSync(top, { recursive: true });
  });

  /** What a browser that was started just now, and told to ignore nothing, makes of it. */
  async function visit(urls) {
    const browser = await launchChromium({ env });
    try {
      const page = await (await browser.newContext()).newPage();
      const seen = [];
      for (const url of urls) {
        try {
          await page.goto(url);
          seen.push(await page.evaluate((host) => new Promise((done) => {
            const socket = new WebSocket(`wss://${host}/`);
            socket.onopen = () => done("believed");
            socket.onerror = () => done("no wss");
          }), new URL(url).host));
        } catch (failure) {
          seen.push(/ERR_CERT_\w+/.exec(failure.message)?.[0] ?? failure.message);
        }
      }
      return seen;
    } finally {
      await browser.close();
    }
  }

  test("pages and wss are refused before, believed after trust, refused after untrust, without a flag", async (t) => {
    if (!process.env.CI && !await inApart("true").then(() => true, () => false)) return t.skip("no mount namespace is to be had here: unshare(1) is not permitted");
    const { port } = new URL(dev.https);
    const urls = ["localhost", "127.0.0.1"].map((host) => `https://${host}:${port}/`);
    assert.deepEqual(await visit(urls), urls.map(() => "ERR_CERT_AUTHORITY_INVALID"));
    const { stdout } = await tool("trust");
    assert.match(stdout, /^daffi-bridge dev CA \S+@\S+: \S+\/ca\.pem\n {2}done {6}system: .*\n {2}done {6}Chromium: \S+\/home\/\.pki\/nssdb; start it anew if it runs\n$/);
    assert.deepEqual(await visit(urls), urls.map(() => "believed"));
    await tool("untrust");
    assert.deepEqual(await visit(urls.slice(0, 1)), ["ERR_CERT_AUTHORITY_INVALID"]);
  });
});
