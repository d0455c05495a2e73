// Every argument of every public call, given wrongly: the refusal names the argument, the value and what is accepted.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { DaffiClient, startBridge, startRouter, startWorker } from "./peers.mjs";

const wsUrl = "ws://127.0.0.1:1";
const cycle = {};
cycle.self = cycle;
const OTHERS = { null: null, text: "x", number: 5, object: {}, array: [1, 2], function: () => {}, symbol: Symbol("s"), bigint: 7n, boolean: true, NaN };
const SHOWN = { null: "null", text: '"x"', number: "5", object: "[object Object]", array: "an array of 2", function: "a function", symbol: "Symbol(s)", bigint: "7",
  boolean: "true", NaN: "NaN", undefined: "undefined" };

/** Rows of one argument: every kind of value but those it takes. */
const allBut = (taken, begin, argument, accepted) => Object.keys(OTHERS).filter((kind) => !taken.includes(kind))
  .map((kind) => [`${argument}: ${kind}`, (conn, client) => begin(OTHERS[kind], conn, client), argument, SHOWN[kind], accepted]);
const option = (name, taken, accepted) => allBut(taken, (value) => new DaffiClient({ wsUrl, WebSocket, [name]: value }), `options.${name}`, accepted);

const ABSENT = "null"; // counts as not given
const MILLISECONDS = "milliseconds above 0 are accepted";
const CALLS = ["rpc", "rpc_nowait", "cast", "cast_nowait", "stream", "stream_nowait"];
const SERDES = '"json" (1), "msgpack" (3) and "raw" (0) are accepted';
const NAMES = "a member's name, or an array of them, is accepted";
const VALUES = "null, booleans, numbers, text, arrays and plain objects";

