// The client in the engines of other browsers: Firefox (Gecko), and WebKit's own small browser, in which Safari's engine runs. They are
// started as a user would, with an address; the page does all by itself (engines_page.mjs), and sends back what it found.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILD, CLIENT, ROOT, freePort, serveFolder, start, startRouter, startWorker } from "./harness.mjs";

const PATIENCE_MS = 90000; // from the browser's start to its page's results
// Nothing but the loopback is reached; no questions, no other pages.
const FIREFOX = { "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9, "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
  "network.proxy.no_proxies_on": "127.0.0.1", "browser.shell.checkDefaultBrowser": false, "browser.aboutwelcome.enabled": false, "datareporting.policy.dataSubmissionEnabled": false };

const installed = (...paths) => paths.find((path) => existsSync(path));
const ENGINES = [
  { name: "Firefox", program: installed("/usr/bin/firefox-esr", "/usr/bin/firefox"), command(home) {
    writeFileSync(join(home, "user.js"), Object.entries(FIREFOX).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(""));
    return [this.program, "--headless", "--no-remote", "--profile", home];
  } },
  { name: "WebKit", program: installed(`/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/webkit2gtk-4.1/MiniBrowser`), command() {
    return ["xvfb-run", "-a", this.program, "--private"];
  } },
];

/** Opens `url` in a browser with a home of its own, until `done` settles. */
async function browse(engine, url, done) {
  const home = mkdtempSync(join(tmpdir(), "daffi-engine-"));
  const [program, ...args] = engine.command(home);
  const child = spawn(program, [...args, url], { detached: true, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => { output += text; });
  const gone = new Promise((resolve) => child.once("close", resolve));
  let late;
  try {
    return await Promise.race([done,
      gone.then((code) => { throw new Error(`${engine.name} ended with ${code}: ${output}`); }),
      new Promise((_, failed) => { late = setTimeout(() => failed(new Error(`${engine.name} sent no results within ${PATIENCE_MS / 1000} s: ${output}`)), PATIENCE_MS); })]);
  } finally {
    clearTimeout(late);
    try { process.kill(-child.pid, "SIGKILL"); } catch { /* it has ended */ }
    await gone;
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

for (const engine of ENGINES) {
  test(engine.name, { skip: !engine.program && !process.env.CI && "it is not installed" }, async (t) => {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), "daffi-engine-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const router = await startRouter(port);
    t.after(() => router.stop());
    const worker = await startWorker("w1", port);
    t.after(() => worker.stop());
    let report;
    const reported = new Promise((done) => { report = done; });
    const site = await serveFolder(CLIENT, {
      "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script type="module" src="/engines_page.mjs"></script>',
      "/engines_page.mjs": readFileSync(join(ROOT, "tests/browser/engines_page.mjs")).toString(),
      "/results": async (request) => { report(JSON.parse(Buffer.concat(await request.toArray()).toString())); return ""; },
    });
    t.after(() => site.stop());
    const file = join(folder, "bridge.json");
    writeFileSync(file, JSON.stringify({ listen: [{ url: "http://127.0.0.1:0" }], upstreams: { default: `tcp://127.0.0.1:${port}` }, allow_origins: [site.url],
      policy: { expose: ["twice", "broken"] } }));
    const bridge = await start(join(BUILD, "daffi-bridge"), ["-c", file], /^listening http:\/\/(127\.0\.0\.1:\d+)$/m, { stream: "stderr" });
    t.after(() => bridge.stop());
    const query = new URLSearchParams({ bridge: `ws://${bridge.match[1]}/`, bare: `ws://127.0.0.1:${port}` });
    const results = await browse(engine, `${site.url}/page.html?${query}`, reported);
    for (const [name, result] of Object.entries(results)) assert.equal(result, "ok", name);
    assert.equal(results.stop, "ok"); // the last one
  });
}
