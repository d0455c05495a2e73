// msgpack through the built app.wasm's window.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, BAD, MORE, TOO_LARGE, WINDOW, fromHex, toHex, vectors } from "./app.mjs";

const app = new App();
const KINDS = ["nil", "bool", "int", "uint", "double", "text", "bytes", "array", "map", "timestamp", "extension"];
const write = {
  nil: (at) => app.call.pack_nil(at),
  bool: (at, { integer }) => app.call.pack_bool(at, Number(integer)),
  int: (at, { integer }) => app.call.pack_int64(at, BigInt(integer)),
  uint: (at, { natural }) => app.call.pack_uint64(at, BigInt.asIntN(64, BigInt(natural))),
  double: (at, { real }) => app.call.pack_number(at, real),
  text: (at, { length }) => app.call.pack_text(at, length),
  binary: (at, { length }) => app.call.pack_binary(at, length),
  array: (at, { length }) => app.call.pack_array(at, length),
  map: (at, { length }) => app.call.pack_map(at, length),
  timestamp: (at, { integer, nanoseconds }) => app.call.pack_timestamp(at, BigInt(integer), nanoseconds),
};

describe("heads", () => {
  for (const given of vectors("core/msgpack.json")) {
    test(given.name, () => {
      const bytes = fromHex(given.hex);
      const at = WINDOW - bytes.length; // nothing behind it can be looked at
      app.window.set(bytes, at);
      const next = app.call.unpack(at, WINDOW);
      if (given.kind === "more" || given.kind === "bad") {
        assert.equal(next, given.kind === "more" ? MORE : BAD);
        return;
      }
      assert.equal(next, WINDOW);
      assert.equal(KINDS[app.fields[0]], given.kind);
      if (given.integer !== undefined) assert.equal(app.int64(4), BigInt(given.integer));
      if (given.natural !== undefined) assert.equal(BigInt.asUintN(64, app.int64(4)), BigInt(given.natural));
      if (given.real !== undefined) assert.ok(Object.is(app.float64(6), given.real === 0 ? -0 : given.real));
      if (given.kind === "int") assert.equal(app.float64(6), Number(given.integer));
      if (given.length !== undefined) assert.equal(app.fields[2] >>> 0, given.length);
      if (given.nanoseconds !== undefined) assert.equal(app.fields[8], given.nanoseconds);
      if (given.extension_type !== undefined) assert.equal(app.fields[1], given.extension_type);
      for (let end = at; end < WINDOW; end++) assert.equal(app.call.unpack(at, end), MORE);
      if (given.writes === undefined) return;
      assert.equal(write[given.writes](7, given), 7 + bytes.length);
      assert.equal(toHex(app.window.slice(7, 7 + bytes.length)), given.hex);
    });
  }
});

test("a number is an integer where JavaScript's is exact, else a double", () => {
  for (const [number, first] of [[0, 0x00], [-0, 0xcb], [7, 0x07], [-1, 0xff], [2 ** 31, 0xce], [Number.MAX_SAFE_INTEGER, 0xcf],
    [Number.MIN_SAFE_INTEGER, 0xd3], [2 ** 53, 0xcb], [-(2 ** 53), 0xcb], [1e300, 0xcb], [0.5, 0xcb], [NaN, 0xcb], [Infinity, 0xcb], [-Infinity, 0xcb]]) {
    const next = app.call.pack_number(0, number);
    assert.equal(app.window[0], first, String(number));
    assert.equal(app.call.unpack(0, next), next);
    assert.ok(Object.is(app.float64(6), number), String(number));
  }
});

test("heads are written up to the window's last 18 bytes, and read within it alone", () => {
  assert.equal(app.call.pack_nil(WINDOW - 18), WINDOW - 17);
  for (const at of [WINDOW - 17, WINDOW, 0xffffffff]) {
    for (const [kind, put] of Object.entries(write)) {
      assert.equal(put(at, { integer: "0", natural: "0", real: 0, length: 0, nanoseconds: 0 }), TOO_LARGE, kind);
    }
  }
  assert.equal(app.call.pack_timestamp(0, 0n, 1000000000), BAD);
  for (const [at, end] of [[5, 4], [0, WINDOW + 1], [-1, -1], [WINDOW, 0xffffffff]]) assert.equal(app.call.unpack(at, end), BAD);
});
