// Functions of this client, called by Python and by other clients: before a bare Router, behind the bridge before one, and behind
// the bridge that is the Router itself.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { ERROR, HANDSHAKE, MSGPACK, PICKLE, REQUEST, RESPONSE, decode, encode, startFakeServer } from "./fake_server.mjs";
import { DaffiClient, DaffiError, eventOf, failureOf, makeClient, startBridge, startRouter, startService, startWorker, stateOf } from "./peers.mjs";
import { takeSeed } from "./random_values.mjs";
import { startCaller } from "./python_caller.mjs";

const scratch = mkdtempSync(join(tmpdir(), "daffi-expose-"));
const allowing = join(scratch, "allowing.json");
writeFileSync(allowing, JSON.stringify({ policy: { expose: ["*"], expose_shared: true } }));
after(() => rmSync(scratch, { recursive: true }));

/** Where pages connect to, and where Python does. */
const places = {
  "a bare Router": async () => {
    const router = await startRouter();
    return { url: router.url, port: router.port, stop: router.stop };
  },
  "the bridge before a Router": async () => {
    const router = await startRouter();
    const bridge = await startBridge(router.port, ["-c", allowing]);
    return { url: bridge.url, port: router.port, stop: async () => { await bridge.stop(); await router.stop(); } };
  },
  "the bridge's own router": async () => {
    const bridge = await startBridge(null, ["-c", allowing]);
    return { url: bridge.url, port: bridge.port, stop: bridge.stop };
  },
};

class Teapot extends Error {
  name = "Teapot";
}

const functions = () => ({
  add: (a, b) => a + b,
  later: async (a) => { await new Promise((done) => { setTimeout(done, 20); }); return [a]; },
  echo: (value) => value,
  named: (...args) => args.at(-1).values,
  fail: (text) => { throw new RangeError(`no ${text}`); },
  reject: async () => { throw new Teapot("short and stout"); },
  plain: () => { throw "just a text"; },
  big: () => 10n,
  nothing: () => {},
});

let asked = 0;

/** Asks as one that has been told of nothing: what comes back, whoever says it. */
async function ask(t, url, method) {
  const name = `asker${++asked}`;
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  await new Promise((done, failed) => { socket.once("open", done); socket.once("error", failed); });
  const answer = new Promise((done, failed) => {
    const late = setTimeout(() => failed(new Error(`${method}: silence`)), 5000);
    socket.on("message", (data) => {
      const message = decode(data);
      if (message.uuid === 1) socket.send(encode({ uuid: 7, flag: REQUEST, returnResult: true, metadata: `${name}|page|${method}`, payload: { args: [], kwargs: {} } }));
      if (message.uuid !== 7) return;
      clearTimeout(late);
      done(message);
    });
  });
  socket.send(encode({ uuid: 1, flag: HANDSHAKE, returnResult: true, metadata: `${name}||`, payload: { meta: { type: "client" }, members: [{ name, methods: null }] } }));
  const [said] = JSON.parse((await answer).payload).args;
  return Array.isArray(said) ? said.slice(0, 2) : said;
}

