// The messages of the playground's own session, decoded: against the recorded bytes of real peers, and live beside calls to them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode, EVENTS, REQUEST, RESPONSE, startFakeServer } from "../client/fake_server.mjs";
import { ROOT, openPage, startPlayground, startWorker } from "./harness.mjs";

const vectors = (name) => JSON.parse(readFileSync(join(ROOT, "tests/vectors", name), "utf8")).vectors;

describe("messages of the playground", () => {
  let house, browser, bridge, port, page;

  before(async () => {
    house = await startPlayground();
    ({ browser, bridge, port } = house);
    page = await openPage(browser, `${bridge.url}/_bridge/`, { viewport: { width: 1280, height: 900 } });
    await page.locator('.functions button[data-function="add"]').waitFor();
    await page.click("#tab-messages");
  });
  after(() => house?.stop());

  /** What the page's own decoder says of these bytes (hex), as one WebSocket message that came in. */
  const decoded = (frames) => page.evaluate(async (given) => {
    const [{ Traffic, flagOf, serdeOf }, { payloadText }] = await Promise.all([import("/_bridge/traffic.js"), import("/_bridge/payload.js")]);
    return given.map((hex) => {
      const traffic = new Traffic(() => {});
      traffic.hear("in", Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)).buffer);
      return { heartbeats: traffic.counted.heartbeats,
        messages: traffic.messages.map((message) => ({ ...message, flag: flagOf(message), serde: serdeOf(message), ...(message.header && !message.fault ? payloadText(message) : {}) })) };
    });
  }, frames.map((bytes) => (typeof bytes === "string" ? bytes : bytes.toString("hex"))));

  test("of each recorded exchange with real peers every field is read as it stands on the wire", async () => {
    const frames = vectors("daffi-3.0.1.json").flatMap(({ sent, received }) => [sent, received]).filter(Boolean);
    assert.ok(frames.length > 20);
    const read = await decoded(frames);
    frames.forEach((hex, i) => {
      const bytes = Buffer.from(hex, "hex");
      const told = decode(bytes);
      const [message] = read[i].messages;
      assert.equal(read[i].messages.length, 1);
      assert.equal(message.fault, null);
      const { header } = message;
      assert.deepEqual([header.uuid, header.flag, header.decoder, header.is_bytes === 1, header.return_result === 1, header.msg_len, header.msg_parts, header.endian],
        [told.uuid, told.flag, told.decoder, told.isBytes, told.returnResult, bytes.length - 9, 1, 1], hex);
      assert.deepEqual([message.transmitter, message.receiver, message.method], [told.transmitter, told.receiver, told.method]);
      if (message.serde === "json") assert.deepEqual(JSON.parse(message.text), JSON.parse(told.payload.toString()));
    });
    const texts = read.flatMap(({ messages: [message] }) => (message.serde === "msgpack" ? [message.text.replace(/\s+/g, " ")] : []));
    for (const text of ["[ [ 3, 4 ], {} ]", "[ [ 7 ], {} ]", "[ [ <3 bytes: 000102> ], {} ]", '[ [ { "k": [ 1, -1, 2.5, true, null, "é" ] } ], {} ]']) assert.ok(texts.includes(text), `${text} is among ${texts.join(" | ")}`);
    assert.ok(read.some(({ messages: [message] }) => message.serde === "pickle" && /^builtins\.TypeError: boom\(\) takes 0 /.test(message.text)));
  });

  test("a pickled error gives its three strings, whatever protocol and traceback, and runs nothing", async () => {
    const pickles = vectors("pickles.json").filter(({ type }) => type);
    assert.ok(pickles.length > 20);
    const read = await decoded(pickles.map(({ pickle }) => encode({ flag: 3, decoder: 2, isBytes: true, metadata: "w|p|f", payload: Buffer.from(pickle, "hex") })));
    pickles.forEach(({ type, module, text, name }, i) => {
      const shown = read[i].messages[0].text;
      assert.ok(shown.startsWith(`${module ? `${module}.` : ""}${type}: `), `${name}: ${shown.slice(0, 80)}`);
      if (/^[\x20-\x7e]{1,200}$/.test(text)) assert.equal(shown.split(": ").slice(1).join(": "), text, name);
    });
  });

  test("a batch is cut into its messages, a sign of life is none, and what is broken is told of and no more", async () => {
    const one = encode({ uuid: 7, flag: REQUEST, returnResult: true, metadata: "a|b|f", payload: { args: [], kwargs: {} } });
    const two = encode({ flag: EVENTS, payload: { type: "connected", member: "x" } });
    const bars = encode({ flag: RESPONSE, metadata: "a|b", payload: { args: [1], kwargs: {} } });
    const long = Buffer.from(one);
    long[8 - 1] = 0xff; // metadata_len beyond msg_len
    const read = await decoded([Buffer.concat([one, two]), "", one.subarray(0, 5), one.subarray(0, 20), bars, long,
      encode({ flag: RESPONSE, metadata: "a|b|f", payload: '{"args":[1,' }), encode({ flag: RESPONSE, decoder: 3, isBytes: true, metadata: "a|b|f", payload: Buffer.from([0x92, 0x01]) }),
      encode({ flag: 15, metadata: "a|b|f" })]);
    assert.deepEqual(read[0].messages.map(({ flag, method }) => [flag, method]), [["REQUEST", "f"], ["EVENTS", ""]]);
    assert.deepEqual([read[1].messages.length, read[1].heartbeats], [0, 1]);
    assert.match(read[2].messages[0].fault, /^5 bytes, which are too few for a header$/);
    assert.match(read[3].messages[0].fault, new RegExp(`^its header says ${one.length} bytes, and there are 20$`));
    assert.match(read[4].messages[0].fault, /1 bars instead of 2/);
    assert.match(read[5].messages[0].fault, /metadata is longer/);
    assert.match(read[6].messages[0].note, /^it is no JSON: /);
    assert.match(read[7].messages[0].note, /^it is no MSGPACK: it ends too early$/);
    assert.equal(read[8].messages[0].flag, "flag 15");
  });

  test("what is kept and shown is bounded: a message of megabytes, one that nests, a thousand of them", async () => {
    const large = encode({ flag: RESPONSE, metadata: "a|b|f", payload: { args: ["x".repeat(3_000_000)], kwargs: {} } });
    const deep = encode({ flag: RESPONSE, decoder: 3, isBytes: true, metadata: "a|b|f", payload: Buffer.alloc(16000, 0x91) });
    const claim = encode({ flag: RESPONSE, decoder: 3, isBytes: true, metadata: "a|b|f", payload: Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]) });
    const [big, nested, liar] = await decoded([large, deep, claim]);
    assert.match(big.messages[0].note, /^the first 16384 of its 3000039 bytes are kept$/);
    assert.ok(big.messages[0].text.length < 20000);
    assert.match(nested.messages[0].note, /nests deeper/);
    assert.ok(nested.messages[0].text.length < 40000);
    assert.match(liar.messages[0].note, /too early/);
    const kept = await page.evaluate(async (hex) => {
      const { Traffic } = await import("/_bridge/traffic.js");
      const traffic = new Traffic(() => {});
      const bytes = Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
      for (let i = 0; i < 1000; i++) traffic.hear("in", bytes);
      return [traffic.messages.length, traffic.counted.in, traffic.messages.at(-1).number];
    }, claim.toString("hex"));
    assert.deepEqual(kept, [300, 1000, 1000]);
  });

  const rows = (flag) => page.locator(`#messages > li[data-flag="${flag}"]`);

  /** Makes a call, and opens the newest message of that flag. */
  async function callAndOpen(serde, name, args, flag) {
    await page.click(`.segments label:has(input[value="${serde}"])`);
    await page.fill("#function", name);
    await page.fill("#arguments", args);
    const before = Number(await rows(flag).first().getAttribute("data-number", { timeout: 1000 }).catch(() => 0));
    await page.click("#go");
    await page.waitForFunction(([wanted, seen]) => Number(document.querySelector(`#messages > li[data-flag="${wanted}"]`)?.dataset.number ?? 0) > seen, [flag, before]);
    const row = rows(flag).first();
    await row.locator("summary").click();
    await row.locator(".detail").waitFor();
    const fields = Object.fromEntries(await row.locator(".fields > div").evaluateAll((all) => all.map((pair) => [pair.querySelector("dt").textContent, pair.querySelector("dd").textContent])));
    return { row, fields, payload: await row.locator('pre[aria-label="payload as text"]').textContent({ timeout: 1000 }).catch(() => null), hex: await row.locator("pre.hex").textContent(), line: await row.locator("summary").innerText() };
  }

  test("json: both directions, header, metadata, payload and bytes", async () => {
    const asked = await callAndOpen("json", "add", "3, 4", "REQUEST");
    assert.equal(await asked.row.getAttribute("data-direction"), "out");
    assert.equal(asked.fields.flag, "1 REQUEST");
    assert.equal(asked.fields.decoder, "1 json");
    assert.equal(asked.fields.return_result, "1");
    assert.equal(asked.fields.function, "add");
    assert.equal(asked.fields.receiver, "calculator");
    assert.match(asked.fields.transmitter, /^127\.0\.0\.1-0x/);
    assert.deepEqual(JSON.parse(asked.payload), { args: [3, 4], kwargs: {} });
    assert.match(asked.hex, /^000000 {2}[\da-f]{2} [\da-f]{2} .1 /); // the flag's half byte
    const answered = await callAndOpen("json", "add", "3, 4", "RESPONSE");
    assert.equal(await answered.row.getAttribute("data-direction"), "in");
    assert.equal(answered.fields.transmitter, "calculator");
    assert.deepEqual(JSON.parse(answered.payload), { args: [7], kwargs: {} });
    assert.match(answered.line, /after \d+\.\d ms/);
  });

  test("msgpack", async () => {
    const { fields, payload } = await callAndOpen("msgpack", "echo", '{"k": [1, -1, 2.5, "é"]}', "RESPONSE");
    assert.equal(fields.decoder, "3 msgpack");
    assert.equal(payload.replace(/\s+/g, " "), '[ [ { "k": [ 1, -1, 2.5, "é" ] } ], {} ]');
  });

  test("raw", async () => {
    const { fields, payload, hex } = await callAndOpen("raw", "echo", "plain words", "REQUEST");
    assert.equal(fields.decoder, "0 raw");
    assert.equal(payload ?? "plain words", "plain words");
    assert.match(hex.replace(/^[\da-f]{6} {2}.{47} {2}/gm, "").replaceAll("\n", ""), /plain words$/);
  });

  test("an error", async () => {
    const { fields, payload } = await callAndOpen("json", "fail", '"kaboom"', "ERROR");
    assert.equal(fields.flag, "3 ERROR");
    assert.equal(JSON.parse(payload).args[0][2], "kaboom");
  });

  test("events of members", async () => {
    const guest = await startWorker("guest", port);
    await rows("EVENTS").filter({ hasText: "guest connected" }).waitFor();
    await guest.kill();
    const left = rows("EVENTS").filter({ hasText: "guest disconnected" }).first();
    await left.waitFor();
    await left.locator("summary").click();
    assert.deepEqual(JSON.parse(await left.locator('pre[aria-label="payload as text"]').textContent()), { type: "disconnected", member: "guest" });
  });

  test("the handshake, too, which was before anybody looked", async () => {
    assert.equal(await rows("HANDSHAKE").locator("summary .way").last().getAttribute("aria-label"), "sent");
  });

  test("a filter shows those alone that have the word, and says when none has", async () => {
    await page.fill("#messages-filter", "kaboom-no");
    await page.locator("#messages-empty:visible", { hasText: "None of the messages" }).waitFor();
    await page.fill("#messages-filter", "error");
    await page.waitForFunction(() => document.querySelectorAll("#messages > li").length > 0);
    assert.deepEqual([...new Set(await page.locator("#messages > li").evaluateAll((all) => all.map((row) => row.dataset.flag)))], ["ERROR"]);
    await page.fill("#messages-filter", "");
    await rows("REQUEST").first().waitFor();
  });

  test("paused, the list stands still and counts; going on, it shows what came", async () => {
    await page.click("#messages-pause");
    const before = await page.locator("#messages > li").count();
    await page.click('.segments label:has(input[value="json"])');
    await page.fill("#function", "whoami");
    await page.fill("#arguments", "");
    await page.click("#go");
    await page.locator("#messages-count", { hasText: "paused, 2 new" }).waitFor();
    assert.equal(await page.locator("#messages > li").count(), before);
    await page.click("#messages-pause");
    await page.waitForFunction((count) => document.querySelectorAll("#messages > li").length === count, before + 2);
    await page.click("#messages-clear");
    await page.locator("#messages-empty:visible", { hasText: "Make a call" }).waitFor();
  });

  test("a bare Router's error is a pickle: its strings are shown", async () => {
    await page.fill("#url", `ws://127.0.0.1:${port}/`);
    await page.click("#connect");
    await page.waitForFunction(() => document.getElementById("state").dataset.state === "open");
    const { fields, payload } = await callAndOpen("raw", "fail", "kaboom", "ERROR");
    assert.equal(fields.decoder, "2 pickle");
    assert.match(payload, /ValueError: /);
    await page.fill("#url", bridge.wsUrl);
    await page.click("#connect");
    await page.waitForFunction(() => document.getElementById("state").dataset.state === "open");
  });

  test("what a server sends is text, never markup, in every list of the page", async (t) => {
    const evil = '<img src=x onerror="window.hacked=1">';
    const server = await startFakeServer(t, (peer) => peer.greet({ members: [
      { name: evil, methods: [evil, "\u202egnp.exe", "f".repeat(255)] }, { name: "</li><script>window.hacked=2</script>", methods: null }] }));
    await page.fill("#url", server.url);
    await page.click("#connect");
    const peer = await server.peer();
    const chip = page.locator("#members button").first();
    await page.locator("#members", { hasText: "<img src=x" }).waitFor();
    assert.ok((await page.locator("#members").innerText()).includes("\\u202egnp.exe"));
    await page.fill("#arguments", "");
    await page.click('.segments label:has(input[value="json"])');
    await page.locator("#members button", { hasText: "<img" }).click();
    assert.equal(await page.inputValue("#receiver"), evil);
    await page.click("#go");
    let request = await peer.next();
    while (request.flag !== REQUEST) request = await peer.next();
    peer.event("connected", evil);
    peer.event("disconnected", "<b>bold</b>");
    peer.answer(request, { html: "<script>window.hacked=3</script><iframe src=javascript:window.hacked=4>\u202e\u0007" });
    await page.locator("#messages > li[data-flag=RESPONSE] summary").first().click();
    await page.locator("#messages .detail", { hasText: "window.hacked=3" }).first().waitFor();
    for (const tab of ["results", "code", "history"]) {
      await page.click(`#tab-${tab}`);
      await page.locator(`#pane-${tab}`, { hasText: "onerror" }).waitFor();
    }
    await page.click("#save");
    await page.locator("#saved", { hasText: "onerror" }).waitFor();
    assert.equal(await page.locator("main :is(img, script, iframe, b:text-is('bold'))").count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.ok(!/[\u202e\u0007]/.test(await page.locator("main").innerText()));
    assert.ok(await chip.isVisible());
    await page.click("#tab-messages");
  });

  test("without a script error or a refusal of the Content-Security-Policy", () => {
    assert.deepEqual(page.problems, []);
  });
});
