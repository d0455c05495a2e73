// Who is told of what, and of what not; who is called, and who is not; what is taken for granted: all before a scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DaffiError, failureOf, makeClient, stateOf } from "./peers.mjs";
import { HANDSHAKE, RAW, startFakeServer } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

/** What is told from here on, in order, and when the event about `last` has come. */
function told(client, last) {
  const seen = [];
  const all = new Promise((done) => {
    client.addEventHandler(({ type, member }) => {
      if (member === last) done();
      else seen.push([type, member]);
    });
  });
  return { seen, all };
}

test("one's own name: nothing of the first connection, of a try that fails or of stop(), nor of the server's words about it", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const client = makeClient(t, server.url, { name: "me" });
  const { seen, all } = told(client, "last");
  await client.connect();
  const peer = await server.peer();
  peer.event("connected", "me");
  peer.event("disconnected", "me");
  peer.send({ uuid: peer.hello.uuid, flag: HANDSHAKE, metadata: "me||", payload: { meta: { type: "service", error: null }, members: [{ name: "me", methods: null }] } });
  peer.event("connected", "last");
  await all;
  client.stop();
  const lonely = makeClient(t, "ws://127.0.0.1:1", { name: "me" });
  const { seen: none } = told(lonely);
  await failureOf(lonely.connect());
  assert.deepEqual([seen, none], [[], []]);
});

test("an async handler that fails stops no other, and is no unhandled rejection", async (t) => {
  const { client, peer } = await greeted(t);
  const failed = new Promise((done) => { t.mock.method(console, "error", (...said) => done(said)); });
  client.addEventHandler(async () => { throw new Error("mine"); });
  const { all } = told(client, "last");
  peer.event("connected", "last");
  await all;
  assert.equal((await failed)[1].message, "mine");
});

test("a handler that was given twice is told twice, and each is removed by its own function", async (t) => {
  const { client, peer } = await greeted(t);
  let count = 0;
  const handler = () => { count++; };
  const removers = [client.addEventHandler(handler), client.addEventHandler(handler)];
  for (const [member, expected] of [["a", 2], ["b", 3], ["c", 3]]) {
    const { all } = told(client, member);
    peer.event("connected", member);
    await all;
    assert.equal(count, expected);
    removers.shift()?.();
  }
});

test("a handler that another one adds is told from the next event on", async (t) => {
  const { client, peer } = await greeted(t);
  let count = 0;
  const adding = () => {
    if (++count < 10) client.addEventHandler(adding);
  };
  client.addEventHandler(adding);
  for (const [member, expected] of [["a", 1], ["b", 3], ["c", 7]]) {
    const { all } = told(client, member);
    peer.event("connected", member);
    await all;
    assert.equal(count, expected);
  }
});

describe("events()", () => {
  test("next() that is called ahead gets them in order", async (t) => {
    const { client, peer } = await greeted(t);
    const reader = client.events();
    const ahead = [reader.next(), reader.next(), reader.next()];
    for (const name of ["a", "b"]) peer.event("connected", name);
    assert.deepEqual((await Promise.all(ahead.slice(0, 2))).map(({ value }) => value.member), ["a", "b"]);
    client.stop();
    assert.deepEqual(await ahead[2], { value: undefined, done: true });
  });

  test("a reader that leaves 4,096 unread fails with `busy` behind them, once", async (t) => {
    const { client, peer } = await greeted(t);
    const reader = client.events();
    const { all } = told(client, "4096");
    for (let index = 0; index <= 4096; index++) peer.event("connected", String(index));
    await all;
    for (let index = 0; index <= 4096; index++) assert.equal((await reader.next()).value.member, String(index));
    const error = await failureOf(reader.next());
    assert.ok(error instanceof DaffiError);
    assert.equal(error.code, "busy");
    assert.deepEqual(await reader.next(), { value: undefined, done: true });
  });
});

test("the server's own words are the error's `reason`: of a refusal, of a close before the answer and behind it", async (t) => {
  const refusing = await startFakeServer(t, (peer) => peer.greet({ error: "the name is taken" }));
  assert.equal((await failureOf(makeClient(t, refusing.url).connect())).reason, "the name is taken");
  const closing = await startFakeServer(t, (peer) => peer.socket.close(1013, "too many connections"));
  assert.equal((await failureOf(makeClient(t, closing.url).connect())).reason, "too many connections");
  const { conn, peer } = await greeted(t);
  const pending = failureOf(conn.rpc().echo(1));
  await peer.next();
  peer.socket.close(1012, "the upstream was lost");
  assert.equal((await pending).reason, "the upstream was lost");
});

