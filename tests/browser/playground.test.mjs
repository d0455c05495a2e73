// The playground, used as a person would: look who is there, choose a function, call it, read the answer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BUILD, ROOT, launchChromium, openPage, startBridge, startPlayground, startWorker } from "./harness.mjs";

describe("playground", () => {
  let house, browser, bridge, port, page;

  before(async () => {
    house = await startPlayground();
    ({ browser, bridge, port } = house);
    page = await openPage(browser, `${bridge.url}/_bridge/`, { viewport: { width: 1280, height: 800 } });
  });
  after(() => house?.stop());

  const chip = (name, member) => page.locator(`.functions button[data-function="${name}"][data-member="${member}"]`);
  const serde = (name) => page.click(`.segments label:has(input[value="${name}"])`);
  const firstResult = () => page.locator("#results > li").first();

  async function call(name, args, outcome) {
    const before = await page.locator("#results > li:not([data-outcome=pending])").count();
    await page.fill("#function", name);
    await page.fill("#arguments", args);
    await page.click("#go");
    await page.waitForFunction((count) => document.querySelectorAll("#results > li:not([data-outcome=pending])").length > count, before);
    assert.equal(await firstResult().getAttribute("data-outcome"), outcome, await firstResult().innerText());
    assert.match(await firstResult().locator(".time").innerText(), /^\d+\.\d ms$/);
    return firstResult().locator("pre").innerText();
  }

  test("shows the members and their functions", async () => {
    await chip("add", "calculator").waitFor();
    assert.equal(await page.textContent("#members-count"), "2"); // this page is one of them
    assert.equal(await page.locator("#members > li").count(), 2);
    assert.ok(await page.locator("#members-filter").isVisible(), "one worker of many functions is enough to look for one");
    assert.match(await page.textContent("#state"), /^connected as /);
  });

  test("a press on a function and on Call shows the answer", async () => {
    await chip("add", "calculator").click();
    assert.equal(await page.inputValue("#receiver"), "calculator");
    assert.equal(await call("add", "3, 4", "good"), "7");
  });

  test("every serde", async () => {
    await serde("msgpack");
    assert.deepEqual(JSON.parse(await call("echo", '{"a": [1, 2.5, null, "é"]}', "good")), { a: [1, 2.5, null, "é"] });
    await serde("raw");
    assert.match(await call("echo", "some text", "good"), /^9 bytes\n"some text"/);
    await serde("json");
  });

  test("keyword arguments", async () => {
    await page.fill("#kwargs", '{"b": 5}');
    assert.equal(await call("add", "10", "good"), "15");
    await page.fill("#kwargs", "");
  });

  test("errors are shown as errors: the worker's, ours, a field that can't be read", async () => {
    assert.match(await call("fail", '"kaboom"', "bad"), /^remote: .*kaboom.*ValueError/s);
    assert.match(await call("nobody_has_this", "", "bad"), /^no-such-method: /);
    assert.match(await call("add", "3, four", "bad"), /arguments can't be read/);
  });

  test("a call under way is shown at once, with the time that passes, and is answered in its place", async () => {
    await page.click("#clear");
    await page.fill("#function", "slow");
    await page.fill("#arguments", "2");
    await page.click("#go");
    const item = await firstResult().elementHandle();
    assert.equal(await item.getAttribute("data-outcome"), "pending");
    assert.ok(await page.locator("#results-empty").isHidden());
    const time = () => item.$eval(".time", (shown) => shown.textContent);
    await page.waitForFunction((shown) => shown.querySelector(".time").textContent !== "", item);
    const first = await time();
    assert.match(first, /^0\.\d s$/);
    await page.waitForFunction(([shown, before]) => shown.querySelector(".time").textContent !== before, [item, first]);
    await page.click("#clear"); // takes away what is over alone
    await page.locator('#results > li[data-outcome="good"]').waitFor();
    assert.ok(await item.evaluate((shown) => shown.isConnected));
    assert.match(await time(), /^\d{3,}\.\d ms$/);
    assert.equal(await item.$("button"), null);
  });

  test("a call under way can be cancelled, by the keyboard, too", async () => {
    await page.fill("#arguments", "2");
    await page.click("#go");
    await firstResult().getByRole("button", { name: /^Cancel rpc\(.*\)\.slow\(2\)/ }).focus();
    await page.keyboard.press("Enter");
    await page.locator('#results > li[data-outcome="bad"]', { hasText: /^rpc.*slow.*cancelled/s }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "tab-results");
    assert.equal(await page.locator('#results > li[data-outcome="pending"]').count(), 0);
  });

  test("cast and no wait", async () => {
    await page.selectOption("#receiver", "");
    await serde("cast");
    assert.deepEqual(JSON.parse(await call("whoami", "", "good")), { calculator: "calculator" });
    await serde("rpc_nowait");
    assert.match(await call("echo", "1", "good"), /no answer is waited for/);
    await serde("rpc");
  });

  const language = (name) => page.click(`#pane-code label:has(input[value="${name}"])`);
  const CALLS = [
    { serde: "json", style: "rpc", name: "add", args: "3, 4", prints: "7" },
    { serde: "msgpack", style: "rpc", name: "echo", args: '{"a": [true, null, 2.5, "é\\"\\n"]}', prints: { a: [true, null, 2.5, 'é"\n'] } },
    { serde: "raw", style: "rpc", name: "echo", args: "some \"text\"", prints: 'some "text"' },
    { serde: "json", style: "rpc", name: "add", args: "10", kwargs: '{"b": 5}', prints: "15" },
    { serde: "json", style: "rpc", name: "add", args: "1, 1", receiver: "calculator", prints: "2" },
    { serde: "json", style: "cast", name: "whoami", args: "", prints: { calculator: "calculator" } },
    { serde: "json", style: "rpc_nowait", name: "note", args: '"by the code"', prints: null },
  ];
  for (const { serde: format, style, name, args, kwargs = "", receiver = "", prints } of CALLS) {
    test(`the code of ${style} ${name}(${args}) over ${format} does in JavaScript and in Python what the call did`, async () => {
      await page.click("#tab-results");
      await serde(format);
      await serde(style);
      await page.selectOption("#receiver", receiver);
      if (format !== "raw") await page.fill("#kwargs", kwargs);
      await call(name, args, "good");
      await page.click("#tab-code");
      const line = "SHOWN";

      await language("javascript");
      const javascript = await page.textContent("#code");
      const own = await openPage(browser, `${bridge.url}/_bridge/`);
      await own.route("**/shown.mjs", (route) => route.fulfill({ contentType: "text/javascript", body: javascript }));
      const printed = await own.evaluate(async () => {
        const lines = [];
        console.log = (...values) => lines.push(...values);
        await import("/_bridge/shown.mjs");
        return lines;
      });
      assert.deepEqual(own.problems, []);
      await own.context().close();
      const expected = prints === null ? [] : [typeof prints === "string" && format !== "raw" ? Number(prints) : prints];
      assert.deepEqual(printed, expected, javascript);

      await language("python");
      const python = await page.textContent("#code");
      const { stdout } = await promisify(execFile)(process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python"),
        ["-c", `import json\nshow = print\nprint = lambda value: show("${line}" + json.dumps(value.decode() if isinstance(value, bytes) else value))\n${python}`], { timeout: 20000 })
        // The released Client often dies of SIGSEGV as it ends a TLS connection: what it printed counts.
        .catch((error) => (error.signal === "SIGSEGV" ? error : assert.fail(`${error.stderr}\n${error.stdout}`)));
      const shown = stdout.split("\n").filter((text) => text.startsWith(line)).map((text) => JSON.parse(text.slice(line.length)));
      assert.deepEqual(shown, expected, python);
    });
  }

  test("the code can be copied", async () => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.click("#copy");
    await page.waitForFunction(() => document.getElementById("copy").textContent === "Copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.textContent("#code"));
  });

  test("the code tab, in light and dark, wide and on a phone", async () => {
    mkdirSync(join(BUILD, "screenshots"), { recursive: true });
    await language("javascript");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const [where, width] of [["", 1280], ["-phone", 360]]) {
        await page.setViewportSize({ width, height: 800 });
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= width);
        await page.screenshot({ path: join(BUILD, "screenshots", `playground-code-${colorScheme}${where}.png`), fullPage: where !== "" });
      }
    }
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.click("#tab-results");
    await serde("json");
    await serde("rpc");
    await page.fill("#kwargs", "");
  });

  test("the charts draw what the bridge counts, as it changes", async () => {
    const shown = (title, line) => page.locator(`#charts figure:has(b:text-is("${title}")) output`).nth(line);
    await page.locator("#charts polyline").first().waitFor({ state: "attached" });
    assert.equal(await page.locator("#charts figure").count(), 4);
    await page.waitForFunction(() => /^[1-9]/.test(document.querySelectorAll("#charts figure output")[4].textContent)); // pages: this one
    const counted = () => page.evaluate(async () => (await (await fetch("numbers.json")).json()).upstreams[0].calls);
    const before = await counted();
    await page.waitForFunction(() => document.querySelector("#charts figure output").textContent === "0 /s", null, { timeout: 20000 });
    for (let i = 0; i < 5; i++) assert.equal(await call("add", "1, 2", "good"), "3");
    await page.waitForFunction(() => /^(0\.)?[1-9][\d.,]* \/s$/.test(document.querySelector("#charts figure output").textContent));
    await page.waitForFunction(() => / ms$/.test(document.querySelectorAll("#charts figure output")[2].textContent));
    assert.match(await shown("Bytes", 0).innerText(), / (B|KiB)\/s$/);
    assert.equal(await counted(), before + 5);
    assert.ok((await page.locator("#charts polyline").first().getAttribute("points")).split(" ").length > 1);
  });

  test("their numbers have two digits or more, and no exponent", async () => {
    const wanted = { 0: "0 ms", 0.05: "0.050 ms", 1.26: "1.3 ms", 75.2: "75 ms", 99.4: "99 ms", 99.5: "100 ms", 99.97: "100 ms", 100.2: "100 ms", 1234.5: "1,235 ms", null: "–" };
    const shown = await page.evaluate(async (values) => {
      const { showNumber } = await import("./charts.js");
      return Object.fromEntries(values.map((value) => [value, showNumber(value === "null" ? null : Number(value), "ms")]));
    }, Object.keys(wanted));
    assert.deepEqual(shown, wanted);
  });

  test("the charts go on behind an answer without numbers; where there never are any, nobody asks again", async () => {
    const withNumbers = await openPage(browser);
    const refusals = [503, 500, 429];
    await withNumbers.route(/numbers\.json/, (route) => (refusals.length > 0 ? route.fulfill({ status: refusals.shift() }) : route.continue()));
    const without = await openPage(browser);
    let asked = 0;
    await without.route(/numbers\.json/, (route) => {
      asked++;
      return route.fulfill({ status: 404 });
    });
    await without.goto(`${bridge.url}/_bridge/`);
    await withNumbers.goto(`${bridge.url}/_bridge/`);
    await withNumbers.locator("#charts polyline").first().waitFor({ state: "attached" }); // seconds later
    assert.equal(refusals.length, 0);
    assert.equal(asked, 1);
    assert.equal(await without.locator("#charts figure").count(), 0);
    for (const one of [withNumbers, without]) await one.context().close();
  });

  test("members and events come and go by themselves", async () => {
    const guest = await startWorker("guest", port);
    await chip("add", "guest").waitFor();
    await page.locator('#events li:has-text("guest connected")').waitFor();
    await guest.kill();
    await chip("add", "guest").waitFor({ state: "detached" });
    await page.locator('#events li:has-text("guest disconnected")').waitFor();
  });

  test("a bridge that goes and comes back is told and survived", async () => {
    const { port: same } = bridge;
    await bridge.stop();
    await page.waitForFunction(() => document.getElementById("state").dataset.state !== "open");
    bridge = house.bridge = await startBridge(`tcp://127.0.0.1:${port}`, [], { port: same });
    await page.waitForFunction(() => document.getElementById("state").dataset.state === "open", null, { timeout: 20000 });
    await chip("add", "calculator").waitFor();
    assert.equal(await call("add", "20, 22", "good"), "42");
  });

  test("functions of this page are refused where the policy does not let it offer any, with the name of the option", async () => {
    const before = await page.locator("#results > li:not([data-outcome=pending])").count();
    await page.click("#offer");
    await page.waitForFunction((count) => document.querySelectorAll("#results > li:not([data-outcome=pending])").length > count, before);
    assert.equal(await firstResult().getAttribute("data-outcome"), "bad");
    assert.match(await firstResult().locator("pre").innerText(), /^refused: .*"say" \(policy\.expose\)/);
  });

  test("a picture for people to look at", async () => {
    mkdirSync(join(BUILD, "screenshots"), { recursive: true });
    await page.screenshot({ path: join(BUILD, "screenshots", "playground.png") });
  });

  test("fits a phone: nothing to scroll sideways, and no tab out of sight", async () => {
    for (const width of [320, 375]) {
      await page.setViewportSize({ width, height: 740 });
      const hidden = await page.locator("#tabs [role=tab]").evaluateAll((tabs) => {
        const box = tabs[0].parentElement.getBoundingClientRect();
        return tabs.filter((tab) => tab.getBoundingClientRect().right > box.right).map((tab) => tab.textContent);
      });
      assert.deepEqual(hidden, [], `at ${width} px`);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `the page is ${width} px wide on a phone of 360`);
    await page.screenshot({ path: join(BUILD, "screenshots", "playground-phone.png"), fullPage: true });
  });

  test("on a screen that is touched nothing is said of keys", async () => {
    const tablet = await launchChromium({ args: ["--blink-settings=primaryPointerType=2,availablePointerTypes=2"] }); // coarse; Playwright's own touch changes no media query
    try {
      const touched = await openPage(tablet, `${bridge.url}/_bridge/`, { viewport: { width: 1024, height: 768 } });
      assert.ok(await touched.evaluate(() => matchMedia("(pointer: coarse)").matches));
      assert.ok(await touched.locator("#go").isVisible());
      for (const hint of [".keys-hint", "#keys"]) assert.ok(await touched.locator(hint).isHidden(), hint);
      assert.ok(await page.locator("#keys").isVisible());
    } finally {
      await tablet.close();
    }
  });

  test("a page that could not connect says so of itself, not that nobody is there", async () => {
    const other = await openPage(browser, `${bridge.url}/_bridge/`);
    await other.locator('#state[data-state="open"]').waitFor();
    await other.fill("#url", "ws://127.0.0.1:1/");
    await other.click("#connect");
    await other.locator('#state[data-state="failed"]').waitFor();
    await other.locator("#members-empty", { hasText: "This page is not connected" }).waitFor();
    assert.equal(await other.textContent("#members-count"), "0");
    await other.context().close();
  });

  test("the address alone leads to the playground, and what is no page leads there, too", async () => {
    const other = await openPage(browser, `${bridge.url}/`);
    assert.equal(other.url(), `${bridge.url}/_bridge/`);
    const answer = await other.goto(`${bridge.url}/_bridge/examples/nope`);
    assert.equal(answer.status(), 404);
    assert.equal(await other.locator("h1").innerText(), "There is no such page");
    assert.equal(await other.locator("main").evaluate((main) => getComputedStyle(main).borderTopStyle), "solid"); // its styles are there
    await other.getByRole("link", { name: "the playground" }).click();
    await other.locator('#state[data-state="open"]').waitFor();
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test("without a script error or a refusal of the Content-Security-Policy", () => {
    assert.deepEqual(page.problems, []);
  });

  test("is off unless asked for", async () => {
    const plain = await openPage(browser, null);
    const other = await startBridge(`tcp://127.0.0.1:${port}`, [], { playground: false });
    try {
      const answer = await plain.goto(`${other.url}/_bridge/`);
      assert.equal(answer.status(), 404);
      assert.equal((await plain.goto(other.url)).status(), 404);
    } finally {
      await plain.context().close();
      await other.stop();
    }
  });
});
