// One connection's opening, its end and what comes of malformed messages: a scripted server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import WebSocket from "ws";
import { eventOf, failureOf, freePort, makeClient, stateOf } from "./peers.mjs";
import { ERROR, EVENTS, HANDSHAKE, JSON_SERDE, MSGPACK, PICKLE, RAW, REQUEST, RESPONSE, encode, startFakeServer } from "./fake_server.mjs";

const greeted = async (t, options = {}, greeting = {}) => {
  const server = await startFakeServer(t, (peer) => peer.greet(greeting));
  const client = makeClient(t, server.url, options);
  const conn = await client.connect();
  return { server, client, conn, peer: await server.peer() };
};

describe("a WebSocket of one's own", () => {
  test("may read what it is to send at a later time", async (t) => {
    class Late extends WebSocket {
      send(bytes) {
        setImmediate(() => super.send(bytes));
      }
    }
    const { conn, peer } = await greeted(t, { WebSocket: Late });
    for (let index = 0; index < 5; index++) conn.rpc_nowait({ serde: "raw" }).echo(`value ${index}`);
    conn.cast_nowait({ serde: "raw" }).echo("cast");
    const arrived = [];
    while (arrived.length < 6) arrived.push(String((await peer.next()).payload));
    assert.deepEqual(arrived, ["value 0", "value 1", "value 2", "value 3", "value 4", "cast"]);
  });
});

describe("call ids", () => {
  test("start anywhere, so that a page that is loaded anew does not ask with the ids of the one before", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const firsts = new Set();
    for (let index = 0; index < 20; index++) {
      const client = makeClient(t, server.url);
      const conn = await client.connect();
      const peer = await server.peer();
      const answer = conn.rpc().echo(index);
      const request = await peer.next();
      assert.ok(request.uuid > 0 && request.uuid < 65536);
      assert.equal(request.uuid, peer.hello.uuid % 65535 + 1, "they go on in turn from that of the handshake");
      peer.answer(request, index);
      assert.equal(await answer, index);
      firsts.add(peer.hello.uuid);
      client.stop();
    }
    assert.ok(firsts.size > 15, `20 clients started at ${[...firsts]}`); // by chance fewer once in 10^20 runs
  });
});