/** What is called, with what, and the three things that its refusal must say: [title, begin, argument, value, accepted]. */
const ROWS = [
  ...allBut(["null", "text"], (value) => new DaffiClient(value, { wsUrl, WebSocket }), "name",
    "1 to 255 UTF-8 bytes without \"|\", comma and control characters are accepted"),
  ["a name with a bar", () => new DaffiClient("a|b", { wsUrl, WebSocket }), "name", '"a|b"', "1 to 255 UTF-8 bytes"],
  ...allBut([], (value) => new DaffiClient({ wsUrl: value, WebSocket }), "options.wsUrl", "begins with ws:// or wss://").filter(([title]) => !/null|array|object|symbol/.test(title)),
  ["wsUrl of http", () => new DaffiClient({ wsUrl: "http://127.0.0.1/", WebSocket }), "options.wsUrl", '"http://127.0.0.1/"', "begins with ws:// or wss://"],
  ["no wsUrl", () => new DaffiClient({ WebSocket }), "options.wsUrl", "undefined", "it is required"],
  ...option("autoreconnect", [ABSENT, "boolean"], "true or false is accepted"),
  ...option("reconnectDelay", [ABSENT, "number"], MILLISECONDS),
  ...option("WebSocket", [ABSENT, "function"], "a class is accepted"),
  ...option("wasmUrl", [ABSENT, "text"], "the address of app.wasm is accepted"),
  ...option("token", [ABSENT, "text", "function"], "a token, or a function that gives one, is accepted"),
  ...allBut(["function"], (value, _, client) => client.addEventHandler(value), "addEventHandler: fn", "a function is accepted"),
  ...allBut(["object"], (value, _, client) => client.expose(value), "expose: functions", "an object is accepted: { name: function, … }"),
  ...allBut(["function"], (value, _, client) => client.expose({ f: value }), "expose: f", "a function is accepted"),
  ["expose: a name with a bar", (_, client) => client.expose({ "a|b"() {} }), "expose: a function's name", '"a|b"', "1 to 255 UTF-8 bytes"],
  ...allBut(["text"], (value, _, client) => client.unexpose("f", value), "unexpose: a function's name", "1 to 255 UTF-8 bytes"),
  ...allBut(["object"], (value) => DaffiClient.kwargs(value), "kwargs", "a plain object is accepted"),
  ["kwargs of a Map", () => DaffiClient.kwargs(new Map()), "kwargs", "[object Map]", "a plain object is accepted"],
  ...allBut([], (value) => DaffiClient.text(value), "text: bytes", "a Uint8Array or another view, or an ArrayBuffer is accepted"),
  ...CALLS.flatMap((call) => {
    const given = (options) => (value, conn) => conn[call](options(value)).echo("x");
    return [
      ...allBut(["null", "object", "array"], given((value) => value), `${call}: options`, "an object is accepted"),
      ...allBut([ABSENT], given((value) => ({ serde: value })), `${call}: serde`, SERDES),
      [`${call} by pickle`, (conn) => conn[call]({ serde: "pickle" }).echo("x"), `${call}: serde`, '"pickle"', SERDES],
      ...allBut([ABSENT], given((value) => ({ signal: value })), `${call}: signal`, "an AbortSignal is accepted"),
      ...(call.endsWith("nowait") ? [] : allBut([ABSENT, "number"], given((value) => ({ timeout: value })), `${call}: timeout`, `${MILLISECONDS}, or null for none`)),
      ...(call.endsWith("nowait") ? [] : [0, -1].map((value) =>
        [`${call} within ${value}`, (conn) => conn[call]({ timeout: value }).echo("x"), `${call}: timeout`, String(value), MILLISECONDS])),
      ...(call.startsWith("cast") ? [
        ...allBut([ABSENT, "text", "array"], given((value) => ({ receiver: value })), `${call}: receiver`, NAMES),
        [`${call} to a number among names`, (conn) => conn[call]({ receiver: ["w1", 5] }).echo("x"), `${call}: receiver`, "5", NAMES],
      ] : allBut([ABSENT, "text"], given((value) => ({ receiver: value })), `${call}: receiver`, "one member's name is accepted")),
      ...(/^stream|^rpc_nowait/.test(call) ? allBut([ABSENT, "number"], given((value) => ({ window: value })), `${call}: window`, "1 to 65535 chunks are accepted") : []),
    ];
  }),
  ...["rpc", "rpc_nowait", "cast", "cast_nowait"].flatMap((call) => [
    [`${call}, json, a cycle`, (conn) => conn[call]().echo(1, cycle), "echo: argument 2", "[object Object]", VALUES],
    [`${call}, json, a BigInt`, (conn) => conn[call]().echo(1n), "echo: argument 1", "1", VALUES],
    [`${call}, json, a function`, (conn) => conn[call]().echo(1, () => 1), "echo: argument 2", "a function", VALUES],
    [`${call}, json, a symbol`, (conn) => conn[call]().echo(Symbol("s")), "echo: argument 1", "Symbol(s)", VALUES],
    [`${call}, json, a function as a keyword`, (conn) => conn[call]().echo(DaffiClient.kwargs({ value() {} })), "echo: value", "a function", VALUES],
    [`${call}, json, a keyword`, (conn) => conn[call]().echo(DaffiClient.kwargs({ value: 1n })), "echo: value", "1", VALUES],
    ...[[new Set(), "[object Set]"], [() => {}, "a function"], [Symbol("s"), "Symbol(s)"], [2n ** 64n, String(2n ** 64n)], [cycle, "[object Object]"], [new Date(NaN), "[object Date]"],
      [new Map([[{}, 1]]), "[object Map]"]].map(([value, shown]) =>
      [`${call}, msgpack, ${shown}`, (conn) => conn[call]({ serde: "msgpack" }).echo(1, value), "echo: argument 2", shown, VALUES]),
    ...Object.keys(OTHERS).filter((kind) => kind !== "text" && !(kind === "function" && call === "rpc_nowait")).map((kind) =>
      [`${call}, raw, ${kind}`, (conn) => conn[call]({ serde: "raw" }).echo(OTHERS[kind]), "echo: argument 1", SHOWN[kind], "a string, a Uint8Array or another view, or an ArrayBuffer"]),
    [`${call}, raw, nothing`, (conn) => conn[call]({ serde: 0 }).echo(), "echo: raw", "there are 0", "takes exactly one argument"],
    [`${call}, raw, keywords`, (conn) => conn[call]({ serde: 0 }).echo("x", DaffiClient.kwargs({ a: 1 })), "echo: raw", "keyword arguments", "takes one value"],
    [`${call}, keywords not last`, (conn) => conn[call]().echo(DaffiClient.kwargs({ a: 1 }), 2), "echo", "DaffiClient.kwargs", "goes last"],
    [`${call}, too large`, (conn) => conn[call]({ serde: "raw" }).echo(new Uint8Array(34e6)), "echo: a message", /\b34000\d\d\d\b/, /\b8388608\b/],
  ]),
  ...["stream", "stream_nowait"].flatMap((call) => [
    [`${call} of two sources`, (conn) => conn[call]().echo([1], [2]), "echo", "there are 2", "takes exactly one source"],
    [`${call} of a function that returns no source`, (conn) => conn[call]().echo(() => 5), "echo: what the function returned", "5", "an iterable is accepted"],
  ]),
  ...allBut(["text", "array"], (value, conn) => conn.waitForMembers(value), "waitForMembers: members", NAMES),
  ["waitForMembers of a list with a number", (conn) => conn.waitForMembers([5]), "waitForMembers: members", "5", NAMES],
  ...allBut(["null", "object", "array"], (value, conn) => conn.waitForMembers("w1", value), "waitForMembers: options", "an object is accepted"),
  ...allBut([ABSENT, "number"], (value, conn) => conn.waitForMembers("w1", { timeout: value }), "waitForMembers: timeout", MILLISECONDS),
  ...allBut([ABSENT, "number"], (value, conn) => conn.waitForMembers("w1", { interval: value }), "waitForMembers: interval", MILLISECONDS),
  ...allBut([ABSENT], (value, conn) => conn.waitForMembers("w1", { signal: value }), "waitForMembers: signal", "an AbortSignal is accepted"),
];

for (const bridged of [true, false]) {
  describe(bridged ? "through the bridge" : "straight to a Router", () => {
    let router, worker, bridge, client, conn;
    before(async () => {
      router = await startRouter();
      worker = await startWorker("w1", router.port);
      if (bridged) bridge = await startBridge(router.port);
      client = new DaffiClient({ wsUrl: (bridge ?? router).url, WebSocket });
      conn = await client.connect();
      await conn.waitForMembers("w1", { timeout: 10000 });
    });
    after(async () => {
      client?.stop();
      for (const peer of [bridge, worker, router]) await peer?.stop();
    });

    for (const [title, begin, argument, value, accepted] of ROWS) {
      test(title, async () => {
        let error = null;
        try {
          await begin(conn, client);
        } catch (thrown) {
          error = thrown;
        }
        assert.ok(error instanceof TypeError || error instanceof RangeError, `${error?.stack ?? "it was not refused"}`);
        for (const part of [argument, value, !bridged && title.includes("too large") ? /\b33554440\b/ : accepted]) {
          assert.ok(part instanceof RegExp ? part.test(error.message) : error.message.includes(part), `"${error.message}" does not say ${part}`);
        }
      });
    }

    test("after all of them the connection works", async () => {
      assert.equal(await conn.rpc({ timeout: 20000 }).add(3, 4), 7);
      assert.equal(client.state, "connected");
    });
  });
}