for (const [kind, start] of Object.entries(places)) {
  const isBare = kind === "a bare Router";
  describe(kind, () => {
    let place, caller;
    before(async () => {
      place = await start();
      caller = await startCaller("caller", place.port);
    });
    after(async () => {
      await caller?.stop();
      await place?.stop();
    });

    test("Python calls them: rpc and cast, in each serde, sync and async", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose(functions());
      await client.connect();
      const run = (call) => caller.run(`once(lambda: conn.${call})`);
      assert.equal(await run("rpc(timeout=5, serde=JSON).add(3, 4)"), 7);
      assert.equal(await run("rpc(timeout=5, serde=MSGPACK).add(3, 4)"), 7);
      assert.deepEqual(await run("rpc(timeout=5, serde=JSON).later(1)"), [1]);
      assert.deepEqual(await run("rpc(timeout=5, serde=MSGPACK).echo({'a': [1, b'x']})"), { a: [1, "b'x'"] });
      assert.equal(await run("rpc(timeout=5, serde=RAW).echo(b'\\x00raw')"), "b'\\x00raw'");
      assert.deepEqual(await run("rpc(timeout=5, serde=RAW, receiver='page').later(b'raw')").then(({ type }) => type), "TypeError"); // an array is no raw value
      assert.deepEqual(await run("rpc(timeout=5, serde=JSON).named(1, b=2)"), { b: 2 });
      assert.deepEqual(await run("rpc(timeout=5, serde=MSGPACK).named(1, b=2)"), { b: 2 });
      assert.equal(await run("rpc(timeout=5, serde=JSON).nothing()"), null);
      for (const serde of ["JSON", "MSGPACK"]) assert.deepEqual(await run(`cast(timeout=5, serde=${serde}).add(1, 2)`), { page: 3 });
      assert.deepEqual(await run("cast(timeout=5, serde=RAW).echo(b'x')"), { page: "b'x'" });
    });

    test("what they throw arrives in Python as that error, in each serde", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose(functions());
      await client.connect();
      for (const [serde, argument] of [["JSON", "'way'"], ["MSGPACK", "'way'"], ["RAW", "b'way'"]]) {
        const said = await caller.run(`once(lambda: conn.rpc(timeout=5, serde=${serde}).fail(${argument}))`);
        assert.deepEqual(said, { module: "javascript", type: "RangeError", text: serde === "RAW" ? "no 119,97,121" : "no way" });
      }
      const error = (call) => caller.run(`conn.rpc(timeout=5, ${call}`);
      assert.deepEqual(await error("serde=JSON).reject()"), { module: "javascript", type: "Teapot", text: "short and stout" });
      assert.deepEqual(await error("serde=MSGPACK).plain()"), { module: "javascript", type: "Error", text: "just a text" });
      const big = await error("serde=JSON).big()");
      assert.equal(big.type, "TypeError");
      assert.match(big.text, /big: the result.*can't be sent as JSON/);
      const pickle = await error("serde=PICKLE).add(1, 2)");
      assert.deepEqual([pickle.module, pickle.type], ["daffi_bridge", "Refused"]);
      assert.match(pickle.text, /pickle/i);
    });

    test("nowait runs them, from Python and from another page; what they throw goes to the console", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      const got = [];
      let enough;
      const all = new Promise((done) => { enough = done; });
      await client.expose({
        note: (text) => { got.push(text); if (got.length === 4) enough(); },
        fail: functions().fail,
      });
      await client.connect();
      await caller.run("once(lambda: conn.rpc_nowait(serde=JSON).note('one'))");
      await caller.run("conn.cast_nowait(serde=MSGPACK).note('two')");
      const other = await makeClient(t, place.url).connect();
      other.rpc_nowait().note("three");
      other.cast_nowait().note("four");
      await all;
      assert.deepEqual(got.sort(), ["four", "one", "three", "two"]);
      const shown = new Promise((done) => { t.mock.method(console, "error", (...texts) => done(texts.map(String).join(" "))); });
      other.rpc_nowait().fail("way");
      assert.match(await shown, /^daffi: fail, which .* called, failed: RangeError: no way/);
    });

    test("nobody waits for the result of a nowait call: what could not be sent is no failure", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      let ran = 0;
      await client.expose({ nothing: () => {}, unsendable: () => { ran++; return () => {}; }, last: () => ran });
      await client.connect();
      const shown = t.mock.method(console, "error", () => {});
      const other = await makeClient(t, place.url).connect();
      other.rpc_nowait({ serde: "raw" }).nothing(new Uint8Array(1));
      for (const serde of ["json", "msgpack"]) other.rpc_nowait({ serde }).unsendable();
      assert.equal(await other.rpc({ timeout: 20000 }).last(), 2);
      assert.deepEqual(shown.mock.calls.map((call) => call.arguments.join(" ")), []);
    });

    test("functions come and go while calls are in flight both ways; others' lists are right at once", async (t) => {
      const worker = await startWorker("w1", place.port);
      t.after(() => worker.stop());
      const client = makeClient(t, place.url, { name: "page" });
      const events = [];
      client.addEventHandler(({ type, member }) => member === "page" && events.push(type));
      let answer;
      const called = new Promise((done) => {
        client.expose({ wait: () => new Promise((then) => { answer = then; done(); }) });
      });
      const conn = await client.connect();
      await conn.waitForMembers("w1", { timeout: 20000 });
      const watcher = makeClient(t, place.url);
      const other = await watcher.connect();
      const methods = () => other.members().find(({ name }) => name === "page")?.methods?.sort();
      const calling = caller.run("once(lambda: conn.rpc(timeout=8, serde=JSON, receiver='page').wait())");
      await called;
      const slow = conn.rpc({ receiver: "w1", timeout: 20000 }).slow(0.5);
      await other.waitForMembers("page", { timeout: 20000 });
      const shows = (list) => eventOf(watcher, ({ type, member }) => type === "connected" && member === "page" && String(methods()) === list);
      const told = shows("later,wait");
      await client.expose({ later: () => "here" });
      answer("answered");
      assert.equal(await calling, "answered");
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).later())"), "here");
      await told;
      assert.equal(await other.rpc({ receiver: "page", timeout: 20000 }).later(), "here");
      const toldAgain = shows("wait");
      await client.unexpose("later");
      // A Router drops the call of one that has not heard the news. (Ours answers it: test_expose.py.)
      // Until it has read the news, the page itself says no; from then on Python finds nobody to send to.
      for (const call of ["conn.rpc(timeout=1, serde=JSON, receiver='page').later()", "conn.rpc(timeout=1, serde=JSON).later()"]) {
        const ways = await caller.run(`fails(lambda: ${call})`);
        assert.ok(ways.some((way) => ["TransmissionFailure", "NoSuchMethod"].includes(way)), `${ways}`);
      }
      await toldAgain;
      assert.equal((await failureOf(other.rpc({ receiver: "page" }).later())).code, "no-such-method");
      assert.equal(await slow, 0.5);
      assert.deepEqual(events, []);
      assert.equal(client.state, "connected");
    });

    test("another page's call is answered by a page that changes its functions meanwhile", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      let answer;
      const called = new Promise((done) => {
        client.expose({ wait: () => new Promise((then) => { answer = then; done(); }) });
      });
      await client.connect();
      const watcher = makeClient(t, place.url);
      const events = [];
      watcher.addEventHandler(({ type, member }) => member === "page" && events.push(type));
      const other = await watcher.connect();
      await other.waitForMembers("page", { timeout: 20000 });
      events.length = 0;
      const waiting = other.rpc({ receiver: "page", timeout: 20000 }).wait();
      await called;
      const told = eventOf(watcher, ({ type, member }) => type === "connected" && member === "page");
      await client.expose({ later: () => "here" });
      await told;
      assert.deepEqual(events, isBare ? ["evicted", "connected"] : ["connected"]);
      answer("answered");
      assert.equal(await waiting, "answered");
    });

    // A bare Router drops such a call by itself; that no caller who has read the news makes one is shown above.
    if (!isBare) test("who asks for one that is gone, or that never was, hears so: an error, never silence", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose({ there() {}, gone() {} });
      await client.connect();
      await client.unexpose("gone");
      for (const method of ["gone", "never", "toString", "constructor"]) assert.deepEqual(await ask(t, place.url, method), ["NoSuchMethod", "daffi_bridge"], method);
      assert.deepEqual(await ask(t, place.url, "there"), null);
      await client.unexpose("there");
      assert.deepEqual(await ask(t, place.url, "there"), ["NoSuchMethod", "daffi_bridge"]);
    });

    test("a function that returns nothing can be streamed to and called raw: its answer is empty", async (t) => {
      const taken = [];
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose({ take: (chunk) => { taken.push(...chunk); } });
      await client.connect();
      const conn = await makeClient(t, place.url).connect();
      await conn.stream({ timeout: 20000 }).take([new Uint8Array([1, 2]), new Uint8Array([3])]);
      assert.deepEqual(await conn.rpc({ serde: "raw", timeout: 20000 }).take(new Uint8Array([4])), new Uint8Array());
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=RAW).take(b'\\x05'))"), "b''");
      assert.deepEqual(taken, [1, 2, 3, 4, 5]);
    });

    test("another page gets results, errors of their kind, casts and streams", async (t) => {
      const taken = [];
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose({ ...functions(), take: (chunk) => { taken.push(chunk); } });
      await client.connect();
      const second = makeClient(t, place.url, { name: "second" });
      await second.expose({ add: (a, b) => a * b });
      await second.connect();
      const conn = await makeClient(t, place.url).connect();
      assert.deepEqual(await conn.rpc().named(DaffiClient.kwargs({ b: 2 })), { b: 2 });
      assert.deepEqual(await conn.rpc({ serde: "raw" }).echo(new Uint8Array([0, 1])), new Uint8Array([0, 1]));
      assert.equal(await conn.rpc({ serde: "msgpack" }).echo(2n ** 60n), 2n ** 60n);
      for (const serde of ["json", "msgpack", "raw"]) {
        const error = await failureOf(conn.rpc({ serde, receiver: "page" }).reject(...serde === "raw" ? [""] : []));
        assert.deepEqual([error.code, error.remoteType, error.remoteModule, error.remoteMessage], ["remote", "Teapot", "javascript", "short and stout"]);
      }
      assert.deepEqual(await conn.cast().add(3, 4), { page: 7, second: 12 });
      await conn.stream({ serde: "json" }).take([1, 2, 3]);
      assert.deepEqual(taken, [1, 2, 3]);
      const self = await second.connect();
      assert.equal(await self.rpc().add(1, 2), 3, "never itself");
    });

    test("random values of each serde come back to Python as they went", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose({ echo: (value) => value });
      await client.connect();
      const seed = takeSeed(t);
      for (const serde of ["JSON", "MSGPACK", "RAW"]) {
        await caller.run(`once(lambda: conn.rpc(timeout=5, serde=${serde}, receiver='page').echo(b'x' if ${serde} == RAW else 'x'))`);
        assert.deepEqual(await caller.run(`differing(lambda value: conn.rpc(timeout=5, serde=${serde}, receiver='page').echo(value), ${serde}, 300, ${seed})`), []);
      }
    });

    test("no call is lost: those sent just before a change are answered, on whichever connection", async (t) => {
      const worker = await startWorker("w2", place.port);
      t.after(() => worker.stop());
      const client = makeClient(t, place.url, { name: "page" });
      const conn = await client.connect();
      await conn.waitForMembers("w2", { timeout: 20000 });
      for (let round = 0; round < 40; round++) {
        const calls = [1, 2, 3].map((number) => conn.rpc({ receiver: "w2", timeout: 20000 }).add(round, number));
        await client.expose({ [`f${round}`]: () => round });
        calls.push(conn.rpc({ receiver: "w2", timeout: 20000 }).add(round, 4));
        assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4].map((number) => round + number));
      }
    });

    if (!isBare) test("a result that the bridge would not take arrives as the error that says so", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.expose({ huge: () => "x".repeat(9e6) });
      await client.connect();
      const { type, text } = await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).huge())");
      assert.equal(type, "RangeError");
      assert.match(text, /huge: a message of 90\d{5} bytes is too large: the bridge takes 8388608 bytes/);
    });

    test("they are there again after a reconnect, those that came meanwhile too", async (t) => {
      const sockets = [];
      class Recorder extends WebSocket {
        constructor(...all) {
          super(...all);
          sockets.push(this);
        }
      }
      const client = makeClient(t, place.url, { name: "page", WebSocket: Recorder, autoreconnect: true, reconnectDelay: 50 });
      await client.expose({ first: () => 1 });
      await client.connect();
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).first())"), 1);
      const lost = stateOf(client, "reconnecting");
      sockets.at(-1).terminate();
      await lost;
      await client.expose({ second: () => 2 });
      await stateOf(client, "connected");
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).first())"), 1);
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).second())"), 2);
    });

    test("changes that are asked for at the same time are all made", async (t) => {
      const client = makeClient(t, place.url, { name: "page" });
      await client.connect();
      await Promise.all([client.expose({ a: () => "a" }), client.expose({ b: () => "b" }), client.unexpose("a"), client.expose({ c: () => "c" })]);
      const other = await makeClient(t, place.url).connect();
      assert.deepEqual(other.members().find(({ name }) => name === "page").methods.sort(), ["b", "c"]);
      assert.equal(await caller.run("once(lambda: conn.rpc(timeout=5, serde=JSON).c())"), "c");
      assert.equal(client.state, "connected");
    });
  });
}