test("client.bridge is what the bridge said, while there is a connection to it", async (t) => {
  const bridge = { abi: 1, maxMessage: 5000, maxBatch: 0, heartbeat: 0 };
  const { client, peer } = await greeted(t, {}, { bridge });
  assert.deepEqual(client.bridge, bridge);
  const lost = stateOf(client, "disconnected");
  peer.socket.terminate();
  await lost;
  assert.equal(client.bridge, null);
});

describe("oneself", () => {
  /** A server that lists oneself with functions, as one does that was told of them. */
  const listed = async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid } = await peer.next();
      const members = [{ name: "me", methods: ["echo", "mine"] }, { name: "w1", methods: ["echo"] }, { name: "idle", methods: ["other"] }];
      peer.name = "me";
      peer.send({ uuid, flag: HANDSHAKE, metadata: "me||", payload: { meta: { type: "service", error: null }, members } });
    });
    const conn = await makeClient(t, server.url, { name: "me" }).connect();
    return { conn, peer: await server.peer() };
  };

  test("is never called by a call without a receiver, nor by a cast without one", async (t) => {
    const { conn, peer } = await listed(t);
    for (let turn = 0; turn < 4; turn++) {
      const call = conn.rpc().echo(turn);
      const request = await peer.next();
      assert.equal(request.receiver, "w1");
      peer.answer(request, turn);
      await call;
    }
    const cast = conn.cast().echo(1);
    peer.answer(await peer.next(), "here");
    assert.deepEqual(await cast, { w1: "here" });
    conn.cast_nowait().echo(2);
    assert.equal((await peer.next()).receiver, "w1");
    assert.equal((await failureOf(conn.cast().mine())).code, "no-such-method");
    assert.equal((await failureOf(conn.rpc().mine())).code, "no-such-method");
    assert.equal(peer.unread, 0);
  });

  test("a cast's member that is there without the function has `no-such-method` as its value; each that is named is asked once", async (t) => {
    const { conn, peer } = await listed(t);
    const cast = conn.cast({ receiver: ["w1", "idle", "w1"] }).echo(1);
    peer.answer(await peer.next(), "here");
    const { w1, idle } = await cast;
    assert.deepEqual([w1, idle.code, peer.unread], ["here", "no-such-method", 0]);
  });
});

for (const style of ["stream", "rpc_nowait"]) {
  test(`${style} of a generator function, by default: raw, each chunk answered, 16 of them under way`, async (t) => {
    const { conn, peer } = await greeted(t);
    let made = 0;
    const promised = conn[style]().echo(function* () { while (made < 20) yield `chunk ${made++}`; });
    assert.equal(promised === undefined, style === "rpc_nowait");
    const requests = [];
    while (requests.length < 16) requests.push(await peer.next());
    await new Promise((done) => { setImmediate(done); });
    assert.deepEqual([made, peer.unread], [16, 0]);
    for (let index = 0; index < 20; index++) {
      const request = requests.shift() ?? await peer.next();
      assert.deepEqual([request.decoder, request.returnResult, String(request.payload)], [RAW, true, `chunk ${index}`]);
      peer.answer(request, "", { decoder: RAW });
    }
    await promised;
  });
}

test("an app.wasm that could not be loaded is tried again by the next connect()", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const { fetch } = globalThis;
  const asked = [];
  t.mock.method(globalThis, "fetch", async (url) => {
    asked.push(String(url));
    if (asked.length === 1) throw new TypeError("the network is down");
    return fetch(url);
  });
  const { trapIn } = await import("./doctored.mjs");
  const wasmUrl = `data:application/wasm;base64,${Buffer.from(trapIn("daffi_wasm_pickle_error")).toString("base64")}#again`;
  const client = makeClient(t, server.url, { wasmUrl });
  const error = await failureOf(client.connect());
  assert.deepEqual([error.code, asked.length], ["unreachable", 1]);
  assert.match(error.message, /the network is down/);
  await client.connect();
  assert.equal(asked.length, 2);
});
