// How long the client waits for what, to the millisecond: a WebSocket that the test moves, and timers that it lets fire.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureOf, makeClient } from "./peers.mjs";
import { HANDSHAKE, decode, encode } from "./fake_server.mjs";

/** A client in a world where nothing happens by itself. `socket(count)` promises the WebSocket of that number, `timers()` are those that run: { time, fire() }. */
function stillWorld(t, options) {
  const sockets = [];
  class Still {
    bufferedAmount = 0;
    sent = [];
    constructor() { sockets.push(this); }
    send(bytes) { this.sent.push(Buffer.from(bytes)); }
    close() { this.closed = true; }
    /** Opens, and answers the handshake. */
    greet(bridge) {
      this.onopen();
      const { uuid, transmitter } = decode(this.sent.shift());
      const payload = { meta: { type: "router", error: null, ...(bridge && { bridge }) }, members: [{ name: "w1", methods: ["echo"] }] };
      this.onmessage({ data: new Uint8Array(encode({ uuid, flag: HANDSHAKE, metadata: `${transmitter}||`, payload })).buffer });
    }
    drop() { this.onclose({ code: 1006, reason: "" }); }
  }
  const timers = new Map();
  t.mock.method(globalThis, "setTimeout", (run, time) => {
    const id = {};
    timers.set(id, { time, fire: () => { timers.delete(id); run(); } });
    return id;
  });
  t.mock.method(globalThis, "clearTimeout", (id) => timers.delete(id));
  t.mock.method(Math, "random", () => 1); // back-off without its random part
  const client = makeClient(t, "ws://127.0.0.1:1", { name: "me", WebSocket: Still, ...options });
  const turn = () => new Promise((done) => { setImmediate(done); });
  /** The WebSocket number `count`, once there is one. */
  const socket = async (count) => {
    while (sockets.length < count) await turn();
    await turn();
    return sockets[count - 1];
  };
  return { client, socket, timers: () => [...timers.values()], times: () => [...timers.values()].map(({ time }) => time) };
}

describe("connect()", () => {
  test("a socket that does not open in 10 s: `unreachable`, and it is closed", async (t) => {
    const { client, socket, timers, times } = stillWorld(t);
    const connecting = failureOf(client.connect());
    const first = await socket(1);
    assert.deepEqual(times(), [10000]);
    timers()[0].fire();
    const error = await connecting;
    assert.deepEqual([error.code, error.message], ["unreachable", "ws://127.0.0.1:1/ did not open within 10 s"]);
    assert.deepEqual([first.closed, client.state, times()], [true, "disconnected", []]);
  });

  test("the 5 s for the server's answer begin as the socket opens", async (t) => {
    const { client, socket, timers, times } = stillWorld(t);
    const connecting = failureOf(client.connect());
    const first = await socket(1);
    first.onopen();
    assert.deepEqual(times(), [5000]);
    timers()[0].fire();
    const error = await connecting;
    assert.deepEqual([error.code, error.message], ["timeout", "ws://127.0.0.1:1/ did not answer the handshake within 5 s"]);
    assert.deepEqual([first.closed, client.state, times()], [true, "disconnected", []]);
  });
});

describe("autoreconnect", () => {
  for (const [title, options, expected] of [
    ["2 s by default, doubled after each failure up to 60 s", {}, [2000, 4000, 8000, 16000, 32000, 60000, 60000]],
    ["reconnectDelay instead", { reconnectDelay: 7 }, [7, 14, 28, 56]],
    ["never later than 60 s", { reconnectDelay: Infinity }, [60000, 60000]],
  ]) {
    test(`${title}; after a success from the beginning`, async (t) => {
      const { client, socket, timers, times } = stillWorld(t, { autoreconnect: true, ...options });
      const conn = client.connect();
      (await socket(1)).greet();
      await conn;
      let count = 1;
      for (let round = 0; round < 2; round++) {
        for (const delay of expected) {
          (await socket(count)).drop();
          assert.deepEqual([client.state, times()], ["reconnecting", [delay]]);
          timers()[0].fire();
          await socket(++count);
        }
        (await socket(count)).greet();
        assert.deepEqual([client.state, times()], ["connected", []]);
      }
    });
  }
});

const connected = async (t) => {
  const world = stillWorld(t);
  const connecting = world.client.connect();
  const only = await world.socket(1);
  only.greet();
  return { ...world, only, conn: await connecting };
};

test("a stream without answers waits while more than 1 MiB is unsent, looking every 5 ms, and not before", async (t) => {
  const { conn, only, timers, times } = await connected(t);
  only.bufferedAmount = 1048576;
  await conn.stream_nowait().echo(["a", "b"]);
  assert.deepEqual([only.sent.length, times()], [2, []]);
  only.bufferedAmount++;
  const stream = conn.stream_nowait().echo(["c"]);
  for (let look = 0; look < 3; look++) {
    assert.deepEqual([only.sent.length, times()], [2, [5]]);
    if (look === 2) only.bufferedAmount--;
    timers()[0].fire();
    await new Promise((done) => { setImmediate(done); });
  }
  await stream;
  assert.deepEqual([only.sent.length, times()], [3, []]);
});

describe("a call", () => {
  test("waits as long as it is told, also where that is more than a timer takes; null, undefined and Infinity are for ever", async (t) => {
    const { conn, times, client } = await connected(t);
    const given = [1, 0.5, 2147483647, 2147483648, 2 ** 40, Number.MAX_VALUE, null, undefined, Infinity];
    const calls = given.map((timeout) => failureOf(conn.rpc({ timeout }).echo(1)));
    assert.deepEqual(times(), [1, 0.5, ...Array(4).fill(2147483647)]);
    calls.push(failureOf(conn.waitForMembers("nobody", { timeout: 2 ** 40 })));
    assert.equal(times().at(-1), 2147483647);
    client.stop();
    assert.deepEqual([...new Set((await Promise.all(calls)).map(({ code }) => code))], ["closed"]);
    assert.deepEqual(times(), []);
  });
});

describe("the largest message", () => {
  for (const [title, bridge, bytes, why] of [
    ["of the wire: 33,554,431 bytes of metadata and payload", undefined, 33554440, "the wire"],
    ["of the wire, where the bridge would take more", { abi: 1, maxMessage: 2000000000, maxBatch: 0, heartbeat: 0 }, 33554440, "the bridge"],
    ["of a bridge", { abi: 1, maxMessage: 1000, maxBatch: 0, heartbeat: 0 }, 1000, "the bridge"],
  ]) {
    test(`${title}: goes; with one byte more it is refused, both sizes named`, async (t) => {
      const { client, socket } = stillWorld(t);
      const connecting = client.connect();
      const only = await socket(1);
      only.greet(bridge);
      const conn = await connecting;
      const rest = 9 + "me|w1|echo".length;
      conn.rpc_nowait({ serde: "raw" }).echo(new Uint8Array(bytes - rest));
      assert.equal(only.sent.shift().length, bytes);
      assert.throws(() => conn.rpc_nowait({ serde: "raw" }).echo(new Uint8Array(bytes - rest + 1)),
        { name: "RangeError", message: `echo: a message of ${bytes + 1} bytes is too large: ${why} takes ${bytes} bytes` });
      assert.equal(only.sent.length, 0);
    });
  }
});
