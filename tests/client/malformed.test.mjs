// Messages that are none, and answers that nobody asked for: a scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureOf } from "./peers.mjs";
import { ERROR, EVENTS, HANDSHAKE, MSGPACK, PICKLE, REQUEST, RESPONSE, encode } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

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