describe("connect()", () => {
  test("sends exactly the reference's handshake, and asks for a bridge by the query alone", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    await makeClient(t, `${server.url}/some/path?x=a%20b`, { name: "page" }).connect();
    const { hello, url } = await server.peer();
    assert.match(url, /^\/some\/path\?x=a%20b&daffi-bridge=1&daffi-tab=[0-9a-f]{32}$/);
    assert.deepEqual([hello.flag, hello.decoder, hello.isBytes, hello.returnResult, hello.transmitter, hello.receiver, hello.method],
      [HANDSHAKE, JSON_SERDE, false, true, "page", "", ""]);
    assert.equal(String(hello.payload), "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null}]}");
  });

  test("a second call while connecting or connected gives the same promise", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const client = makeClient(t, server.url);
    const first = client.connect();
    assert.equal(client.connect(), first);
    await first;
    assert.equal(client.connect(), first);
  });

  test("unreachable, and may be called again", async (t) => {
    const port = await freePort();
    const client = makeClient(t, `ws://127.0.0.1:${port}`, { autoreconnect: true, reconnectDelay: 1 });
    const error = await failureOf(client.connect());
    assert.equal(error.code, "unreachable");
    assert.match(error.message, new RegExp(`ws://127.0.0.1:${port}/`));
    assert.equal(client.state, "disconnected");
    assert.equal((await failureOf(client.connect())).code, "unreachable");
  });

  test("refused: an ERROR in plain text, as the released server answers", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid, transmitter } = await peer.next();
      peer.send({ uuid, flag: ERROR, decoder: RAW, metadata: `${transmitter}||`, payload: "failed to parse handshake message: UnknownField" });
    });
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /failed to parse handshake message: UnknownField/);
  });

  test("refused: an ERROR in JSON, as the bridge answers, then a close", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid, transmitter } = await peer.next();
      peer.send({ uuid, flag: ERROR, metadata: `${transmitter}||`, payload: { args: [["Unreachable", "daffi_bridge", "the upstream is not there", null]], kwargs: {} } });
      peer.socket.close(1013, "the upstream is not there");
    });
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /the upstream is not there/);
  });

  test("refused: meta.error", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet({ error: "the name is taken" }));
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /the name is taken/);
  });

  test("unreachable says why, where the WebSocket class tells: nobody listens, no WebSocket, a certificate that is not trusted", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "daffi-link-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost"], { stdio: "pipe" });
    const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
    const plain = createHttpServer((_, response) => response.writeHead(404).end()), secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) });
    t.after(() => { plain.close(); secure.close(); });
    const said = async (wsUrl) => (await failureOf(makeClient(t, wsUrl).connect())).message;
    const port = await freePort();
    assert.equal(await said(`ws://127.0.0.1:${port}/`), `ws://127.0.0.1:${port}/ can't be reached: connect ECONNREFUSED 127.0.0.1:${port} (close code 1006)`);
    assert.match(await said(`ws://127.0.0.1:${await listen(plain)}/`), /can't be reached: Unexpected server response: 404 \(close code 1006\)$/);
    assert.match(await said(`wss://127.0.0.1:${await listen(secure)}/`), /can't be reached: self-signed certificate \(close code 1006\)$/);
  });

  test("refused: closed with a reason before the answer", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.socket.close(1013, "too many connections"));
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /too many connections.*1013/);
  });

  test("timeout: a server that is silent after the socket opened", async (t) => {
    const server = await startFakeServer(t);
    const started = Date.now();
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "timeout");
    assert.ok(Date.now() - started >= 4900 && Date.now() - started < 8000);
  });

  test("closed: stop() before the answer, and for good", async (t) => {
    const server = await startFakeServer(t);
    const client = makeClient(t, server.url);
    const promise = failureOf(client.connect());
    const peer = await server.peer();
    await peer.next();
    client.stop();
    client.stop();
    assert.equal((await promise).code, "closed");
    assert.equal((await failureOf(client.connect())).code, "closed");
    await peer.closed;
    const early = makeClient(t, server.url);
    const atOnce = failureOf(early.connect());
    early.stop();
    assert.equal((await atOnce).code, "closed");
  });

  test("app.wasm that is not there: what was tried is said", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const error = await failureOf(makeClient(t, server.url, { wasmUrl: "file:///nowhere/app.wasm" }).connect());
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /tried file:\/\/\/nowhere\/app\.wasm \(.*ENOENT/);
  });

  test("another client's answer is not one's own", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid } = await peer.next();
      peer.send({ uuid, flag: HANDSHAKE, metadata: "other||", payload: { meta: { type: "service", error: null }, members: [{ name: "other", methods: null }] } });
      peer.send({ uuid, flag: HANDSHAKE, metadata: "me||", payload: { meta: { type: "service", error: null }, members: [{ name: "s", methods: ["f"] }] } });
    });
    const conn = await makeClient(t, server.url, { name: "me" }).connect();
    assert.deepEqual(conn.members(), [{ name: "s", methods: ["f"] }]);
  });
});

