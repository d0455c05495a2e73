// What daffi.js does better with a bridge: several messages in one WebSocket message, and signs of life.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { eventOf, failureOf, makeClient, stateOf } from "./peers.mjs";
import { EVENTS, RAW, RESPONSE, encode, sizesIn, startFakeServer } from "./fake_server.mjs";

/** A client greeted by a bridge with that offer; `frames` are the WebSocket messages that come after the handshake. */
async function bridged(t, offer, options = {}) {
  const frames = [];
  const server = await startFakeServer(t, async (peer) => {
    await peer.greet({ bridge: { abi: 1, maxMessage: 8388608, maxBatch: 0, heartbeat: 0, ...offer } });
    peer.socket.on("message", (data) => frames.push(data));
  });
  const client = makeClient(t, server.url, options);
  const conn = await client.connect();
  return { server, client, conn, peer: await server.peer(), frames };
}

const result = (peer, uuid, value) =>
  encode({ uuid, flag: RESPONSE, metadata: `w1|${peer.name}|add`, payload: { args: [value], kwargs: {} } });

/** Resolves when that many WebSocket messages came. */
const framesOf = async ({ peer, frames }, count) => {
  while (frames.length < count) await new Promise((done) => peer.socket.once("message", done));
  return frames;
};

describe("batches out", () => {
  test("calls of one turn leave in one message, whole and in order; those of the next in another", async (t) => {
    const link = await bridged(t, { maxBatch: 65536 });
    for (let i = 0; i < 20; i++) link.conn.rpc().add(i, "x".repeat(i)).catch(() => {});
    await Promise.resolve();
    await Promise.resolve();
    link.conn.rpc().add(20).catch(() => {});
    const [first, second] = await framesOf(link, 2);
    assert.equal(sizesIn(first).length, 20);
    assert.deepEqual(sizesIn(first).map((size) => size - sizesIn(first)[0]).slice(0, 10), [...Array(10).keys()]);
    assert.equal(sizesIn(second).length, 1);
  });

  test("one call alone has left before the next turn begins", async (t) => {
    const left = [];
    class Recorder extends WebSocket {
      send(bytes) {
        left.push(bytes.length);
        super.send(bytes);
      }
    }
    const { conn } = await bridged(t, { maxBatch: 65536 }, { WebSocket: Recorder });
    left.length = 0;
    conn.rpc().add(1).catch(() => {});
    const nextTurn = new Promise((done) => setImmediate(done));
    await null;
    assert.equal(left.length, 1);
    await nextTurn;
    assert.equal(left.length, 1);
  });

  test("no batch is larger than the bridge said; a message that is goes alone, in its place", async (t) => {
    const link = await bridged(t, { maxBatch: 500 });
    const lengths = [100, 100, 100, 2000, 100, 400, 100];
    for (const length of lengths) link.conn.rpc({ serde: "raw" }).echo(new Uint8Array(length)).catch(() => {});
    while (link.frames.flatMap(sizesIn).length < lengths.length) await framesOf(link, link.frames.length + 1);
    const overhead = sizesIn(link.frames[0])[0] - 100;
    assert.deepEqual(link.frames.flatMap(sizesIn).map((size) => size - overhead), lengths);
    for (const frame of link.frames) assert.ok(frame.length <= 500 || sizesIn(frame).length === 1, `${sizesIn(frame)}`);
  });

  test("a bridge that takes none, and a bare server, get one each", async (t) => {
    const link = await bridged(t, {});
    for (let i = 0; i < 5; i++) link.conn.rpc().add(i).catch(() => {});
    assert.deepEqual((await framesOf(link, 5)).map((frame) => sizesIn(frame).length), [1, 1, 1, 1, 1]);
  });

  test("what a turn sent before stop() leaves before the link is closed; its calls reject `closed`, nothing throws", async (t) => {
    const link = await bridged(t, { maxBatch: 65536 });
    const pending = failureOf(link.conn.rpc().add(1));
    link.conn.rpc_nowait().add(2);
    link.client.stop();
    assert.equal((await pending).code, "closed");
    assert.equal(sizesIn((await framesOf(link, 1))[0]).length, 2);
  });
});

