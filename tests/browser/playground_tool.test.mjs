// The playground as a tool that one keeps open: what it remembers, its code, its keys, its themes, and a crowd of members.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { startFakeServer } from "../client/fake_server.mjs";
import { ROOT, openPage, startPlayground, startWorker } from "./harness.mjs";

describe("playground as a tool", () => {
  let house, browser, bridge, port, page;

  before(async () => {
    house = await startPlayground();
    ({ browser, bridge, port } = house);
    page = await openPage(browser, `${bridge.url}/_bridge/`, { viewport: { width: 1280, height: 900 } });
    await open();
  });
  after(() => house?.stop());

  const open = (at = page) => at.locator('.functions button[data-function="add"][data-member="calculator"]').waitFor();
  const serde = (name) => page.click(`.segments label:has(input[value="${name}"])`);
  const answered = (count) => page.waitForFunction((most) => document.querySelectorAll("#results > li:not([data-outcome=pending])").length > most, count);

  async function call(name, args, kwargs = "") {
    const count = await page.locator("#results > li:not([data-outcome=pending])").count();
    await page.fill("#function", name);
    await page.fill("#arguments", args);
    await page.fill("#kwargs", kwargs);
    await page.click("#go");
    await answered(count);
  }

  const shown = (list) => page.locator(`#${list} > li`);

  test("empty lists say what to do", async () => {
    for (const [tab, words] of [["results", /press Call/], ["code", /Choose a function/], ["history", /Make a call/], ["saved", /press Save/]]) {
      await page.click(`#tab-${tab}`);
      assert.match(await page.locator(`#${tab}-empty:visible`).innerText(), words);
    }
  });

  test("the history has every call, newest first, with its outcome", async () => {
    await call("add", "3, 4");
    await call("fail", '"kaboom"');
    await serde("msgpack");
    await call("echo", '{"a": 1}', "");
    await serde("json");
    await page.click("#tab-history");
    assert.deepEqual(await shown("history").locator("code").allInnerTexts(), ['rpc().echo({"a": 1})', 'rpc().fail("kaboom")', "rpc().add(3, 4)"]);
    assert.deepEqual(await shown("history").evaluateAll((rows) => rows.map((row) => row.dataset.outcome)), ["good", "bad", "good"]);
    assert.match(await shown("history").nth(0).innerText(), /msgpack · \d+\.\d ms · \{ "a": 1 \}/);
  });

  test("the history survives a reload; a call of it fills the form, or is made again", async () => {
    await page.reload();
    await open();
    await page.click("#tab-history");
    assert.equal(await shown("history").count(), 3);
    await shown("history").nth(0).getByRole("button", { name: "Fill in" }).click();
    assert.deepEqual([await page.inputValue("#function"), await page.inputValue("#arguments"), await page.locator("input[name=serde]:checked").inputValue()], ["echo", '{"a": 1}', "msgpack"]);
    await shown("history").nth(2).getByRole("button", { name: "Call again" }).click();
    await answered(0);
    assert.equal(await page.locator("#results pre").first().innerText(), "7");
    assert.equal(await page.locator("input[name=serde]:checked").inputValue(), "json");
    await page.click("#tab-history");
    assert.equal(await shown("history").count(), 4);
  });

  test("a saved call survives a reload, is renamed, called, deleted", async () => {
    await page.selectOption("#receiver", "calculator");
    await page.fill("#function", "add");
    await page.fill("#arguments", "20");
    await page.fill("#kwargs", '{"b": 22}');
    await page.fill("#timeout", "4000");
    await page.click("#save");
    await page.locator("#saved-note", { hasText: 'add(20, {"b": 22})" is saved' }).waitFor();
    await page.reload();
    await open();
    await page.click("#tab-saved");
    await shown("saved").getByRole("button", { name: "Rename" }).click();
    await page.keyboard.type("the answer");
    await page.keyboard.press("Enter");
    await page.reload();
    await open();
    await page.click("#tab-saved");
    await shown("saved").getByRole("button", { name: "the answer" }).click();
    assert.deepEqual([await page.inputValue("#function"), await page.inputValue("#arguments"), await page.inputValue("#kwargs"), await page.inputValue("#receiver"), await page.inputValue("#timeout")],
      ["add", "20", '{"b": 22}', "calculator", "4000"]);
    await shown("saved").getByRole("button", { name: "Call", exact: true }).click();
    await answered(0);
    assert.equal(await page.locator("#results pre").first().innerText(), "42");
    await page.click("#tab-saved");
    await page.screenshot({ path: join(process.env.DAFFI_SCREENSHOTS ?? join(ROOT, "build"), "playground-saved.png") }).catch(() => {});
  });

  test("saved calls go to another browser as a file; a file that is none is refused with a sentence", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
    assert.equal(download.suggestedFilename(), "daffi-calls.json");
    const text = readFileSync(await download.path(), "utf8");
    const [saved] = JSON.parse(text).calls;
    assert.equal(saved.name, "the answer");
    assert.ok(!text.includes("wss:"), "no address goes with it");
    const other = await openPage(browser, `${bridge.url}/_bridge/`);
    await open(other);
    await other.click("#tab-saved");
    const bring = (body) => other.setInputFiles("#import-file", { name: "calls.json", mimeType: "application/json", buffer: Buffer.from(body) });
    await bring(text);
    await other.locator("#saved-note", { hasText: "1 calls came with the file" }).waitFor();
    await bring(text);
    await other.locator("#saved-note", { hasText: "1 were here already" }).waitFor();
    const hostile = [{ name: "x".repeat(10000), draft: saved.draft }, { name: "n", draft: { ...saved.draft, args: "y".repeat(100000) } }, { name: "n", draft: { ...saved.draft, serde: "pickle" } }, null, 7,
      { name: "<img src=x onerror=alert(1)>", draft: { ...saved.draft, receiver: "</select><script>" } }];
    await bring(JSON.stringify({ format: "daffi-bridge saved calls", calls: hostile }));
    await other.locator("#saved-note", { hasText: "2 calls came with the file, 4 can't be read" }).waitFor();
    assert.ok(await other.locator("#saved .kept-title").evaluateAll((titles) => titles.every((title) => title.textContent.length <= 80 && title.children.length === 0)));
    for (const body of ["", "[1, 2", "{}", '{"format": "x", "calls": []}']) {
      await bring(body);
      await other.locator("#saved-note", { hasText: "The file can't be read: this is no file of saved calls" }).waitFor();
      await bring('{"format":"daffi-bridge saved calls","calls":[]}');
      await other.locator("#saved-note", { hasText: "0 calls came" }).waitFor();
    }
    await other.reload();
    await open(other);
    assert.equal(await other.locator("#saved > li").count(), 3);
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test("whatever stands in the browser's memory, the page comes up, with what can be read of it", async () => {
    const draft = { style: "rpc", serde: "json", functionName: "add", receiver: "", args: "1, 2", kwargs: "", timeout: "" };
    for (const stored of ["{not json", '"text"', "null", JSON.stringify([null, {}, { draft: 7 }, { name: "fine", draft, at: 1, ms: 1, outcome: "good", answer: "3" }, { name: 5, draft }])]) {
      const other = await openPage(browser, null);
      await other.addInitScript((text) => { for (const key of ["saved", "history"]) localStorage[`daffi-bridge.${key}`] = text; localStorage["daffi-bridge.theme"] = text; }, stored);
      await other.goto(`${bridge.url}/_bridge/`);
      await open(other);
      const count = stored.includes("fine") ? 1 : 0;
      assert.deepEqual([await other.locator("#saved > li").count(), await other.locator("#history > li").count()], [count, count], stored);
      assert.deepEqual(other.problems, []);
      await other.context().close();
    }
  });

  test("where nothing can be kept, the page works, and says so", async () => {
    const other = await openPage(browser, null);
    await other.addInitScript(() => Object.defineProperty(window, "localStorage", { get() { throw new DOMException("storage is off", "SecurityError"); } }));
    await other.goto(`${bridge.url}/_bridge/`);
    await open(other);
    await other.fill("#function", "add");
    await other.fill("#arguments", "1, 2");
    await other.click("#save");
    await other.locator("#saved-fault", { hasText: "storage is off" }).waitFor();
    assert.equal(await other.locator("#saved > li").count(), 1);
    await other.click("#go");
    await other.locator("#results pre", { hasText: "3" }).waitFor({ state: "attached" });
    await other.click("#theme");
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  const run = async (python) => (await promisify(execFile)(process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python"), ["-c", python], { timeout: 20000 })
    .catch((error) => (error.signal === "SIGSEGV" ? error : assert.fail(`${error.stderr}\n${error.stdout}`)))).stdout; // the released Client may die as it ends TLS

  test("the code follows the form; Python's, run with the real package, prints what the page showed", async () => {
    await serde("json");
    await page.selectOption("#receiver", "calculator");
    await call("kind", '"\\u00e9 \\"quoted\\" \\\\ </script>"');
    const answer = JSON.parse(await page.locator("#results pre").first().innerText());
    await page.click("#tab-code");
    await page.click('#pane-code label:has(input[value="python"])');
    const python = await page.textContent("#code");
    assert.match(python, /from daffi import Client/);
    assert.match(python, /receiver="calculator"/);
    const printed = await run(`${python.replace("print(", "import json\nprint('SHOWN' + json.dumps(")})`.replace("kind(", "kind(").replace(/\)\nclient\.stop\(\)\)$/, "))\nclient.stop()"));
    assert.deepEqual(JSON.parse(printed.split("SHOWN")[1]), answer);
    await page.fill("#arguments", "1, 2, ");
    assert.match(await page.locator("#code-empty:visible").innerText(), /arguments can't be read/);
    await page.fill("#arguments", "");
    await page.fill("#function", "whoami");
    assert.match(await page.textContent("#code"), /\.whoami\(\)/);
    await page.click('#pane-code label:has(input[value="javascript"])');
    assert.match(await page.textContent("#code"), /await conn\.rpc\(.*\)\.whoami\(\);/);
  });

  test("names that are words of Python, and keys that mean something to JavaScript, are written so that they are names and keys", async () => {
    const [python, javascript] = await page.evaluate(async () => {
      const { writeJavaScript, writePython } = await import("/_bridge/code.js");
      const keywords = JSON.parse('{"from": 1, "class": {"__proto__": [true]}, "two words": null, "fine": 2}');
      const made = { url: "wss://h:1/", style: "rpc", functionName: "lambda", options: { serde: "json", timeout: null }, args: [JSON.parse('{"__proto__": -0, "big": 1e400}')], keywords };
      return [writePython(made), writeJavaScript(made, "x.mjs")];
    });
    const printed = await run(`import ast, json, sys\ntree = ast.parse(${JSON.stringify(python)})\nlast = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.keywords and any(k.arg == "fine" for k in n.keywords))\nprint(ast.unparse(last.func), len(last.keywords))`);
    assert.match(printed, /^getattr\(conn\.rpc\(.*\), 'lambda'\) 4/);
    const values = await page.evaluate((text) => {
      const inner = text.slice(text.indexOf("lambda(") + 7, text.lastIndexOf(");\nconsole"));
      const blob = URL.createObjectURL(new Blob([inner])); // only looked at: the page's own policy runs no made-up code
      URL.revokeObjectURL(blob);
      return inner;
    }, javascript);
    assert.equal(values, '{["__proto__"]:-0,"big":Infinity}, DaffiClient.kwargs({"from":1,"class":{["__proto__"]:[true]},"two words":null,"fine":2})');
  });

  test("a receiver who has left stays the receiver: the call goes to nobody else", async () => {
    const guest = await startWorker("guest", port);
    await page.locator('.functions button[data-member="guest"][data-function="whoami"]').click();
    await guest.kill();
    await page.locator('.functions button[data-member="guest"]').first().waitFor({ state: "detached" });
    await page.waitForFunction(() => document.getElementById("receiver").selectedOptions[0].textContent.includes("not connected"));
    assert.equal(await page.inputValue("#receiver"), "guest");
    await page.click("#tab-results");
    await call("whoami", "");
    assert.match(await page.locator("#results pre").first().innerText(), /^no-such-member: /);
    await page.selectOption("#receiver", "");
  });

  test("a call without a mouse: from the address bar to the answer and its bytes", async () => {
    await page.reload();
    await open();
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "To the call");
    const visible = await page.evaluate(() => { const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement); return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2; });
    assert.ok(visible, "the focus is to be seen");
    await page.keyboard.press("/");
    assert.match(await focused(), /members-filter|add/);
    if (await focused() === "members-filter") await page.keyboard.press("Enter");
    assert.equal(await focused(), "add");
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), "digest");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "arguments");
    await page.keyboard.type("30, 12");
    await page.keyboard.press("Control+Enter");
    await answered(0);
    assert.equal(await page.locator("#results pre").first().innerText(), "42");
    assert.match(await page.textContent("#announced"), /answered: 42/);
    await page.keyboard.press("Escape");
    await page.keyboard.press("s");
    await page.locator("#pane-saved:visible").waitFor();
    await page.keyboard.press("1");
    assert.equal(await focused(), "tab-results");
    for (const [key, tab] of [["ArrowRight", "code"], ["ArrowRight", "messages"], ["End", "saved"], ["ArrowRight", "results"], ["ArrowLeft", "saved"], ["Home", "results"], ["3", "messages"]]) {
      await page.keyboard.press(key);
      assert.equal(await focused(), `tab-${tab}`);
      assert.ok(await page.locator(`#pane-${tab}`).isVisible());
      assert.equal(await page.locator("[role=tab][aria-selected=true]").count(), 1);
      assert.equal(await page.locator('#tabs [tabindex="0"]').count(), 1);
    }
    await page.locator("#messages summary").first().waitFor();
    for (let i = 0; i < 8 && await page.evaluate(() => document.activeElement.tagName) !== "SUMMARY"; i++) await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator("#messages > li:nth-child(2) .detail").waitFor();
  });

  test("the keys are told by a key, and can be put off", async () => {
    await page.keyboard.press("?");
    const dialog = page.locator("#keys-dialog");
    await dialog.waitFor();
    assert.ok(await dialog.locator("dt").count() > 10);
    const wide = await dialog.locator("dt").evaluateAll((keys) => keys.filter((key) => key.scrollWidth > key.clientWidth).map((key) => key.textContent));
    assert.deepEqual(wide, [], "what keys do stands beside them");
    await page.locator("#single-keys").focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await page.click("#tab-results");
    await page.keyboard.press("2");
    assert.ok(await page.locator("#pane-results").isVisible());
    await page.reload();
    await open();
    await page.keyboard.press("2");
    assert.ok(await page.locator("#pane-results").isVisible());
    await page.keyboard.press("?");
    await page.locator("#single-keys").check();
    await page.click("#keys-close");
    await page.locator("#keys").focus();
    await page.keyboard.press("2");
    await page.locator("#pane-code:visible").waitFor();
    await page.fill("#arguments", "");
    await page.locator("#arguments").pressSequentially("1s3t?"); // in a field they are letters
    assert.equal(await page.inputValue("#arguments"), "1s3t?");
    assert.ok(await page.locator("#pane-code").isVisible());
  });

  test("dark and light: as the system has it, until the switch says otherwise, also after a reload", async () => {
    const ground = () => page.evaluate(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number); return r + g + b > 380 ? "light" : "dark"; });
    const told = (dark) => page.locator(`#theme[aria-checked="${dark}"]`).waitFor(); // the style follows the system, a listener tells
    await page.emulateMedia({ colorScheme: "light" });
    assert.equal(await ground(), "light");
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await ground(), "dark");
    await told(true);
    await page.click("#theme");
    assert.equal(await ground(), "light");
    await told(false);
    await page.reload();
    await open();
    assert.equal(await ground(), "light");
    await page.emulateMedia({ colorScheme: "light" });
    assert.equal(await ground(), "light");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.click("#theme"); // back to what the system has: followed again
    assert.equal(await ground(), "dark");
    await page.emulateMedia({ colorScheme: "light" });
    assert.equal(await ground(), "light");
    await page.emulateMedia({ colorScheme: null });
  });

  test("a member that offers something else has its row made anew, in its place", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet({ members: [{ name: "a", methods: ["one"] }, { name: "b", methods: ["two"] }] }));
    await page.fill("#url", server.url);
    await page.click("#connect");
    const peer = await server.peer();
    await page.locator('.functions button[data-function="two"]').waitFor();
    for (const [first, second] of [["three", "two"], ["three", "four"], ["five", "six"]]) {
      peer.news([{ name: "a", methods: [first] }, { name: "b", methods: [second] }]);
      for (const name of ["a", "b"]) peer.event("connected", name);
      for (const name of [first, second]) await page.locator(`.functions button[data-function="${name}"]`).waitFor();
      assert.deepEqual(await page.locator("#members .functions button").allInnerTexts(), [first, second]);
    }
    assert.deepEqual(page.problems, []);
  });

  test("a thousand members of fifty functions: drawn in part, found by a word, and the page stays quick", async (t) => {
    const members = Array.from({ length: 1000 }, (_, i) => ({ name: `worker-${String(i).padStart(4, "0")}`, methods: Array.from({ length: 50 }, (_, j) => `function_${j}_of_${i}`) }));
    const server = await startFakeServer(t, (peer) => peer.greet({ members }));
    await page.fill("#url", server.url);
    await page.click("#connect");
    const peer = await server.peer();
    await page.waitForFunction(() => document.getElementById("members-count").textContent === "1001");
    assert.equal(await page.locator("#members > li").count(), 200);
    assert.match(await page.textContent("#members-more"), /^801 more/);
    assert.match(await page.locator("#members > li").first().innerText(), /and 10 more/);
    await page.fill("#members-filter", "function_49_of_777");
    await page.waitForFunction(() => document.querySelectorAll("#members > li").length === 1);
    assert.equal(await page.locator("#members button").first().innerText(), "function_49_of_777");
    await page.fill("#members-filter", "no such thing");
    await page.locator("#members-more", { hasText: "nobody of that name" }).waitFor();
    await page.fill("#members-filter", "");
    const kept = await page.locator("#members > li").nth(100).elementHandle();
    const slowest = page.evaluate(() => new Promise((done) => {
      let most = 0;
      const watch = new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) most = Math.max(most, duration); });
      watch.observe({ type: "longtask" });
      const look = new MutationObserver(() => {
        if (document.getElementById("members-count").textContent !== "2") return;
        look.disconnect();
        setTimeout(() => { watch.disconnect(); done(most); }, 100);
      });
      look.observe(document.getElementById("members-count"), { childList: true, characterData: true, subtree: true });
    }));
    for (let i = 999; i > 150; i--) peer.event("disconnected", members[i].name);
    await page.waitForFunction(() => document.getElementById("members-count").textContent === "152");
    assert.ok(await kept.evaluate((row) => row.isConnected), "what did not change stays as it was");
    for (let i = 150; i > 0; i--) peer.event("disconnected", members[i].name);
    assert.ok(await slowest < 2000, `no task of the page was long: ${await slowest} ms`);
    assert.equal(await page.locator("#members > li").count(), 2);
    assert.ok(await page.locator("#events > li").count() <= 200);
    assert.deepEqual(page.problems, []);
  });
});
