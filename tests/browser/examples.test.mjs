// The seven examples, pressed button by button: through the bridge, straight to a bare Python server with one line changed, and with
// daffi-bridge dev and what the page itself says has to run.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CLIENT, PYTHON, freePort, launchChromium, makeFolder, openPage, said, startBridge, startDev, startExample } from "./harness.mjs";

let browser;
before(async () => { browser = await launchChromium(); });
after(() => browser?.close());

const says = (page, text) => page.waitForFunction((wanted) => document.getElementById("out").textContent.includes(wanted), text, { timeout: 15000 });
const press = (page, id) => page.click(`#${id}`);

const EXAMPLES = [
  { name: "01_service_json", python: ["service.py"], async use(page) {
    await says(page, "connected");
    await page.fill("#a", "20"); await page.fill("#b", "22"); await press(page, "go");
    await says(page, "add(20, 22) = 42");
    await press(page, "greet");
    await says(page, "Hello, world! This is Python.");
  } },
  { name: "02_service_msgpack", python: ["service.py"], async use(page) {
    await says(page, "connected");
    await press(page, "go");
    await says(page, "add(3, 4) = 7");
    await press(page, "statistics");
    await says(page, "count 3, mean 84.33, digest Uint8Array [1, 2, 250]");
  } },
  { name: "03_router_json", python: ["router.py", "worker.py"], async use(page) {
    await says(page, "connected");
    await press(page, "go");
    await says(page, "multiply(3, 4) = 12");
  } },
  { name: "04_router_msgpack", python: ["router.py", "worker.py"], async use(page) {
    await says(page, "connected");
    await press(page, "go");
    await says(page, "north: 5 samples, largest 5, reversed [5, 1, 4, 1, 3]");
  } },
  { name: "05_cast", python: ["router.py", "worker.py worker-A", "worker.py worker-B", "worker.py worker-C"], async use(page) {
    await says(page, "connected");
    await press(page, "go");
    await says(page, "pong from worker-C");
    const results = JSON.parse(await page.textContent("#out"));
    assert.deepEqual(results, { "worker-A": "pong from worker-A", "worker-B": "pong from worker-B", "worker-C": "pong from worker-C" });
  } },
  { name: "06_cast_nowait", python: ["router.py", "worker.py worker-A", "worker.py worker-B", "worker.py worker-C"], async use(page) {
    await says(page, "connected");
    await press(page, "all");
    await says(page, "sent to all");
    await page.fill("#text", "only you");
    await press(page, "one");
    await says(page, "sent to worker-B");
    await press(page, "notes");
    await says(page, "worker-C");
    assert.deepEqual(JSON.parse(await page.textContent("#out")),
      { "worker-A": ["shutdown"], "worker-B": ["shutdown", "only you"], "worker-C": ["shutdown"] });
  } },
  { name: "07_wait_for_members", python: ["router.py"], async use(page, { startMore }) {
    await says(page, "waiting for py-worker …");
    assert.equal(await page.isDisabled("#go"), true);
    await startMore("worker.py");
    await says(page, "py-worker is there");
    await press(page, "go");
    await says(page, "process(7) = 49");
  } },
];

for (const example of EXAMPLES) {
  describe(example.name, () => {
    let port;
    const running = [];
    const startAt = (where) => async (command) => {
      const [file, ...args] = command.split(" ");
      running.push(await startExample(`${example.name}/${file}`, where, ...args));
    };
    const startMore = (command) => startAt(port)(command);

    before(async () => {
      port = await freePort();
      for (const command of example.python) await startMore(command);
    });
    after(async () => { for (const peer of running.reverse()) await peer.stop(); });

    test("through the bridge", async () => {
      const bridge = await startBridge(`tcp://127.0.0.1:${port}`);
      try {
        const page = await openPage(browser, `${bridge.url}/_bridge/examples/${example.name}/index.html`);
        await example.use(page, { startMore });
        assert.deepEqual(page.problems, []);
        await page.context().close();
      } finally {
        await bridge.stop();
      }
    });

    test("in daffi-bridge dev, started as the page says", async () => {
      const { top, site, home } = makeFolder();
      cpSync(join(CLIENT, "examples", example.name), site, { recursive: true });
      const [, told] = /<code id="start">daffi-bridge dev(.*?)<\/code>/.exec(readFileSync(join(site, "index.html"), "utf8"));
      const commands = told.trim().split(" ").filter(Boolean).map((word) => ({ python: PYTHON, "worker.py": join(site, "worker.py") })[word] ?? word);
      const workers = commands.filter((word) => word === PYTHON).length;
      const dev = await startDev(site, home, commands);
      try {
        await said(dev, new RegExp(`(^worker\\.py.* \\| ready$[^]*?){${workers}}`, "m"));
        const page = await openPage(browser, `${dev.http}/_bridge/examples/${example.name}/index.html`);
        await example.use(page, { startMore: startAt(new URL(dev.http).port) });
        assert.deepEqual(page.problems, []);
        await page.context().close();
      } finally {
        await dev.stop();
        rmSync(top, { recursive: true, force: true });
      }
    });

    test("straight to a bare server, from disk, with one line changed", async () => {
      // 06 counts the notes taken, 07 starts its worker late: both need their peers anew.
      while (running.length) await running.pop().stop();
      for (const command of example.python) await startMore(command);
      const folder = mkdtempSync(join(tmpdir(), "daffi-example-"));
      try {
        cpSync(CLIENT, folder, { recursive: true });
        const script = join(folder, "examples", example.name, "example.js");
        const lines = readFileSync(script, "utf8").split("\n");
        const changed = lines.map((line) => (line.startsWith("const wsUrl =") ? `const wsUrl = "ws://127.0.0.1:${port}";` : line));
        assert.equal(lines.filter((line, at) => line !== changed[at]).length, 1);
        writeFileSync(script, changed.join("\n"));
        const page = await openPage(browser, pathToFileURL(join(folder, "examples", example.name, "index.html")).href);
        await example.use(page, { startMore });
        assert.deepEqual(page.problems, []);
        await page.context().close();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}
