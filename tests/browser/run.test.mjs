// scripts/run, as a stranger would use it: one command, the address it prints, a press on a function, a press on Call, Ctrl-C.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { BUILD, ROOT, launchChromium, openPage } from "./harness.mjs";

const BUILD_MS = 600000;

/** Starts scripts/run, with a venv that has what scripts/run itself installs and nothing of the tests'; resolves with the page's address once it is printed. */
function startRun() {
  const env = { ...process.env, DAFFI_VENV: join(BUILD, "run-venv") };
  const child = spawn(join(ROOT, "scripts/run"), [], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  const gone = new Promise((done) => child.once("close", (code) => done(code)));
  return new Promise((done, failed) => {
    const look = (text) => {
      output += text;
      const match = /^\s+(https:\/\/\S+)$/m.exec(output);
      if (match) done({ url: match[1], child, gone, log: () => output });
    };
    child.stdout.setEncoding("utf8").on("data", look);
    child.stderr.setEncoding("utf8").on("data", look);
    gone.then((code) => failed(new Error(`scripts/run ended with ${code}:\n${output}`)));
  });
}

test("scripts/run ends with a page in which Python answers, and Ctrl-C ends it all", { timeout: BUILD_MS }, async () => {
  const run = await startRun();
  const browser = await launchChromium();
  try {
    const distrustful = await openPage(browser, null, { ignoreHTTPSErrors: false });
    await assert.rejects(distrustful.goto(run.url), /ERR_CERT/); // as the text under the address announces
    const page = await openPage(browser, run.url, { viewport: { width: 1280, height: 800 } });
    const press = async (name, args, serde) => {
      await page.click(`.segments label:has(input[value="${serde}"])`);
      await page.locator(`.functions button[data-function="${name}"]`).first().click();
      await page.fill("#arguments", args);
      const before = await page.locator("#results > li:not([data-outcome=pending])").count();
      await page.click("#go");
      await page.waitForFunction((count) => document.querySelectorAll("#results > li:not([data-outcome=pending])").length > count, before);
      return page.locator("#results > li").first().locator("pre").innerText();
    };
    assert.match(await press("greet", '"world"', "json"), /^"Hello, world! /);
    assert.equal(await press("add", "3, 4", "msgpack"), "7");
    assert.equal(await press("multiply", "6, 7", "json"), "42");
    const example = await openPage(browser, new URL("examples/02_service_msgpack/index.html", run.url).href);
    const says = (text) => example.waitForFunction((wanted) => document.getElementById("out").textContent.includes(wanted), text);
    await says("connected");
    await example.click("#statistics");
    await says("count 3, mean 84.33");
    assert.deepEqual(example.problems, []);
    await example.context().close();
    const other = await openPage(browser, run.url);
    await page.click("#offer");
    await other.locator('.functions button[data-function="say"]').click();
    await other.fill("#arguments", '"hello"');
    await other.click("#go");
    assert.equal(await other.locator("#results > li[data-outcome=good] pre").innerText(), '"it is shown"');
    assert.match(await page.locator("#results > li").first().innerText(), /^say\("hello"\)/);
    assert.deepEqual([...page.problems, ...other.problems], []);
    mkdirSync(join(BUILD, "screenshots"), { recursive: true });
    await page.screenshot({ path: join(BUILD, "screenshots", "run.png") });
  } finally {
    await browser.close();
    process.kill(-run.child.pid, "SIGINT");
  }
  assert.equal(await run.gone, 0, run.log());
  const behind = run.log().slice(run.log().indexOf("Ctrl-C ends it all.\n"));
  assert.deepEqual(behind.split("\n").slice(1).filter((line) => line !== "" && line !== "ending"), [], "nothing that went well pushes the address out of sight");
});