describe("batches in", () => {
  test("each message is taken, at every place where the batch can be cut into two", async (t) => {
    const { conn, peer } = await bridged(t, { maxBatch: 65536 });
    for (let cut = 0; cut <= 4; cut++) {
      const calls = Array.from({ length: 4 }, (_, i) => conn.rpc().add(i));
      const requests = await Promise.all(calls.map(() => peer.next()));
      const answers = requests.map(({ uuid }, i) => result(peer, uuid, i * 10));
      for (const part of [answers.slice(0, cut), answers.slice(cut)]) if (part.length > 0) peer.send(Buffer.concat(part));
      assert.deepEqual(await Promise.all(calls), [0, 10, 20, 30]);
    }
  });

  test("an eviction in the middle ends the link there: what is behind it is not taken", async (t) => {
    const { client, conn, peer } = await bridged(t, { maxBatch: 65536 });
    const call = failureOf(conn.rpc().add(1));
    const { uuid } = await peer.next();
    peer.send(Buffer.concat([encode({ flag: EVENTS, payload: { type: "evicted", member: peer.name } }), result(peer, uuid, 1)]));
    assert.equal((await call).code, "evicted");
    assert.equal(client.state, "evicted");
  });

  for (const [what, behind] of [["a piece of a header", Buffer.from([1, 2, 3])], ["nonsense", Buffer.alloc(40, 255)]]) {
    test(`${what} behind a whole message is a fault`, async (t) => {
      const { client, conn, peer } = await bridged(t, { maxBatch: 65536 });
      const first = conn.rpc().add(1), second = failureOf(conn.rpc().add(2));
      const [{ uuid }] = [await peer.next(), await peer.next()];
      peer.send(Buffer.concat([result(peer, uuid, 3), behind]));
      assert.equal(await first, 3);
      assert.equal((await second).code, "protocol");
      assert.equal(client.state, "disconnected");
    });
  }
});

describe("signs of life", () => {
  // 200 ms for each: server and client are one process, which a busy machine may leave alone for a while
  test("a bridge that falls silent is asked, then given up: pending calls reject `disconnected`, and the page reconnects", async (t) => {
    const { server, client, conn, peer, frames } = await bridged(t, { heartbeat: 400 }, { autoreconnect: true, reconnectDelay: 0.01 });
    const lost = eventOf(client, ({ type }) => type === "disconnected");
    const call = failureOf(conn.rpc().add(1));
    const error = await call;
    assert.equal(error.code, "disconnected");
    assert.match(error.message, /gave no sign of life for 0\.6 s/);
    assert.equal((await lost).member, peer.name);
    assert.ok(frames.some((frame) => frame.length === 0), "it was asked by an empty message");
    await server.peer();
    await stateOf(client, "connected");
  });

  test("one that answers when asked stays; so does one that speaks by itself", async (t) => {
    const { client, conn, peer } = await bridged(t, { heartbeat: 400 });
    let asked = 0;
    const enough = new Promise((done) => peer.socket.on("message", (data) => {
      if (data.length > 0) return;
      peer.socket.send(Buffer.alloc(0));
      if (++asked === 3) done();
    }));
    await enough;
    assert.equal(client.state, "connected");
    const call = conn.rpc().add(1);
    const { uuid } = await peer.next();
    peer.send(result(peer, uuid, 5));
    assert.equal(await call, 5);
  });

  test("the notice of a large message gives it time to come over a slow line", async (t) => {
    const { client, conn, peer } = await bridged(t, { heartbeat: 400 });
    const lost = new Promise((done) => client.addEventListener("statechange", () => done("lost"), { once: true }));
    const call = conn.rpc({ serde: "raw" }).echo(new Uint8Array(9));
    const { uuid } = await peer.next();
    peer.socket.send(Buffer.from([0x00, 0x20, 0, 0])); // 8,192 bytes: half a second of the slowest line
    assert.equal(await Promise.race([lost, new Promise((done) => setTimeout(() => done("there"), 800))]), "there");
    peer.send({ uuid, flag: RESPONSE, decoder: RAW, isBytes: true, metadata: `w1|${peer.name}|echo`, payload: Buffer.alloc(8000) });
    assert.equal((await call).length, 8000);
    assert.equal(await lost, "lost"); // from then on it is awaited as ever
  });

  /** From here on the clock shows `ms` more. */
  function putClock(t, ms) {
    const { now } = Date;
    t.after(() => { Date.now = now; });
    Date.now = () => now() + ms;
  }

  test("a silent bridge is given up though the clock was put back", async (t) => {
    const { conn } = await bridged(t, { heartbeat: 400 });
    const call = failureOf(conn.rpc().add(1));
    putClock(t, -3600000);
    assert.match((await call).message, /gave no sign of life/);
  });

  test("a bridge that answers stays though the clock was put forward", async (t) => {
    const { client, peer } = await bridged(t, { heartbeat: 400 });
    const asked = new Promise((done) => peer.socket.on("message", (data) => {
      peer.socket.send(data);
      done();
    }));
    putClock(t, 3600000);
    await asked;
    await new Promise((done) => setTimeout(done, 200)); // twice the time it has to answer
    assert.equal(client.state, "connected");
  });

  test("a sign of life that no timer can wait for: nobody turns in circles", async (t) => {
    const warnings = []; // of Node, which makes such a time a millisecond
    const hear = (warning) => warnings.push(warning.name);
    process.on("warning", hear);
    t.after(() => process.off("warning", hear));
    await bridged(t, { heartbeat: 2147483647 });
    await new Promise((done) => setTimeout(done, 20));
    assert.deepEqual(warnings, []);
  });

  test("no sign of life is awaited of a bridge that promises none", async (t) => {
    const { client, frames } = await bridged(t, { heartbeat: 0 });
    await new Promise((done) => setTimeout(done, 150));
    assert.equal(client.state, "connected");
    assert.equal(frames.length, 0);
  });
});
