// Values there and back, against a real Service.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import { DaffiClient, makeClient, startService } from "./peers.mjs";

let service, client, conn;
before(async (t) => {
  service = await startService();
  const { default: WebSocket } = await import("ws");
  client = new DaffiClient("values", { wsUrl: service.url, WebSocket });
  conn = await client.connect();
});
after(async () => {
  client.stop();
  await service.stop();
});

/** A small generator, the same each run: what fails can be run again. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomText(random) {
  const alphabet = ["a", "Z", " ", "\"", "\\", "\u0000", "\n", "é", "€", "😀", "\u2028", "{", "|"];
  return Array.from({ length: Math.floor(random() * 12) }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");
}

function randomValue(random, depth, leaves) {
  const kind = Math.floor(random() * (depth > 0 ? 9 : 6));
  if (kind >= 7) return Object.fromEntries(Array.from({ length: Math.floor(random() * 5) }, (_, i) => [`${i}${randomText(random)}x`, randomValue(random, depth - 1, leaves)]));
  if (kind === 6) return Array.from({ length: Math.floor(random() * 6) }, () => randomValue(random, depth - 1, leaves));
  return [() => null, () => random() < 0.5, () => Math.floor((random() - 0.5) * 2 ** (random() * 54)), () => (random() - 0.5) * 10 ** (random() * 600 - 300),
    () => randomText(random), () => leaves[Math.floor(random() * leaves.length)](random)][kind]();
}

describe("json", () => {
  test("what JSON does", async () => {
    for (const value of [null, true, 0, -0.5, 1e300, "", "é€😀\u0000\u2028", [], {}, [[1], { a: { b: [null] } }], { __proto__: null, toString: 1 }]) {
      assert.deepEqual(await conn.rpc({ serde: 1 }).echo(value), JSON.parse(JSON.stringify(value)));
    }
    assert.equal(await conn.rpc().echo(undefined), null);
    assert.equal(await conn.rpc().echo(NaN), null);
    assert.equal(await conn.rpc().echo(new Date(0)), "1970-01-01T00:00:00.000Z");
  });

  test("random values", async () => {
    const random = randomFrom(1);
    for (let i = 0; i < 300; i++) {
      const value = randomValue(random, 4, [() => 0]);
      assert.deepEqual(await conn.rpc({ timeout: 10000 }).echo(value), JSON.parse(JSON.stringify(value)));
    }
  });
});

describe("msgpack", () => {
  const echo = (value) => conn.rpc({ timeout: 10000, serde: "msgpack" }).echo(value);

  test("scalars", async () => {
    for (const value of [null, true, false, 0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -1, -32, -33, -128, -129, -32769, -(2 ** 31), -(2 ** 31) - 1,
      Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.5, -0.1, 1e300, 5e-324, Infinity, -Infinity, "", "é€😀\u0000", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256)]) {
      assert.deepEqual(await echo(value), value);
    }
    assert.ok(Number.isNaN(await echo(NaN)));
    assert.equal(await echo(undefined), null);
  });

  test("integers past 2^53 come back as BigInt, others as numbers", async () => {
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n, 9007199254740993n]) assert.equal(await echo(value), value);
    assert.equal(await echo(5n), 5);
    assert.equal(await echo(2n ** 53n - 1n), 2 ** 53 - 1);
  });

  test("binaries", async () => {
    assert.deepEqual(await echo(new Uint8Array([0, 1, 255])), new Uint8Array([0, 1, 255]));
    assert.deepEqual(await echo(new Uint8Array(0)), new Uint8Array(0));
    assert.deepEqual(await echo(new Uint16Array([1, 258]).subarray(1)), new Uint8Array([2, 1]));
    assert.deepEqual(await echo(new DataView(new Uint8Array([1, 2, 3]).buffer, 1)), new Uint8Array([2, 3]));
    assert.deepEqual(await echo(new Uint8Array([9]).buffer), new Uint8Array([9]));
    const large = new Uint8Array(100000).map((_, i) => i * 7);
    const back = await echo([large, "text", large.subarray(0, 300)]);
    assert.deepEqual(back[0], large);
    assert.equal(back[1], "text");
    assert.equal(back[0].byteLength, back[0].buffer.byteLength);
  });

  test("dates", async () => {
    for (const time of [0, 1, 999, 1700000000123, -1, -62135596800000, 8640000000000]) assert.deepEqual(await echo(new Date(time)), new Date(time));
    assert.equal((await conn.rpc({ serde: "msgpack" }).kind(new Date(1500)))[0], "Timestamp");
  });

  test("maps, arrays, plain objects", async () => {
    assert.deepEqual(await echo(new Map([[1, "a"], [2, "b"]])), new Map([[1, "a"], [2, "b"]]));
    assert.deepEqual(await echo(new Map([["x", 1]])), { x: 1 });
    assert.deepEqual(await echo({ a: undefined, b: [undefined] }), { a: null, b: [null] });
    assert.deepEqual(await echo(Array.from({ length: 70000 }, (_, i) => i)), Array.from({ length: 70000 }, (_, i) => i));
    const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key ${i}`, i]));
    assert.deepEqual(await echo(wide), wide);
    assert.deepEqual(await echo(JSON.parse("{\"__proto__\": 1}")), JSON.parse("{\"__proto__\": 1}"));
    class Point { constructor() { this.x = 1; } }
    assert.deepEqual(await echo(new Point()), { x: 1 });
    let deep = 1;
    for (let i = 0; i < 300; i++) deep = [deep];
    assert.deepEqual(await echo(deep), deep);
  });

  test("what another realm made, as the page of an iframe", async () => {
    const there = runInNewContext("({ date: new Date(5), map: new Map([[1, new Map([['x', [null]]])]]), bytes: new Uint8Array([7]), buffer: new Uint8Array([8]).buffer, list: [1], plain: { a: 1 } })");
    assert.deepEqual(await echo(there), { date: new Date(5), map: new Map([[1, { x: [null] }]]), bytes: new Uint8Array([7]), buffer: new Uint8Array([8]), list: [1], plain: { a: 1 } });
  });

  test("as deep as Python packs it again; what is deeper is refused", async () => {
    const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
    assert.deepEqual(await echo(nested(498)), nested(498));
    await assert.rejects(echo(nested(499)), { name: "TypeError", message: /nests deeper than 500, or holds itself/ });
  });

  test("long texts, at every place of the window's edge", async () => {
    for (let length = 16360; length < 16390; length++) assert.deepEqual(await echo(["x".repeat(length), length, "é"]), ["x".repeat(length), length, "é"]);
    assert.equal(await echo("é".repeat(100000)), "é".repeat(100000));
  });

  test("random values", async () => {
    const random = randomFrom(7);
    const leaves = [() => new Uint8Array([1, 2, 0]), (r) => new Date(Math.floor(r() * 4e12)), (r) => 2n ** 53n + BigInt(Math.floor(r() * 2 ** 52)), () => new Map([[1, 2], ["x", true]])];
    for (let i = 0; i < 300; i++) {
      const value = randomValue(random, 4, leaves);
      assert.deepEqual(await echo(value), Object.is(value, -0) ? 0 : value);
    }
  });

  test("Python sees what was meant", async () => {
    const { kind } = conn.rpc({ serde: 3 });
    assert.deepEqual([await kind(3), await kind(2.5), await kind(new Uint8Array([1])), await kind("x"), await kind(2n ** 64n - 1n), await kind(null)],
      [["int", "3"], ["float", "2.5"], ["bytes", "b'\\x01'"], ["str", "'x'"], ["int", "18446744073709551615"], ["NoneType", "None"]]);
  });
});

test("a text that begins with U+FEFF keeps it, in each serde", async () => {
  for (const text of ["\ufeff", "\ufeffshort", `\ufeff${"long".repeat(100)}`]) {
    for (const serde of ["json", "msgpack"]) assert.deepEqual(await conn.rpc({ serde, timeout: 10000 }).echo([text, { [text]: text }]), [text, { [text]: text }]);
    assert.equal(DaffiClient.text(await conn.rpc({ serde: "raw", timeout: 10000 }).echo(text)), text);
  }
});

describe("raw", () => {
  const raw = () => conn.rpc({ timeout: 10000, serde: "raw" });

  test("comes back a Uint8Array always, zero bytes included", async () => {
    const bytes = new Uint8Array(70000).map((_, i) => i % 5);
    assert.deepEqual(await raw().echo(bytes), bytes);
    assert.deepEqual(await raw().echo("{\"args\": [1]}"), new TextEncoder().encode("{\"args\": [1]}"));
    assert.equal(DaffiClient.text(await raw().echo("grüße")), "grüße");
    assert.deepEqual(await raw().echo(new Uint8Array(0)), new Uint8Array(0));
    assert.deepEqual(await raw().echo(new Uint16Array([1, 2]).subarray(1)), new Uint8Array([2, 0]));
    assert.deepEqual(await raw().echo(new Uint8Array([5]).buffer), new Uint8Array([5]));
  });

  test("its buffer is its own", async () => {
    const answer = await raw().echo(new Uint8Array([1, 2, 3]));
    assert.deepEqual([answer.byteOffset, answer.buffer.byteLength], [0, 3]);
  });

  test("a view into something larger goes alone", async () => {
    assert.deepEqual(await raw().echo(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), new Uint8Array([2, 3]));
  });
});
