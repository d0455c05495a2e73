// What is refused before anything is sent, and how: each refusal names the argument, its value and what is accepted.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import WebSocket from "ws";
import { DaffiClient, failureOf } from "./peers.mjs";
import { MSGPACK, RAW } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

const wsUrl = "ws://127.0.0.1:1";
const make = (...args) => () => new DaffiClient(...args);

describe("new DaffiClient", () => {
  test("wsUrl is required, and is an address of a WebSocket", () => {
    for (const given of [[], [{}], ["name"], ["name", {}], [undefined, { WebSocket }], [null]]) {
      assert.throws(make(...given), { name: "TypeError", message: /wsUrl/ }, JSON.stringify(given));
    }
    for (const bad of ["", "localhost:5000", "http://127.0.0.1/", 5000, {}]) {
      assert.throws(make({ wsUrl: bad, WebSocket }), { name: "TypeError", message: /options\.wsUrl is .*ws:\/\/ or wss:\/\// }, String(bad));
    }
  });

  test("a name that no peer may bear", () => {
    for (const bad of ["", "a|b", "a,b", "a\nb", "\u0000", "\u007f", "x".repeat(256), "é".repeat(128), "\ud800", 5, {}, true]) {
      assert.throws(make(bad, { wsUrl, WebSocket }), { name: "TypeError", message: /^name is .*1 to 255 UTF-8 bytes/ }, String(bad));
    }
  });

  test("names up to 255 bytes are fine", () => {
    for (const good of ["a", "é".repeat(127), "x".repeat(255), "with space", "日本"]) assert.equal(new DaffiClient(good, { wsUrl, WebSocket }).name, good);
  });

  test("without a name, one is made: host and 32 random bits", () => {
    const names = [new DaffiClient({ wsUrl, WebSocket }), new DaffiClient(undefined, { wsUrl, WebSocket }), new DaffiClient(null, { wsUrl, WebSocket })].map(({ name }) => name);
    for (const name of names) assert.match(name, /^browser-0x[0-9a-f]{8}$/);
    assert.equal(new Set(names).size, 3);
    globalThis.location = { hostname: "example.org" };
    try {
      assert.match(new DaffiClient({ wsUrl, WebSocket }).name, /^example\.org-0x[0-9a-f]{8}$/);
    } finally {
      delete globalThis.location;
    }
  });

  test("its random bits are those of crypto.getRandomValues", { skip: !globalThis.crypto }, (t) => {
    for (const [bits, shown] of [[0x3f9a12bc, "3f9a12bc"], [0xa, "0000000a"], [0xffffffff, "ffffffff"]]) {
      t.mock.method(globalThis.crypto, "getRandomValues", (values) => values.fill(bits));
      assert.equal(new DaffiClient({ wsUrl, WebSocket }).name, `browser-0x${shown}`);
      t.mock.restoreAll();
    }
  });

  test("of a subclass that hands on two arguments, the second of which is not given", () => {
    class Named extends DaffiClient {
      constructor(name, options) {
        super(name, options);
      }
    }
    assert.match(new Named({ wsUrl, WebSocket }).name, /^browser-0x[0-9a-f]{8}$/);
    assert.equal(new Named("mine", { wsUrl, WebSocket }).name, "mine");
  });

  test("the other options", () => {
    for (const [option, bad] of [["autoreconnect", 1], ["reconnectDelay", 0], ["reconnectDelay", "2"], ["reconnectDelay", NaN], ["WebSocket", {}], ["wasmUrl", 7]]) {
      assert.throws(make({ wsUrl, WebSocket, [option]: bad }), { name: "TypeError", message: new RegExp(`^options\\.${option} is `) });
    }
  });

  test("an unknown option warns once, naming the known ones", (t) => {
    const warn = t.mock.method(console, "warn", () => {});
    for (let i = 0; i < 3; i++) new DaffiClient({ wsUrl, WebSocket, wasmPath: "x" });
    assert.equal(warn.mock.callCount(), 1);
    assert.match(warn.mock.calls[0].arguments[0], /"wasmPath".*wsUrl, autoreconnect, reconnectDelay/);
  });

  test("addEventHandler takes a function", () => {
    assert.throws(() => new DaffiClient({ wsUrl, WebSocket }).addEventHandler("x"), { name: "TypeError", message: /^addEventHandler: fn is "x"/ });
  });

  test("statics", () => {
    assert.match(DaffiClient.version, /^\d+\.\d+\.\d+$/);
    assert.equal(DaffiClient.text(new Uint8Array([0xc3, 0xa9])), "é");
    assert.equal(DaffiClient.text(new Uint8Array([104, 105]).buffer), "hi");
    assert.throws(() => DaffiClient.text("hi"), TypeError);
    for (const bad of [null, 1, [1]]) assert.throws(() => DaffiClient.kwargs(bad), { name: "TypeError", message: /^kwargs is / });
  });
});

describe("options and arguments of calls", () => { // to a server with one member, w1, that never answers; nothing may arrive there
  const badOptions = [
    [{ timeout: 0 }, /timeout is 0/], [{ timeout: -1 }, /timeout is -1/], [{ timeout: NaN }, /timeout is NaN/], [{ timeout: "5" }, /timeout is "5"/],
    [{ serde: "pickle" }, /serde is "pickle".*"json" \(1\), "msgpack" \(3\) and "raw" \(0\)/], [{ serde: 2 }, /serde is 2/], [{ serde: "xml" }, /serde is "xml"/],
    [{ serde: "toString" }, /serde is/], [{ serde: 4 }, /serde is 4/],
    [{ signal: {} }, /signal is .*AbortSignal/], ["w1", /options is "w1"/],
  ];

  test("rpc, cast and the streams refuse by rejection", async (t) => {
    const { conn, peer } = await greeted(t);
    for (const style of ["rpc", "cast", "stream", "stream_nowait"]) {
      for (const [options, message] of badOptions) {
        if (style === "stream_nowait" && options?.timeout !== undefined) continue;
        await assert.rejects(conn[style](options).echo(1), { name: "TypeError", message }, `${style} ${JSON.stringify(options)}`);
      }
    }
    for (const style of ["stream", "stream_nowait"]) {
      for (const window of [0, 1.5, -1, 65536, "4"]) await assert.rejects(conn[style]({ window }).echo(1), { name: "TypeError", message: /window is .*1 to 65535 chunks/ });
    }
    await assert.rejects(conn.rpc({ receiver: ["w1"] }).echo(1), { name: "TypeError", message: /receiver is an array/ });
    await assert.rejects(conn.rpc({ receiver: 5 }).echo(1), { name: "TypeError", message: /receiver is 5/ });
    await assert.rejects(conn.cast({ receiver: ["w1", ""] }).echo(1), { name: "TypeError", message: /receiver is ""/ });
    assert.equal(peer.unread, 0);
  });

  test("rpc_nowait and cast_nowait throw", async (t) => {
    const { conn, peer } = await greeted(t);
    for (const style of ["rpc_nowait", "cast_nowait"]) {
      for (const [options, message] of badOptions) {
        if (options.timeout !== undefined) continue;
        assert.throws(() => conn[style](options).echo(1), { name: "TypeError", message }, `${style} ${JSON.stringify(options)}`);
      }
      assert.throws(() => conn[style]().echo(1n), TypeError);
      assert.throws(() => conn[style]().nobody_has_it(), { code: "no-such-method" });
    }
    assert.throws(() => conn.rpc_nowait({ receiver: "w9" }).echo(1), { code: "no-such-member" });
    assert.throws(() => conn.cast_nowait({ receiver: [] }).echo(1), { code: "no-such-method" });
    assert.equal(peer.unread, 0);
  });

  test("rpc_nowait knows timeout and ignores it; returns nothing", async (t) => {
    const { conn, peer } = await greeted(t);
    const warn = t.mock.method(console, "warn", () => {});
    assert.equal(conn.rpc_nowait({ timeout: -5 }).echo(1), undefined);
    assert.equal((await peer.next()).returnResult, false);
    assert.equal(warn.mock.callCount(), 0);
  });

  test("options may be inherited", async (t) => {
    const { conn, peer } = await greeted(t);
    const inheriting = (own) => Object.assign(Object.create({ serde: "raw", receiver: "nobody" }), { timeout: 5, ...own });
    assert.equal((await failureOf(conn.rpc(inheriting()).echo("x"))).code, "no-such-member");
    assert.equal((await failureOf(conn.rpc(inheriting({ receiver: null })).echo("x"))).code, "timeout");
    assert.equal((await peer.next()).decoder, RAW);
    assert.equal(new DaffiClient(Object.create({ wsUrl, WebSocket })).state, "idle");
  });

  test("an unknown option of a call warns once, naming the known ones", async (t) => {
    const { conn, peer } = await greeted(t);
    const warn = t.mock.method(console, "warn", () => {});
    for (let i = 0; i < 3; i++) conn.rpc({ retries: 3 }).echo(i).catch(() => {});
    await peer.next();
    assert.equal(warn.mock.callCount(), 1);
    assert.match(warn.mock.calls[0].arguments[0], /rpc: unknown option "retries".*receiver, timeout, serde/);
  });

  test("json: what JSON refuses is a TypeError that names the argument", async (t) => {
    const { conn, peer } = await greeted(t);
    const cycle = {};
    cycle.self = cycle;
    await assert.rejects(conn.rpc().echo(1, cycle), { name: "TypeError", message: /^echo: argument 2 is .*, which can't be sent as JSON/ });
    await assert.rejects(conn.rpc().echo(1n), { name: "TypeError", message: /^echo: argument 1 is .*, which can't be sent as JSON/ });
    await assert.rejects(conn.rpc().echo(DaffiClient.kwargs({ b: 1n })), { name: "TypeError", message: /^echo: b is .*, which can't be sent as JSON/ });
    assert.equal(peer.unread, 0);
  });

  test("msgpack: what it has no value for", async (t) => {
    const { conn, peer } = await greeted(t);
    const cycle = [];
    cycle.push(cycle);
    const cases = [[() => 1, /a function/], [Symbol("x"), /Symbol/], [new Set(), /Set/], [Promise.resolve(), /Promise/], [new Date(NaN), /invalid Date/], [2n ** 64n, /64 bits/],
      [-(2n ** 63n) - 1n, /64 bits/], [cycle, /holds itself/], [new Map([[{}, 1]]), /Map's key/]];
    for (const [value, message] of cases) {
      await assert.rejects(conn.rpc({ serde: "msgpack" }).echo(1, value), { name: "TypeError", message });
      await assert.rejects(conn.rpc({ serde: "msgpack" }).echo(1, value), { message: /^echo: argument 2 is .*, which can't be sent as msgpack/ });
    }
    assert.equal(peer.unread, 0);
  });

  describe("a value whose getter calls the client arrives as it is", () => {
    /** What a getter may do, each while a message is being made. */
    const uses = {
      rpc: ({ conn }) => conn.rpc({ serde: "msgpack" }).echo(["inner", "x".repeat(300)]),
      "rpc of nobody": ({ conn }) => conn.rpc({ receiver: "a name that nobody has" }).echo(1),
      rpc_nowait: ({ conn }) => conn.rpc_nowait().echo(1),
      cast_nowait: ({ conn }) => conn.cast_nowait({ serde: "msgpack" }).echo(1),
      stream: ({ conn }) => conn.stream({ serde: "msgpack" }).echo(["chunk"]),
      members: ({ conn }) => conn.members(),
      waitForMembers: ({ conn }) => conn.waitForMembers("w1"),
    };
    for (const serde of ["json", "msgpack"]) {
      for (const [name, use] of Object.entries(uses)) {
        test(`${serde}, ${name}`, async (t) => {
          const { conn, peer } = await greeted(t);
          const value = () => [
            "first", 1, { get within() { use({ conn })?.catch?.(() => {}); return "within"; }, behind: "text" },
            { deeper: [{ get last() { use({ conn })?.catch?.(() => {}); return 2; } }] }, "x".repeat(20000), { get big() { use({ conn })?.catch?.(() => {}); return "y".repeat(20000); } },
          ];
          const call = conn.rpc({ serde }).add(value());
          let request = await peer.next();
          while (request.method !== "add") request = await peer.next();
          peer.answer(request, serde === "json" ? JSON.parse(request.payload).args[0] : request.payload, { decoder: request.decoder, isBytes: serde === "msgpack" });
          assert.deepEqual(await call, JSON.parse(JSON.stringify(value())));
        });
      }

      test(`${serde}, an abort: it rejects \`aborted\`, and nothing is sent`, async (t) => {
        const { conn, peer } = await greeted(t);
        for (const style of ["rpc", "cast", "stream"]) {
          const controller = new AbortController();
          const value = { get end() { controller.abort(); return 1; } };
          const call = conn[style]({ serde, signal: controller.signal }).echo(style === "stream" ? [value] : value);
          const late = new Promise((done) => setTimeout(done, 1000, new Error("it goes on")));
          await assert.rejects(Promise.race([call, late.then((error) => { throw error; })]), { code: "aborted" }, style);
        }
        assert.equal(peer.unread, 0);
      });

      test(`${serde}, stop(): it rejects, or throws, \`closed\``, async (t) => {
        for (const style of ["rpc", "cast", "stream", "rpc_nowait", "cast_nowait"]) {
          const { client, conn } = await greeted(t);
          const value = { get end() { client.stop(); return 1; } };
          await assert.rejects(async () => conn[style]({ serde }).echo(style === "stream" ? [value] : value), { code: "closed" }, style);
        }
      });
    }

    test("a stream whose source throws what is no Error rejects by one that has it as its cause, and closes nothing twice", async (t) => {
      const { conn } = await greeted(t);
      for (const thrown of ["text", undefined, null, 5, Symbol("s"), Object.create(null), { toString: null }]) {
        for (const style of ["stream", "stream_nowait"]) {
          const source = { next() { throw thrown; }, return: () => assert.fail("it has ended by itself"), [Symbol.iterator]() { return this; } };
          const late = new Promise((done) => setTimeout(done, 1000, new Error("it goes on")));
          const error = await Promise.race([failureOf(conn[style]().echo(source)), late]);
          assert.ok(error instanceof Error && !error.message.includes("goes on"), `${style}: ${error.message}`);
          assert.equal(error.cause, thrown);
        }
      }
    });

    test("a stream's function that stops the client, and throws: its error is what one hears of", async (t) => {
      const { client, conn } = await greeted(t);
      const stream = conn.stream().echo(() => { client.stop(); throw new RangeError("its own"); });
      await assert.rejects(stream, { name: "RangeError", message: "its own" });
      await new Promise((done) => setTimeout(done, 10)); // for a rejection that nobody handles
    });

    for (const [what, code] of [["stop()", "closed"], ["an abort", "aborted"]]) {
      test(`a stream's function, ${what}: it rejects \`${code}\`, whatever its source does`, async (t) => {
        for (const style of ["stream", "stream_nowait"]) {
          const { client, conn } = await greeted(t);
          const controller = new AbortController();
          const stream = conn[style]({ signal: controller.signal }).echo(() => {
            if (code === "closed") client.stop();
            else controller.abort();
            return { next: () => new Promise(() => {}), [Symbol.asyncIterator]() { return this; } };
          });
          const late = new Promise((done) => setTimeout(done, 1000, new Error("it goes on")));
          await assert.rejects(Promise.race([stream, late.then((error) => { throw error; })]), { code }, style);
        }
      });
    }

    test("msgpack: a list or a Map that grows while it is packed is as long as its head says", async (t) => {
      const { conn, peer } = await greeted(t);
      const list = [{ get grows() { list.push("more"); return 1; } }, 2];
      const map = new Map([["first", { get grows() { map.set("more", 3); return 1; } }], ["second", 2]]);
      for (const [value, expected] of [[list, [{ grows: 1 }, 2]], [map, { first: { grows: 1 }, second: 2 }]]) {
        const call = conn.rpc({ serde: "msgpack" }).echo(value);
        const request = await peer.next();
        peer.answer(request, request.payload, { decoder: MSGPACK, isBytes: true });
        assert.deepEqual(await call, expected);
      }
    });
  });

  test("raw takes exactly one value that is bytes or a string", async (t) => {
    const { conn, peer } = await greeted(t);
    const raw = conn.rpc({ serde: 0 });
    await assert.rejects(raw.echo(), { name: "TypeError", message: /exactly one argument, there are 0/ });
    await assert.rejects(raw.echo("a", "b"), { name: "TypeError", message: /exactly one argument, there are 2/ });
    for (const bad of [5, null, undefined, {}, [1], true]) await assert.rejects(raw.echo(bad), { name: "TypeError", message: /^echo: argument 1 is / });
    await assert.rejects(raw.echo("a", DaffiClient.kwargs({ b: 1 })), TypeError);
    assert.equal(peer.unread, 0);
  });

  test("bytes whose buffer was given away, or cut off before them, are refused by their argument, never sent as none", async (t) => {
    const { conn, peer } = await greeted(t);
    const given = (make) => {
      const buffer = new ArrayBuffer(8);
      const value = make(buffer);
      structuredClone(buffer, { transfer: [buffer] });
      return value;
    };
    for (const make of [(buffer) => buffer, (buffer) => new Uint8Array(buffer), (buffer) => new Float32Array(buffer), (buffer) => new DataView(buffer), Buffer.from]) {
      const value = given(make);
      for (const serde of ["raw", "msgpack"]) {
        await assert.rejects(conn.rpc({ serde, timeout: 5000 }).echo(value), { name: "TypeError", message: /^echo: argument 1 is \[object \w+\].*detached/ }, `${serde}, ${make}`);
      }
      assert.throws(() => DaffiClient.text(value), { name: "TypeError", message: /^text: bytes is \[object \w+\].*detached/ }, String(make));
    }
    const shrunk = new ArrayBuffer(8, { maxByteLength: 8 });
    if (shrunk.resizable) {
      const views = [new Uint8Array(shrunk, 4), new Uint8Array(shrunk, 4, 4), new DataView(shrunk, 4)];
      shrunk.resize(2);
      for (const view of views) {
        for (const serde of ["raw", "msgpack"]) await assert.rejects(conn.rpc({ serde, timeout: 5000 }).echo(view), { name: "TypeError", message: /^echo: argument 1 is \[object \w+\]/ });
      }
    }
    assert.equal(peer.unread, 0);
  });

  test("kwargs go last", async (t) => {
    const { conn } = await greeted(t);
    await assert.rejects(conn.rpc().echo(DaffiClient.kwargs({ b: 1 }), 2), { name: "TypeError", message: /last/ });
  });

  test("a message past the wire's limit is a RangeError that names both sizes", async (t) => {
    const { conn, peer } = await greeted(t);
    await assert.rejects(conn.rpc({ serde: "raw" }).echo(new Uint8Array(33554431)), { name: "RangeError", message: /335544\d\d.*33554440/ });
    assert.equal(peer.unread, 0);
  });

  test("a long text in a refusal is cut", async (t) => {
    const { conn } = await greeted(t);
    await assert.rejects(conn.rpc({ serde: "x".repeat(100000) }).echo(1), { message: new RegExp(`^rpc: serde is "x{60}…": "json"`) });
  });

  test("waitForMembers", async (t) => {
    const { conn } = await greeted(t);
    await assert.rejects(conn.waitForMembers(), { name: "TypeError", message: /members is undefined/ });
    await assert.rejects(conn.waitForMembers([""]), { name: "TypeError", message: /members is ""/ });
    await assert.rejects(conn.waitForMembers("x", { timeout: 0 }), { name: "TypeError", message: /timeout is 0/ });
    await assert.rejects(conn.waitForMembers("x", { interval: -1 }), { name: "TypeError", message: /interval is -1/ });
  });

  test("the proxy is safe to await, to log and to pass through Promise.resolve", async (t) => {
    const { conn, peer } = await greeted(t);
    for (const style of ["rpc", "cast", "rpc_nowait", "cast_nowait", "stream", "stream_nowait"]) {
      const proxy = conn[style]();
      assert.equal(await proxy, proxy);
      assert.equal(await Promise.resolve(proxy), proxy);
      assert.equal(`${proxy}`, `[object Daffi ${style}]`);
      for (const local of ["then", "toJSON", "valueOf"]) assert.equal(proxy[local], undefined);
      assert.equal(proxy[Symbol.iterator], undefined);
      assert.equal(JSON.stringify({ proxy }), "{\"proxy\":{}}");
      const { inspect } = await import("node:util");
      assert.equal(typeof inspect(proxy), "string");
    }
    assert.equal(peer.unread, 0);
  });
});
