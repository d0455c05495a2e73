// Calls, casts, streams and members, against real daffi peers over ws://.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { DaffiClient, DaffiError, eventOf, failureOf, makeClient, startBridge, startRouter, startService, startWorker, stateOf } from "./peers.mjs";

for (const bridged of [false, true]) {
  describe(`a real Router with two workers, ${bridged ? "through the bridge" : "bare"}`, () => {
    let router, bridge, url;
    const workers = [];
    before(async () => {
      router = await startRouter();
      for (const name of ["w1", "w2"]) workers.push(await startWorker(name, router.port));
      if (bridged) bridge = await startBridge(router.port);
      ({ url } = bridge ?? router);
    });
    after(async () => {
      for (const peer of [bridge, ...workers, router]) await peer?.stop();
    });
    const connect = async (t, options) => {
      const client = makeClient(t, url, options);
      const conn = await client.connect();
      await conn.waitForMembers(["w1", "w2"], { timeout: 10000 });
      return { client, conn };
    };

    test("rpc gives the result; called without options is fine", async (t) => {
      const { conn } = await connect(t);
      assert.equal(await conn.rpc({ timeout: 20000 }).add(3, 4), 7);
      assert.equal(await conn.rpc().add(3, 4), 7);
      assert.equal(await conn.rpc(null).add(1, 1), 2);
    });

    test("no receiver is round-robin; a receiver is pinned", async (t) => {
      const { conn } = await connect(t);
      for (const none of ["", null, undefined]) {
        const turns = [];
        for (let i = 0; i < 4; i++) turns.push(await conn.rpc({ receiver: none }).whoami());
        assert.deepEqual(turns.sort(), ["w1", "w1", "w2", "w2"]);
      }
      for (let i = 0; i < 3; i++) assert.equal(await conn.rpc({ receiver: "w2" }).whoami(), "w2");
    });

    test("serdes by their numbers, and the module compiled once for all clients", async (t) => {
      const compile = t.mock.method(WebAssembly, "compile");
      for (let i = 0; i < 3; i++) {
        const { conn } = await connect(t);
        assert.deepEqual(await conn.rpc({ serde: 1 }).echo({ a: [1] }), { a: [1] });
        assert.deepEqual(await conn.rpc({ serde: 3 }).echo(new Uint8Array([1, 2])), new Uint8Array([1, 2]));
        assert.equal(DaffiClient.text(await conn.rpc({ serde: 0 }).echo("text")), "text");
      }
      assert.ok(compile.mock.callCount() <= 1, `compiled ${compile.mock.callCount()} times`);
    });

    test("keyword arguments", async (t) => {
      const { conn } = await connect(t);
      for (const serde of ["json", "msgpack"]) assert.equal(await conn.rpc({ serde }).add(1, DaffiClient.kwargs({ b: 2 })), 3);
      assert.equal(await conn.rpc().add(DaffiClient.kwargs({ a: 5, b: 2 })), 7);
    });

    for (const serde of ["json", "msgpack", "raw"]) {
      test(`a worker's error to a ${serde} call is a DaffiError that says all`, async (t) => {
        const { conn } = await connect(t);
        const error = await failureOf(conn.rpc({ serde, receiver: "w1" }).fail("kaboom"));
        assert.ok(error instanceof DaffiError && error instanceof Error);
        const expected = { code: "remote", remoteType: "ValueError", remoteModule: "builtins", remoteMessage: "kaboom", member: "w1", method: "fail" };
        assert.deepEqual({ ...error }, expected);
        assert.deepEqual(JSON.parse(JSON.stringify(error)), { name: "DaffiError", message: "ValueError: kaboom", ...expected });
      });
    }

    test("timeout, and the late answer goes to nobody", async (t) => {
      const { conn } = await connect(t);
      const error = await failureOf(conn.rpc({ timeout: 50, receiver: "w1" }).slow(0.3));
      assert.equal(error.code, "timeout");
      assert.match(error.message, /slow: w1 did not answer within 50 ms/);
      assert.equal(await conn.rpc({ receiver: "w1" }).whoami(), "w1");
    });

    test("nobody has the function, or the name: rejected at once", async (t) => {
      const { conn } = await connect(t);
      assert.equal((await failureOf(conn.rpc().nothing())).code, "no-such-method");
      assert.equal((await failureOf(conn.rpc({ receiver: "w1" }).nothing())).code, "no-such-method");
      assert.equal((await failureOf(conn.rpc({ receiver: "w" }).add(1, 2))).code, "no-such-member");
      assert.equal((await failureOf(conn.rpc({ receiver: "x".repeat(40000) }).add(1, 2))).code, "no-such-member");
      assert.equal((await failureOf(conn.rpc()["x".repeat(40000)]())).code, "no-such-method");
      assert.equal((await failureOf(conn.rpc()["a|b"]())).code, "no-such-method");
    });

    test("cast: each worker's result by its name", async (t) => {
      const { conn } = await connect(t);
      assert.deepEqual(await conn.cast({ timeout: 20000 }).whoami(), { w1: "w1", w2: "w2" });
      assert.deepEqual(await conn.cast().whoami(), { w1: "w1", w2: "w2" });
      assert.deepEqual(await conn.cast({ receiver: "w2" }).whoami(), { w2: "w2" });
      assert.deepEqual(await conn.cast({ receiver: ["w2", "w1", "w2"] }).whoami(), { w2: "w2", w1: "w1" });
      assert.deepEqual(await conn.cast({ serde: "msgpack", receiver: ["w1"] }).add(1, 2), { w1: 3 });
    });

    test("cast: who fails, is late or is not there has its error as its value", async (t) => {
      const { conn } = await connect(t);
      const failed = await conn.cast().fail("no");
      assert.deepEqual([failed.w1.code, failed.w2.remoteMessage], ["remote", "no"]);
      const late = await conn.cast({ timeout: 60, receiver: ["w1"] }).slow(0.2);
      assert.equal(late.w1.code, "timeout");
      const some = await conn.cast({ receiver: ["w1", "w", "w11"] }).whoami();
      assert.deepEqual([some.w1, some.w.code, some.w11.code], ["w1", "no-such-member", "no-such-member"]);
      assert.match(JSON.stringify(some), /"w":\{"name":"DaffiError","message":"[^"]+","code":"no-such-member"|"w":\{"name":"DaffiError","code":"no-such-member"/);
    });

    test("cast rejects where nobody exposes it, and for an empty list", async (t) => {
      const { conn } = await connect(t);
      assert.equal((await failureOf(conn.cast().nothing())).code, "no-such-method");
      assert.equal((await failureOf(conn.cast({ receiver: [] }).whoami())).code, "no-such-method");
    });

    test("rpc_nowait and cast_nowait arrive", async (t) => {
      const { conn } = await connect(t);
      const tag = `note ${Math.random()}`;
      assert.equal(conn.rpc_nowait({ receiver: "w1" }).note(`${tag} one`), undefined);
      assert.equal(conn.cast_nowait().note(`${tag} all`), undefined);
      assert.equal(conn.cast_nowait({ receiver: ["w2"], serde: "msgpack" }).note(`${tag} some`), undefined);
      const notes = await conn.cast().notes();
      const ours = (name) => notes[name].filter((note) => String(note).startsWith(tag)).map((note) => note.slice(tag.length + 1));
      assert.deepEqual([ours("w1"), ours("w2")], [["one", "all"], ["all", "some"]]);
    });

    test("many at a time, each its own answer", async (t) => {
      const { conn } = await connect(t);
      const sums = await Promise.all(Array.from({ length: 1000 }, (_, i) => conn.rpc({ timeout: 20000 }).add(i, 1)));
      assert.deepEqual(sums, Array.from({ length: 1000 }, (_, i) => i + 1));
    });

    test("stream: order is kept, all to one member, each kind of source", async (t) => {
      const { conn } = await connect(t);
      const sources = {
        array: [1, 2, 3].map((n) => `array ${n}`),
        generator: (function* () { yield "generator 1"; yield "generator 2"; })(),
        "generator function": function* () { yield "generator function 1"; yield "generator function 2"; },
        "async generator function": async function* () { yield "async generator function 1"; await null; yield "async generator function 2"; },
        set: new Set(["set 1", "set 2"]),
        string: "string as one",
      };
      const before = await conn.cast().notes();
      for (const source of Object.values(sources)) assert.equal(await conn.stream({ serde: "json", timeout: 20000 }).note(source), undefined);
      const notes = await conn.cast().notes();
      const got = ["w1", "w2"].map((name) => notes[name].slice(before[name].length));
      const expected = [["array 1", "array 2", "array 3"], ["generator 1", "generator 2"], ["generator function 1", "generator function 2"],
        ["async generator function 1", "async generator function 2"], ["set 1", "set 2"], ["string as one"]];
      // Streams take turns between the workers; each is whole and in order at one of them.
      const turns = [expected.filter((_, i) => i % 2 === 0).flat(), expected.filter((_, i) => i % 2 === 1).flat()];
      assert.deepEqual(got.sort(), turns.sort());
    });

    test("stream is raw by default; a view is one chunk; many chunks", async (t) => {
      const { conn } = await connect(t);
      await conn.stream({ receiver: "w1" }).digest(new Uint8Array(1000));
      let made = 0;
      await conn.stream({ receiver: "w1" }).echo(function* () {
        for (; made < 500; made++) yield new Uint8Array([made & 255, 0]);
      });
      assert.equal(made, 500);
      await conn.stream_nowait({ receiver: "w1" }).echo(function* () {
        for (let i = 0; i < 100; i++) yield new Uint8Array(1000);
      });
      assert.equal(await conn.rpc({ receiver: "w1" }).whoami(), "w1");
    });

    test("a stream rejects on the first failure and closes its source; left alone it is no unhandled rejection", async (t) => {
      const { conn } = await connect(t);
      let closed = 0;
      let allClosed;
      const closings = new Promise((done) => { allClosed = done; });
      const source = function* () {
        try {
          for (;;) yield "x";
        } finally {
          if (++closed === 3) allClosed();
        }
      };
      const error = await failureOf(conn.stream({ serde: "json" }).fail(source));
      assert.equal(error.code, "remote");
      conn.stream({ serde: "json" }).fail(source);
      await failureOf(conn.stream({ serde: "json", window: 1 }).fail(source));
      await failureOf(conn.stream().echo(5));
      await failureOf(conn.stream({ serde: "json" }).echo(function* () { throw new Error("source"); })).then((e) => assert.equal(e.message, "source"));
      assert.equal((await failureOf(conn.stream().nothing(source))).code, "no-such-method");
      await closings; // the one left alone as well, whichever worker it is at
      assert.equal(closed, 3);
    });

    test("rpc_nowait, given a generator function, streams as the document's stream does", async (t) => {
      const { conn } = await connect(t);
      const tag = `generated ${Math.random()}`;
      const done = new Promise((resolve) => {
        assert.equal(conn.rpc_nowait({ receiver: "w1", serde: "json" }).note(function* () { yield tag; yield tag; resolve(); }), undefined);
      });
      await done;
      const notes = await conn.rpc({ receiver: "w1" }).notes();
      assert.equal(notes.filter((note) => note === tag).length, 2);
    });

    test("an AbortSignal ends a call, a cast, a stream and a wait", async (t) => {
      const { conn } = await connect(t);
      const never = async function* () { await new Promise(() => {}); };
      for (const begin of [(signal) => conn.rpc({ signal }).slow(0.2), (signal) => conn.cast({ signal }).slow(0.2), (signal) => conn.stream({ signal }).echo(never),
        (signal) => conn.waitForMembers("nobody", { signal })]) {
        const controller = new AbortController();
        const promise = begin(controller.signal);
        controller.abort(new Error("enough"));
        const error = await failureOf(promise);
        assert.deepEqual([error.code, error.cause.message], ["aborted", "enough"]);
        assert.equal((await failureOf(begin(controller.signal))).code, "aborted");
      }
    });

    test("members, and who comes and goes", async (t) => {
      const { client, conn } = await connect(t);
      const known = Object.fromEntries(conn.members().map(({ name, methods }) => [name, methods]));
      assert.ok(known.w1.includes("add") && known.w2.includes("echo"));
      assert.equal(known[client.name], null);

      const waited = conn.waitForMembers("w3", { timeout: 10000, interval: 1000 });
      const came = eventOf(client, ({ member }) => member === "w3");
      const worker = await startWorker("w3", router.port);
      await waited;
      assert.deepEqual(await came, { type: "connected", member: "w3" });
      assert.equal(await conn.rpc({ receiver: "w3" }).whoami(), "w3");

      const pending = failureOf(conn.rpc({ receiver: "w3" }).slow(20));
      const left = eventOf(client, ({ member, type }) => member === "w3" && type === "disconnected");
      await worker.kill();
      await left;
      assert.equal((await pending).code, "disconnected");
      assert.equal((await failureOf(conn.rpc({ receiver: "w3" }).whoami())).code, "no-such-member");
    });

    test("waitForMembers: a member that exposes nothing counts; a deadline names who is missing", async (t) => {
      const { conn } = await connect(t);
      const waited = conn.waitForMembers(["page-2", "w1"], { timeout: 10000 });
      await makeClient(t, url, { name: "page-2" }).connect();
      await waited;
      const error = await failureOf(conn.waitForMembers(["w1", "w77"], { timeout: 30 }));
      assert.equal(error.code, "timeout");
      assert.match(error.message, /w77 did not appear/);
    });

    if (!bridged) test("evicted: the name was taken; no reconnect, calls say why, connect() takes it back", async (t) => {
      const { client, conn } = await connect(t, { name: "contested", autoreconnect: true, reconnectDelay: 10 });
      const pending = failureOf(conn.rpc().slow(0.5));
      const event = eventOf(client, () => true);
      const other = makeClient(t, url, { name: "contested" });
      await other.connect();
      assert.deepEqual(await event, { type: "evicted", member: "contested" });
      assert.equal((await pending).code, "evicted");
      assert.equal(client.state, "evicted");
      assert.equal((await failureOf(conn.rpc().whoami())).code, "evicted");
      assert.equal(other.state, "connected");
      const evicted = stateOf(other, "evicted");
      assert.equal(await client.connect(), conn);
      await evicted;
      assert.equal(client.state, "connected");
      assert.equal(await conn.rpc({ receiver: "w1" }).whoami(), "w1");
    });

    if (bridged) test("a bridge tells what it takes, and that it gives a sign of life every 20 s; a Router tells nothing", async (t) => {
      const { client } = await connect(t);
      assert.deepEqual(client.bridge, { abi: 1, maxMessage: 8388608, maxBatch: 65536, heartbeat: 20000 });
      const bare = makeClient(t, router.url);
      await bare.connect();
      assert.equal(bare.bridge, null);
    });

    if (bridged) test("a name that is taken is refused to others, and its holder is not disturbed", async (t) => {
      const { client, conn } = await connect(t, { name: "contested" });
      assert.equal((await failureOf(makeClient(t, url, { name: "contested" }).connect())).code, "refused");
      assert.equal(client.state, "connected");
      assert.equal(await conn.rpc().add(1, 1), 2);
    });

    test("a Router that dies and comes back: the same Connection works", async (t) => {
      const own = await startRouter();
      let worker = await startWorker("v", own.port);
      const client = makeClient(t, own.url, { autoreconnect: true, reconnectDelay: 50 });
      const conn = await client.connect();
      await conn.waitForMembers("v");
      const pending = failureOf(conn.rpc().slow(20));
      const lost = eventOf(client, ({ type, member }) => type === "disconnected" && member === client.name);
      await own.kill();
      await lost;
      assert.equal((await pending).code, "disconnected");
      assert.equal((await failureOf(conn.rpc().whoami())).code, "disconnected");
      const waited = conn.waitForMembers("v", { timeout: 20000 });
      const back = eventOf(client, ({ type, member }) => type === "connected" && member === client.name);
      await worker.kill();
      const again = await startRouter(own.port);
      worker = await startWorker("v", own.port);
      await back;
      await waited;
      assert.equal(await conn.rpc().whoami(), "v");
      client.stop();
      await worker.stop();
      await again.stop();
    });
  });
}

describe("a real Service", () => {
  // One for each test: on a busy machine the released Service was seen to die when a page had left.
  let service;
  beforeEach(async () => { service = await startService(); });
  afterEach(() => service.stop());

  test("is called like a Router's worker", async (t) => {
    const conn = await makeClient(t, service.url).connect();
    assert.equal(await conn.rpc({ timeout: 20000 }).add(3, 4), 7);
    assert.deepEqual(await conn.cast().whoami(), { service: "service" });
  });

  test("tells of newcomers by handshakes alone", async (t) => {
    const client = makeClient(t, service.url);
    const conn = await client.connect();
    const came = eventOf(client, ({ type, member }) => type === "connected" && member === "page-9");
    const waited = conn.waitForMembers("page-9", { timeout: 10000 });
    await makeClient(t, service.url, { name: "page-9" }).connect();
    await waited;
    await came;
    assert.equal(await conn.rpc().add(1, 1), 2);
  });

  test("an answer that is no JSON rejects that call alone", async (t) => {
    const conn = await makeClient(t, service.url).connect();
    const error = await failureOf(conn.rpc().not_a_number());
    assert.equal(error.code, "protocol");
    assert.equal(await conn.rpc().add(1, 1), 2);
  });
});