describe("a bridge that does not let pages expose", () => {
  let bridge;
  before(async () => { bridge = await startBridge(null); });
  after(() => bridge.stop());

  test("connect() rejects `refused` for what was exposed before, with the option's name", async (t) => {
    const client = makeClient(t, bridge.url);
    await client.expose({ f() {} });
    const error = await failureOf(client.connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /"f" \(policy\.expose\)/);
    await client.unexpose("f");
    await client.connect();
  });

  test("expose() rejects `refused`, and all is as it was", async (t) => {
    const client = makeClient(t, bridge.url, { name: "page" });
    const conn = await client.connect();
    const error = await failureOf(client.expose({ f() {} }));
    assert.equal(error.code, "refused");
    assert.match(error.message, /"f" \(policy\.expose\)/);
    assert.equal(client.state, "connected");
    assert.equal(conn.members().find(({ name }) => name === "page").methods, null);
    assert.deepEqual(await ask(t, bridge.url, "f"), ["NoSuchMethod", "daffi_bridge"]);
  });
});

describe("a bridge that lets pages expose one function", () => {
  let bridge;
  before(async () => {
    const file = join(scratch, "price.json");
    writeFileSync(file, JSON.stringify({ policy: { expose: ["price"], expose_shared: true } }));
    bridge = await startBridge(null, ["-c", file]);
  });
  after(() => bridge.stop());

  for (const names of [["price", "evil"], ["evil", "price"]]) {
    test(`one expose() that is refused takes no other down: ${names.join(", then ")}`, async (t) => {
      const client = makeClient(t, bridge.url, { name: "page", autoreconnect: true, reconnectDelay: 5 });
      const conn = await client.connect();
      const functions = { price: () => 3, evil: () => 666 };
      const told = Object.fromEntries(names.map((name) => [name, client.expose({ [name]: functions[name] })]));
      const error = await failureOf(told.evil);
      assert.equal(error.code, "refused");
      assert.match(error.message, /"evil" \(policy\.expose\)/);
      await told.price;
      assert.deepEqual(conn.members().find(({ name }) => name === "page").methods, ["price"]);
      assert.deepEqual([await ask(t, bridge.url, "price"), await ask(t, bridge.url, "evil")], [3, ["NoSuchMethod", "daffi_bridge"]]);
    });
  }

  test("one that is refused twice in a turn is not told again: the next connect() is taken", async (t) => {
    const client = makeClient(t, bridge.url, { name: "page" });
    await client.connect();
    for (const told of [1, 2].map((value) => client.expose({ evil: () => value }))) assert.equal((await failureOf(told)).code, "refused");
    await client.expose({ price: () => 3 });
    for (const told of [1, 2].map((value) => client.expose({ evil: () => value, price: () => value }))) assert.equal((await failureOf(told)).code, "refused");
    assert.equal(await ask(t, bridge.url, "price"), 3);
  });
});