describe("malformed messages close the connection with `protocol`", () => {
  const cases = {
    "a text message": "hello",
    "five bytes": Buffer.from([1, 2, 3, 4, 5]),
    "cut off": encode({ flag: RESPONSE, uuid: 2, payload: "{}" }).subarray(0, -1),
    "something behind": Buffer.concat([encode({ flag: RESPONSE, uuid: 2, payload: "{}" }), Buffer.from([0])]),
    "no bars": encode({ flag: RESPONSE, uuid: 2, metadata: "abc", payload: "{}" }),
    "three bars": encode({ flag: RESPONSE, uuid: 2, metadata: "a|b|c|d", payload: "{}" }),
    "an unknown flag": encode({ flag: 15, uuid: 2, payload: "{}" }),
    "an event that is none": encode({ flag: EVENTS, payload: "[]" }),
    "an event of another type": encode({ flag: EVENTS, payload: { type: "x", member: "y" } }),
    "a handshake that is none": encode({ flag: HANDSHAKE, payload: "nonsense" }),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    test(name, async (t) => {
      const { client, conn, peer } = await greeted(t);
      const pending = failureOf(conn.rpc().echo(1));
      await peer.next();
      peer.send(bytes);
      assert.equal((await pending).code, "protocol");
      assert.equal(client.state, "disconnected");
      await peer.closed;
    });
  }

  test("answers that can't be read reject their call alone", async (t) => {
    const { conn, peer } = await greeted(t);
    const bad = [
      ["nonsense", {}], ["{\"args\":[NaN],\"kwargs\":{}}", {}], ["[]", {}], ["{}", {}], [Buffer.from([0x22, 0xff, 0x22]), {}],
      [Buffer.from([0xc1]), { decoder: MSGPACK }], [Buffer.from([0x92, 0x91]), { decoder: MSGPACK }], [Buffer.from([0x92, 0x91, 1, 0x80, 0]), { decoder: MSGPACK }],
      [Buffer.from([0x92, 0xdd, 0xff, 0xff, 0xff, 0xff]), { decoder: MSGPACK }], [Buffer.from([0x92, 0x91, 0xa1, 0xff, 0x80]), { decoder: MSGPACK }],
      [Buffer.alloc(20000, 0x91), { decoder: MSGPACK }], [Buffer.from([0x92, 0x91, 0xd4, 5, 0, 0x80]), { decoder: MSGPACK }], [Buffer.alloc(0), { decoder: MSGPACK }],
      [Buffer.from([0x80, 4, 0x2e]), { decoder: PICKLE }],
    ];
    for (const [payload, options] of bad) {
      const pending = failureOf(conn.rpc().echo(1));
      const request = await peer.next();
      peer.send({ uuid: request.uuid, flag: RESPONSE, metadata: "w1||", payload, ...options });
      const error = await pending;
      assert.deepEqual([error.code, error.member, error.method], ["protocol", "w1", "echo"], String(payload));
    }
    for (const [payload, options] of [...bad.slice(0, 3), [Buffer.from([0x80, 4, 0x2e]), { decoder: PICKLE }]]) {
      const pending = failureOf(conn.rpc().echo(1));
      const request = await peer.next();
      peer.send({ uuid: request.uuid, flag: ERROR, metadata: "w1||", payload, ...options });
      assert.equal((await pending).code, "protocol", String(payload));
    }
    const good = conn.rpc().echo(1);
    peer.answer(await peer.next(), 5);
    assert.equal(await good, 5);
  });

  test("answers to nobody, second answers and requests are dropped", async (t) => {
    const { conn, peer } = await greeted(t);
    const call = conn.rpc().echo(1);
    const request = await peer.next();
    peer.send({ uuid: 999, flag: RESPONSE, payload: "nonsense" });
    peer.send({ uuid: 3, flag: REQUEST, metadata: "w1|x|f", payload: { args: [], kwargs: {} } });
    peer.send(Buffer.alloc(0));
    peer.answer(request, "first");
    peer.answer(request, "second");
    assert.equal(await call, "first");
    const next = conn.rpc().echo(2);
    peer.answer(await peer.next(), "next");
    assert.equal(await next, "next");
  });
});

describe("errors of a bridge", () => {
  test("its Type is the code", async (t) => {
    const { conn, peer } = await greeted(t);
    for (const [type, code] of [["Refused", "refused"], ["NoSuchMember", "no-such-member"], ["Busy", "busy"], ["Disconnected", "disconnected"], ["TooNew", "remote"]]) {
      const pending = failureOf(conn.rpc({ serde: "msgpack" }).echo(1));
      peer.answer(await peer.next(), { args: [[type, "daffi_bridge", "a sentence", null]], kwargs: {} }, { flag: ERROR });
      const error = await pending;
      assert.deepEqual([error.code, error.member, error.method], [code, "w1", "echo"]);
      assert.match(error.message, /a sentence/);
    }
  });

  test("plain text, as the native layer writes it", async (t) => {
    const { conn, peer } = await greeted(t);
    const pending = failureOf(conn.rpc().echo(1));
    peer.answer(await peer.next(), "it broke", { flag: ERROR, decoder: RAW });
    const error = await pending;
    assert.deepEqual([error.code, error.message, error.remoteMessage], ["remote", "it broke", "it broke"]);
  });

  test("what it takes is known before sending", async (t) => {
    const { client, conn, peer } = await greeted(t, {}, { bridge: { abi: 1, maxMessage: 1000, maxBatch: 0, heartbeat: 0 } });
    assert.equal(client.bridge.maxMessage, 1000);
    const error = await failureOf(conn.rpc({ serde: "raw" }).echo(new Uint8Array(1000)));
    assert.equal(error.name, "RangeError");
    assert.match(error.message, /a message of 10\d\d bytes .* 1000 bytes/);
    assert.equal(peer.unread, 0);
  });
});

