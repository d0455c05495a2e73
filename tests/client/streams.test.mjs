// Streams of chunks, and the WebSocket that they go by: a scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import WebSocket from "ws";
import { failureOf } from "./peers.mjs";
import { REQUEST, RESPONSE } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

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