describe("a Service", () => {
  let service, bridge;
  before(async () => {
    service = await startService();
    bridge = await startBridge(service.port, ["-c", allowing]);
  });
  after(async () => {
    await bridge?.stop();
    await service?.stop();
  });

  for (const way of ["bare", "through the bridge"]) {
    test(`it calls nobody, but takes functions that come and go, ${way}`, async (t) => {
      const client = makeClient(t, (way === "bare" ? service : bridge).url);
      await client.expose({ f() {} });
      const conn = await client.connect();
      await client.expose({ g() {} });
      await client.unexpose("f");
      assert.equal(client.state, "connected");
      assert.equal(await conn.rpc({ timeout: 20000 }).add(1, 2), 3);
    });
  }
});

describe("calls as no daffi client makes them", () => {
  /** What the page says to a REQUEST, and whether it is still there. */
  async function said(t, request, functions = { f: (...args) => args }) {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const client = makeClient(t, server.url, { name: "page" });
    await client.expose(functions);
    await client.connect();
    const peer = await server.peer();
    peer.send({ uuid: 5, flag: REQUEST, returnResult: true, metadata: "evil|page|f", payload: { args: [], kwargs: {} }, ...request });
    const answer = await peer.next();
    assert.deepEqual([answer.uuid, answer.transmitter, answer.receiver, answer.returnResult], [5, "page", "evil", false]);
    assert.equal(client.state, "connected");
    return answer.flag === ERROR ? JSON.parse(answer.payload).args[0].slice(0, 3) : JSON.parse(answer.payload).args;
  }

  for (const [what, request] of [
    ["cut off", { payload: '{"args": [' }], ["no object", { payload: "[]" }], ["no object either", { payload: "null" }], ["without kwargs", { payload: '{"args": []}' }],
    ["with a number for its arguments", { payload: '{"args": 5, "kwargs": {}}' }], ["with a text for its arguments", { payload: '{"args": "ab", "kwargs": {}}' }],
    ["with a list for its kwargs", { payload: '{"args": [], "kwargs": [1]}' }], ["with a number for its kwargs", { payload: '{"args": [], "kwargs": 7}' }],
    ["of msgpack that is cut off", { decoder: MSGPACK, isBytes: true, payload: Buffer.from([0x92, 0x90]) }],
    ["of msgpack that is no pair", { decoder: MSGPACK, isBytes: true, payload: Buffer.from([0x05]) }],
    ["of msgpack whose kwargs have numbers for names", { decoder: MSGPACK, isBytes: true, payload: Buffer.from([0x92, 0x90, 0x81, 0x01, 0x01]) }],
  ]) {
    test(`one ${what} is answered with the error \`protocol\`, and nothing runs`, async (t) => {
      const [type, module, text] = await said(t, request, { f: () => { throw new Error("it ran"); } });
      assert.deepEqual([type, module], ["Protocol", "daffi_bridge"]);
      assert.match(text, /^f: the call of evil can't be read: /);
    });
  }

  test("a pickle is refused", async (t) => {
    assert.deepEqual((await said(t, { decoder: PICKLE, isBytes: true, payload: Buffer.from("cos\nsystem\n") })).slice(0, 2), ["Refused", "daffi_bridge"]);
  });

  test("one for a function that is not there", async (t) => {
    for (const method of ["g", "constructor", "__proto__", ""]) {
      assert.deepEqual(await said(t, { metadata: `evil|page|${method}` }), ["NoSuchMethod", "daffi_bridge", `this page exposes no function "${method}"`]);
    }
  });

  test("what is thrown is told as it is: by name and text, cut where it is very long", async (t) => {
    const thrown = async (what) => said(t, {}, { f: () => { throw what; } });
    assert.deepEqual(await thrown(null), ["Error", "javascript", "null"]);
    assert.deepEqual(await thrown({ name: "a name", message: 5 }), ["Error", "javascript", "[object Object]"]);
    assert.deepEqual(await thrown(Object.assign(new Error("x"), { name: "os.system" })), ["Error", "javascript", "x"]);
    assert.deepEqual(await thrown(new DOMException("stop", "AbortError")), ["AbortError", "javascript", "stop"]);
    const [, , long] = await thrown(new Error("é".repeat(100000)));
    assert.equal(long, "é".repeat(16384));
    assert.deepEqual(await thrown(new Error("\ud800")), ["Error", "javascript", "\ufffd"]);
  });

  test("what is thrown and can't be read is an error all the same: nobody waits for ever", { timeout: 20000 }, async (t) => {
    const thrown = async (what) => said(t, {}, { f: () => { throw what; } });
    const evil = () => { throw new Error("mine"); };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assert.deepEqual(await thrown(Symbol("x")), ["Error", "javascript", "Symbol(x)"]);
    assert.deepEqual(await thrown(Object.create(null)), ["Error", "javascript", "[object Object]"]);
    for (const message of [5, Symbol("x"), Object.create(null)]) {
      assert.equal((await thrown(Object.defineProperty(new RangeError("x"), "message", { value: message })))[0], "RangeError");
    }
    const unreadable = [proxy, Object.defineProperty(new Error("x"), "message", { get: evil }), Object.defineProperty(new Error("x"), "name", { get: evil }),
      Object.defineProperty({}, Symbol.toStringTag, { get: evil }), new DaffiError(5, "a code that is none")];
    for (const what of unreadable) assert.deepEqual(await thrown(what), ["Error", "javascript", "an error that can't be read"]);
  });

  test("a result that can't go is an error that says why", async (t) => {
    const given = async (what) => said(t, {}, { f: () => what });
    assert.deepEqual(await given(undefined), [null]);
    for (const [what, text] of [[() => {}, /^f: the result is a function/], [10n, /^f: the result.* is 10/], [DaffiClient.kwargs({ a: 1 }), /^f: the result is/]]) {
      const [type, module, said] = await given(what);
      assert.deepEqual([type, module], ["TypeError", "javascript"]);
      assert.match(said, text);
    }
  });
});

test("what is no function, or no name, is refused as it is given", (t) => {
  const client = makeClient(t, "ws://127.0.0.1:1");
  assert.throws(() => client.expose(null), { name: "TypeError", message: /functions is null/ });
  assert.throws(() => client.expose({ f: 1 }), { name: "TypeError", message: /expose: f is 1: a function is accepted/ });
  for (const name of ["a|b", "a,b", "", "a\n"]) assert.throws(() => client.expose({ [name]: () => {} }), { name: "TypeError", message: /expose: a function's name is / });
});

test("a call that comes before the handshake is answered is answered, once that is", { timeout: 20000 }, async (t) => {
  let began;
  const begun = new Promise((done) => { began = done; });
  const server = await startFakeServer(t, async (peer) => {
    const { uuid, transmitter } = await peer.next();
    peer.send({ uuid: 7, flag: REQUEST, returnResult: true, metadata: `w1|${transmitter}|f`, payload: { args: [1], kwargs: {} } });
    await begun;
    await new Promise((done) => { setImmediate(done); }); // it is done
    peer.send({ uuid, flag: HANDSHAKE, metadata: `${transmitter}||`, payload: { meta: { type: "router", error: null }, members: [] } });
  });
  const client = makeClient(t, server.url);
  await client.expose({ f: (value) => { began(); return value + 1; } });
  await client.connect();
  const answer = await (await server.peer()).next();
  assert.deepEqual([answer.uuid, answer.flag, answer.receiver, String(answer.payload)], [7, RESPONSE, "w1", '{"args":[2],"kwargs":{}}']);
});

test("expose() while every id of the wire waits for an answer rejects `busy`, and takes no call's id", async (t) => {
  const bridge = { abi: 1, maxMessage: 0, maxBatch: 65536, heartbeat: 0 };
  for (const offer of [undefined, bridge]) {
    const server = await startFakeServer(t, (peer) => peer.greet({ bridge: offer }));
    const client = makeClient(t, server.url);
    const conn = await client.connect();
    const peer = await server.peer();
    const calls = Array.from({ length: 65535 }, () => failureOf(conn.rpc().echo(0)));
    assert.equal((await failureOf(client.expose({ f() {} }))).code, "busy");
    assert.equal((await failureOf(conn.rpc().echo(0))).code, "busy");
    for (let left = calls.length; left > 0; left--) assert.equal((await peer.next()).method, "echo");
    client.stop();
    assert.deepEqual([...new Set((await Promise.all(calls)).map(({ code }) => code))], ["closed"]);
  }
});