test("Chromium's message of 131,072 bytes or more is refused on the page, unless a bridge is there", async (t) => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Mozilla/5.0 HeadlessChrome/120.0.0.0" }, configurable: true });
  t.after(() => (own ? Object.defineProperty(globalThis, "navigator", own) : delete globalThis.navigator));
  const bare = await greeted(t, { name: "p" });
  const overhead = 9 + "p|w1|echo".length;
  const error = await failureOf(bare.conn.rpc({ serde: "raw" }).echo(new Uint8Array(131072 - overhead)));
  assert.equal(error.name, "RangeError");
  assert.match(error.message, /131072 bytes.*131071 bytes/);
  bare.conn.rpc({ serde: "raw" }).echo(new Uint8Array(131071 - overhead)).catch(() => {});
  assert.equal((await bare.peer.next()).payload.length, 131071 - overhead);
  const bridged = await greeted(t, { name: "p" }, { bridge: { abi: 1, maxMessage: 8388608, maxBatch: 0, heartbeat: 0 } });
  bridged.conn.rpc({ serde: "raw" }).echo(new Uint8Array(200000)).catch(() => {});
  assert.equal((await bridged.peer.next()).payload.length, 200000);
});

describe("the link's end", () => {
  test("pending calls reject at once with the server's reason; no reconnect unless asked", async (t) => {
    const { client, conn, peer } = await greeted(t);
    const events = [];
    client.addEventHandler((event) => events.push(event));
    const pending = [failureOf(conn.rpc().echo(1)), failureOf(conn.cast().echo(1)), failureOf(conn.waitForMembers("x")),
      failureOf(conn.stream().echo(async function* () { await new Promise(() => {}); }))];
    await peer.next();
    peer.socket.close(1012, "the upstream was lost");
    for (const error of await Promise.all(pending)) {
      assert.equal(error.code, "disconnected");
      assert.match(error.message, /the upstream was lost.*1012/);
    }
    assert.deepEqual(events, [{ type: "disconnected", member: client.name }]);
    assert.equal(client.state, "disconnected");
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "disconnected");
    assert.deepEqual(conn.members(), []);
  });

  test("connect() after it makes a new link, and the same Connection works", async (t) => {
    const { server, client, conn, peer } = await greeted(t);
    const lost = stateOf(client, "disconnected");
    peer.socket.terminate();
    await lost;
    assert.equal(await client.connect(), conn);
    const call = conn.rpc().echo(1);
    const again = await server.peer();
    again.answer(await again.next(), "here");
    assert.equal(await call, "here");
  });

  test("autoreconnect: back by itself, events and states in order, waiters outlive it", async (t) => {
    const { server, client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 20 });
    const events = [];
    const states = [];
    client.addEventHandler(({ type, member }) => events.push(`${type} ${member === client.name ? "self" : member}`));
    client.addEventListener("statechange", (event) => states.push([event.previous, event.state, client.state]));
    const waited = conn.waitForMembers("late");
    peer.socket.terminate();
    const again = await server.peer();
    await stateOf(client, "connected");
    again.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "late", methods: ["f"] }] } });
    again.event("connected", "late");
    await waited;
    assert.deepEqual(states, [["connected", "reconnecting", "reconnecting"], ["reconnecting", "connected", "connected"]]);
    const left = eventOf(client, ({ type }) => type === "disconnected");
    again.event("disconnected", "late");
    await left;
    assert.deepEqual(events, ["disconnected self", "connected self", "connected late", "disconnected late"]);
  });

  test("waitForMembers: news before one's own handshake's answer resolve it only when calls can be made", async (t) => {
    let connections = 0;
    const server = await startFakeServer(t, async (peer) => {
      if (connections++ > 0) {
        peer.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "early", methods: ["f"] }] } });
        peer.event("connected", "early");
      }
      return peer.greet({ members: connections > 1 ? [{ name: "early", methods: ["f"] }] : [] });
    });
    const client = makeClient(t, server.url, { autoreconnect: true, reconnectDelay: 5 });
    const conn = await client.connect();
    const waited = conn.waitForMembers("early").then(() => client.state);
    (await server.peer()).socket.terminate();
    assert.equal(await waited, "connected");
  });

  test("waitForMembers: waits while a connect() is under way, and ends with it", async (t) => {
    const { server, client, conn, peer } = await greeted(t);
    const begun = new Promise((done) => {
      client.addEventListener("statechange", ({ state }) => {
        if (state !== "disconnected") return;
        client.connect().catch(() => {});
        done();
      }, { once: true });
    });
    const before = conn.waitForMembers("w1x");
    peer.socket.terminate();
    await begun;
    const during = conn.waitForMembers("w1");
    assert.equal(client.state, "connecting");
    await during;
    const second = await server.peer();
    second.news([{ name: "w1x", methods: ["f"] }]);
    second.event("connected", "w1x");
    await before;

    const lost = stateOf(client, "disconnected");
    await server.stop();
    await lost;
    const connecting = failureOf(client.connect());
    const waiting = failureOf(conn.waitForMembers("nobody"));
    assert.equal((await connecting).code, "unreachable");
    assert.equal((await waiting).code, "unreachable");
    assert.equal((await failureOf(conn.waitForMembers("nobody"))).code, "disconnected");
  });

  test("autoreconnect: who waited for a member that the handshake lists can call it at once", async (t) => {
    const { server, client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 20 });
    const lost = stateOf(client, "reconnecting");
    peer.socket.terminate();
    await lost;
    const called = conn.waitForMembers("w1").then(() => conn.rpc({ receiver: "w1" }).echo(1));
    const again = await server.peer();
    again.answer(await again.next(), 1);
    assert.equal(await called, 1);
  });

  test("autoreconnect goes on while the server is away", async (t) => {
    const { client, server, conn } = await greeted(t, { autoreconnect: true, reconnectDelay: 5 });
    const port = Number(new URL(server.url).port);
    const lost = stateOf(client, "reconnecting");
    await server.stop();
    await lost;
    const blocker = createServer((socket) => socket.destroy());
    await new Promise((done) => blocker.listen(port, "127.0.0.1", done));
    let knocks = 0;
    await new Promise((done) => blocker.on("connection", () => { if (++knocks === 3) done(); }));
    assert.equal(client.state, "reconnecting");
    await new Promise((done) => blocker.close(done));
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "disconnected");
    client.stop();
    assert.equal(client.state, "closed");
  });

  test("evicted: pending calls reject, no reconnect", async (t) => {
    const { client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 1 });
    const events = [];
    client.addEventHandler((event) => events.push(event));
    const pending = failureOf(conn.rpc().echo(1));
    await peer.next();
    peer.event("evicted", client.name);
    assert.equal((await pending).code, "evicted");
    await peer.closed;
    assert.equal(client.state, "evicted");
    assert.deepEqual(events, [{ type: "evicted", member: client.name }]);
  });

  describe("another's eviction only removes that member until its handshake", () => {
    const EVICTED_WAIT = 2000; // as in calls.js

    /** `told(type)` tells of w1 and waits until the client has heard it; `graces` are the timers of EVICTED_WAIT that run, `pass()` lets all of them fire. */
    async function watched(t) {
      const graces = new Map();
      const { setTimeout: set, clearTimeout: clear } = globalThis;
      t.mock.method(globalThis, "setTimeout", (run, time, ...more) => {
        const timer = set(run, time === EVICTED_WAIT ? 1 << 30 : time, ...more);
        if (time === EVICTED_WAIT) graces.set(timer, run);
        return timer;
      });
      t.mock.method(globalThis, "clearTimeout", (timer) => {
        graces.delete(timer);
        clear(timer);
      });
      const link = await greeted(t);
      const told = async (type) => {
        const event = eventOf(link.client, () => true);
        link.peer.event(type, "w1");
        assert.deepEqual(await event, { type, member: "w1" });
      };
      const back = async (methods = ["echo"]) => {
        link.peer.news([{ name: "w1", methods }]);
        await link.conn.waitForMembers("w1");
      };
      const pass = () => {
        for (const [timer, run] of [...graces]) {
          clearTimeout(timer);
          run();
        }
      };
      return { ...link, told, back, graces, pass };
    }

    test("it can't be called, and then it can", async (t) => {
      const { conn, peer, told, back } = await watched(t);
      await told("evicted");
      assert.equal((await failureOf(conn.rpc().echo(1))).code, "no-such-method");
      await back();
      const call = conn.rpc().echo(1);
      peer.answer(await peer.next(), 1);
      assert.equal(await call, 1);
    });

    test("an answer that comes after it is an answer, and no timer is left", async (t) => {
      const { conn, peer, told, back, graces } = await watched(t);
      const calls = [conn.rpc().echo(1), conn.cast().echo(2)];
      const requests = [await peer.next(), await peer.next()];
      await told("evicted");
      await back();
      await told("evicted");
      assert.equal(graces.size, 2);
      for (const request of requests) peer.answer(request, "here");
      assert.deepEqual(await Promise.all(calls), ["here", { w1: "here" }]);
      assert.equal(graces.size, 0);
    });

    test("without one in time, the calls made before reject `disconnected`, those made since do not", async (t) => {
      const { conn, peer, told, back, graces, pass } = await watched(t);
      const pending = failureOf(conn.rpc().echo(1));
      await peer.next();
      await told("evicted");
      await back();
      const call = conn.rpc().echo(2);
      const request = await peer.next();
      pass();
      const error = await pending;
      assert.deepEqual([error.code, error.member, error.message], ["disconnected", "w1", "echo: w1 was evicted before it answered"]);
      assert.equal(graces.size, 0);
      peer.answer(request, 2);
      assert.equal(await call, 2);
    });

    test("when it leaves for good, they reject at once; so they do with the connection", async (t) => {
      for (const end of [({ told }) => told("disconnected"), ({ peer }) => peer.socket.terminate()]) {
        const link = await watched(t);
        const pending = failureOf(link.conn.rpc().echo(1));
        await link.peer.next();
        await link.told("evicted");
        await end(link);
        assert.equal((await pending).code, "disconnected");
        assert.equal(link.graces.size, 0);
        t.mock.restoreAll();
      }
    });

    test("a stream to it goes on when it is back with that function; else it rejects", async (t) => {
      for (const methods of [["echo"], ["other"], null]) {
        const { conn, peer, told, back, graces, pass } = await watched(t);
        const wake = [];
        const stream = conn.stream({ serde: "json" }).echo(async function* () {
          yield "first";
          await new Promise((done) => { wake.push(done); });
          yield "second";
        });
        peer.answer(await peer.next(), null);
        const last = conn.rpc().echo("last");
        peer.answer(await peer.next(), null);
        await last; // and so is the first chunk's answer read
        await told("evicted");
        if (methods) await back(methods);
        pass();
        assert.equal(graces.size, 0);
        if (methods?.includes("echo")) {
          wake[0]();
          peer.answer(await peer.next(), null);
          await stream;
        } else {
          assert.equal((await failureOf(stream)).code, "disconnected");
        }
        t.mock.restoreAll();
      }
    });
  });

  test("stop(): what waits rejects `closed`", async (t) => {
    const { client, conn, peer } = await greeted(t, { autoreconnect: true });
    const pending = [failureOf(conn.rpc().echo(1)), failureOf(conn.cast().echo(1)), failureOf(conn.waitForMembers("x")), failureOf(conn.stream().echo(["x"]))];
    await peer.next();
    client.stop();
    for (const error of await Promise.all(pending)) assert.equal(error.code, "closed");
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "closed");
    assert.throws(() => conn.rpc_nowait().echo(1), { code: "closed" });
    await peer.closed;
  });
});

describe("events", () => {
  test("a handler that throws does not stop the others; the returned function removes it", async (t) => {
    const { client, peer } = await greeted(t);
    const failed = t.mock.method(console, "error", () => {});
    const seen = [];
    client.addEventHandler(() => { throw new Error("mine"); });
    const remove = client.addEventHandler(({ type, member }) => seen.push(`${type} ${member}`));
    const first = eventOf(client, () => true);
    peer.event("connected", "a");
    await first;
    remove();
    remove();
    const second = eventOf(client, () => true);
    peer.event("disconnected", "a");
    await second;
    assert.deepEqual(seen, ["connected a"]);
    assert.equal(failed.mock.callCount(), 2);
  });

  test("for await over client.events(), until stop()", async (t) => {
    const { client, peer } = await greeted(t);
    const seen = [];
    const all = (async () => {
      for await (const { type, member } of client.events()) {
        seen.push(`${type} ${member}`);
        if (seen.length === 2) client.stop();
      }
    })();
    peer.event("connected", "a");
    peer.event("disconnected", "a");
    await all;
    assert.deepEqual(seen, ["connected a", "disconnected a"]);
    for await (const event of client.events()) assert.fail(String(event));
  });
});

describe("streams", () => {
  test("a window of chunks may be unanswered", async (t) => {
    const { conn, peer } = await greeted(t);
    let made = 0;
    const done = conn.stream({ serde: "json", window: 3 }).echo(function* () { while (made < 10) yield made++; });
    const requests = [];
    for (let i = 0; i < 3; i++) requests.push(await peer.next());
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([peer.unread, made], [0, 3]);
    for (let answered = 0; answered < 10; answered++) {
      peer.answer(requests.shift(), null);
      if (answered < 7) requests.push(await peer.next());
    }
    await done;
    assert.equal(made, 10);
  });

  test("stream_nowait waits for no answer, but for the socket's buffer", async (t) => {
    const { default: WebSocket } = await import("ws");
    let buffered = 0;
    class Slow extends WebSocket {
      get bufferedAmount() { return buffered; }
    }
    const { conn, peer } = await greeted(t, { WebSocket: Slow });
    let made = 0;
    const done = conn.stream_nowait().echo(function* () {
      while (made < 5) {
        if (made === 2) buffered = 2 << 20;
        made++;
        yield "x";
      }
    });
    for (let i = 0; i < 3; i++) assert.equal((await peer.next()).returnResult, false);
    assert.equal(made, 3);
    buffered = 0;
    await done;
    assert.equal(made, 5);
  });

  test("stream_nowait waits while a bare server's link is being replaced", async (t) => {
    const { server, client, conn, peer } = await greeted(t);
    const size = 1024;
    const count = 3000;
    let made = 0;
    const told = client.expose({ f() {} });
    const done = conn.stream_nowait().echo(function* () {
      while (made < count) {
        const chunk = new Uint8Array(size);
        new DataView(chunk.buffer).setUint32(0, made++);
        yield chunk;
      }
    });
    const arrived = [];
    const note = ({ payload }) => arrived.push(payload.readUInt32BE(0));
    let probe;
    for (probe = await peer.next(); probe.flag === REQUEST; probe = await peer.next()) note(probe);
    assert.ok(made * size <= 1048576 + 10 * size, `${made} chunks were taken before there was a link to send them by`);
    peer.send({ uuid: probe.uuid, flag: RESPONSE, metadata: `${client.name}|${client.name}|`, payload: probe.payload });
    const second = await server.peer();
    while (arrived.length < count) note(await second.next());
    await Promise.all([done, told]);
    assert.deepEqual(arrived, [...Array(count).keys()]);
  });

  test("an aborted one takes no more of its source, and closes it once", async (t) => {
    let buffered = 2 << 20;
    let read = () => {};
    class Slow extends WebSocket {
      get bufferedAmount() {
        read();
        return buffered;
      }
    }
    const { conn, peer } = await greeted(t, { WebSocket: Slow });
    for (const style of ["stream", "stream_nowait"]) {
      const asked = { next: 0, return: 0 };
      const source = {
        [Symbol.iterator]() { return this; },
        next: () => { asked.next++; return { done: false, value: "x" }; },
        return: () => { asked.return++; return { done: true }; },
      };
      const controller = new AbortController();
      buffered = 2 << 20;
      const draining = new Promise((done) => { read = done; });
      const stream = failureOf(conn[style]({ signal: controller.signal }).echo(source));
      await draining;
      controller.abort();
      assert.equal((await stream).code, "aborted");
      const drained = new Promise((done) => { read = done; });
      buffered = 0;
      await drained;
      await new Promise((done) => { setImmediate(done); }); // all that follows from it
      assert.deepEqual(asked, { next: 0, return: 1 }, style);
    }
    assert.equal(peer.unread, 0);
  });

  test("one that is aborted by its own source, or while that makes a chunk, closes it once", async (t) => {
    const { conn } = await greeted(t);
    for (const wait of [false, true]) {
      const controller = new AbortController();
      let closed = 0;
      let allClosed;
      const closing = new Promise((done) => { allClosed = done; });
      const stream = failureOf(conn.stream({ signal: controller.signal }).echo(async function* () {
        try {
          controller.abort();
          if (wait) await null;
          yield "x";
        } finally {
          closed++;
          allClosed();
        }
      }));
      assert.equal((await stream).code, "aborted");
      await closing;
      assert.equal(closed, 1);
    }
  });
});

test("what is not there is told with what is: members that have functions, and a name that was nearly hit", async (t) => {
  const members = [{ name: "worker-A", methods: ["add", "get_user", "echo"] }, { name: "page-7", methods: null }, { name: "worker-B", methods: ["add", "ping"] }];
  const said = async (members, call) => {
    const server = await startFakeServer(t, (peer) => peer.greet({ members }));
    return (await failureOf(call(await makeClient(t, server.url, { name: "me" }).connect()))).message;
  };
  for (const [typed, meant] of Object.entries({ ad: "add", addd: "add", asd: "add", add_: "add", getUser: "get_user", pin: "ping", Echo: "echo" })) {
    assert.equal(await said(members, (conn) => conn.rpc()[typed]()), `no connected member exposes a function "${typed}"; did you mean "${meant}"?`);
  }
  const short = [{ name: "w", methods: ["f", "ok"] }];
  assert.equal(await said(short, (conn) => conn.rpc().x()), 'no connected member exposes a function "x"; members with functions: w');
  const listed = "members with functions: worker-A, worker-B";
  for (const typed of ["subtract", "ma", "(", "adding", "e"]) {
    assert.equal(await said(members, (conn) => conn.cast()[typed]()), `no connected member exposes a function "${typed}"; ${listed}`);
  }
  assert.equal(await said(members, (conn) => conn.rpc({ receiver: "worker-A" }).pong()), '"worker-A" exposes no function "pong"');
  assert.equal(await said(members, (conn) => conn.rpc({ receiver: "worker-B" }).pong()), '"worker-B" exposes no function "pong"; did you mean "ping"?');
  assert.equal(await said(members, (conn) => conn.rpc({ receiver: "worker-C" }).add()), `add: no member "worker-C" is connected; ${listed}`);
  assert.equal(await said([], (conn) => conn.rpc().add()), 'no connected member exposes a function "add"; members with functions: none');
  assert.equal(await said(members, (conn) => conn.waitForMembers("worker-C", { timeout: 20 })), `waitForMembers: worker-C did not appear within 20 ms; ${listed}`);
});

describe("the stack of an error says who awaited the call", () => {
  const failing = {
    remote: async (conn, peer) => {
      const call = conn.rpc().echo(1);
      peer.answer(await peer.next(), { args: [["ValueError", "builtins", "no", null]], kwargs: {} }, { flag: ERROR });
      return call;
    },
    timeout: (conn) => conn.rpc({ timeout: 5 }).echo(1),
    aborted: (conn) => conn.rpc({ signal: AbortSignal.timeout(5) }).echo(1),
    disconnected: (conn, peer) => {
      const call = conn.rpc().echo(1);
      peer.send({ flag: EVENTS, metadata: "||", payload: { type: "disconnected", member: "w1" } });
      return call;
    },
    "timeout of waitForMembers": (conn) => conn.waitForMembers("w9", { timeout: 5 }),
  };
  for (const [code, fail] of Object.entries(failing)) {
    test(code, async (t) => {
      const { conn, peer } = await greeted(t);
      async function whoeverCalls() {
        await fail(conn, peer);
      }
      async function whoeverCallsSeveral() {
        await Promise.all([1, fail(conn, peer)]);
      }
      const error = await failureOf(whoeverCalls());
      assert.equal(error.code, code.split(" ")[0]);
      assert.match(error.stack, /^DaffiError: [^\n]*\n.*\bwhoeverCalls \(\S+link\.test\.mjs:\d+/s);
      if (code !== "disconnected" && code !== "remote") assert.match((await failureOf(whoeverCallsSeveral())).stack, /\bwhoeverCallsSeveral \(\S+link\.test\.mjs:\d+/);
    });
  }

  test("a source's own error keeps its own", async (t) => {
    const { conn } = await greeted(t);
    const error = await failureOf(conn.stream().echo(function* whoeverMakesChunks() {
      yield "a";
      throw new Error("mine");
    }));
    assert.match(error.stack, /^Error: mine\n.*whoeverMakesChunks/);
  });
});
