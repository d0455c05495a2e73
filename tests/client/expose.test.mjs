// Functions of this client, called by Python and by other clients, against real daffi peers over ws://.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { DaffiClient, eventOf, failureOf, makeClient, ROOT, startRouter, startService, startWorker } from "./peers.mjs";

/** What a real Python caller gets: one line of JSON for each expression of `lines`, or its exception. */
function runPython(port, wait, lines) {
  const script = `
import json, os, sys
from daffi import Client, SerdeFormat
conn = Client(app_name="caller", host="127.0.0.1", port=${port}).connect()
conn.wait_for_members(*${JSON.stringify(wait)}, timeout=10)
JSON, MSGPACK, RAW, PICKLE = SerdeFormat.JSON, SerdeFormat.MSGPACK, SerdeFormat.OPAQUE, SerdeFormat.PICKLE
for line in json.loads(sys.argv[1]):
    try:
        print(json.dumps(eval(line), default=repr))
    except Exception as error:
        print(json.dumps([type(error).__module__, type(error).__name__, str(error)]))
sys.stdout.flush()
os._exit(0)
`;
  return new Promise((done, failed) => {
    const python = spawn(process.env.DAFFI_PYTHON ?? `${ROOT}/.venv/bin/python`, ["-c", script, JSON.stringify(lines)]);
    let output = "";
    let faults = "";
    python.stdout.on("data", (text) => { output += text; });
    python.stderr.on("data", (text) => { faults += text; });
    python.once("error", failed);
    python.once("close", () => {
      const answers = output.trim().split("\n");
      if (answers.length === lines.length) done(answers.map((line) => JSON.parse(line)));
      else failed(new Error(output + faults));
    });
  });
}

const functions = () => ({
  add: (a, b) => a + b,
  echo: async (value) => value,
  named: (...args) => args.at(-1).values,
  fail: (text) => { throw new RangeError(text); },
  reject: async () => { throw "just a text"; },
  big: () => 10n,
  nothing: () => {},
});

for (const [kind, start] of [["Router", startRouter], ["Service", startService]]) {
  describe(`a bare ${kind}`, () => {
    let server;
    before(async () => { server = await start(); });
    after(() => server.stop());

    if (kind === "Router") {
      test("Python calls them, in each serde", async (t) => {
        const client = makeClient(t, server.url, { name: "page" });
        await client.expose(functions());
        await client.connect();
        assert.deepEqual(await runPython(server.port, ["page"], [
          "conn.rpc(timeout=5, serde=JSON).add(3, 4)",
          "conn.rpc(timeout=5, serde=MSGPACK).add(3, 4)",
          "conn.rpc(timeout=5, serde=MSGPACK).echo({'a': [1, b'x']})",
          "conn.rpc(timeout=5, serde=RAW).echo(b'\\x00raw')",
          "conn.rpc(timeout=5, serde=JSON).named(1, b=2)",
          "conn.rpc(timeout=5, serde=JSON).nothing()",
          "conn.cast(timeout=5, serde=JSON).add(1, 2)",
          "conn.rpc(timeout=5, serde=JSON).fail('kaboom')",
          "conn.rpc(timeout=5, serde=RAW).fail('kaboom')",
          "conn.rpc(timeout=5, serde=MSGPACK).reject()",
        ]), [7, 7, { a: [1, "b'x'"] }, "b'\\x00raw'", { b: 2 }, null, { page: 3 },
          ["javascript", "RangeError", "kaboom"], ["javascript", "RangeError", "107,97,98,111,111,109"], ["javascript", "Error", "just a text"]]);
        const [big, pickle] = await runPython(server.port, ["page"], ["conn.rpc(timeout=5, serde=JSON).big()", "conn.rpc(timeout=5).add(1, 2)"]);
        assert.equal(big[1], "TypeError");
        assert.match(big[2], /the result.*can't be sent as JSON/);
        assert.deepEqual(pickle.slice(0, 2), ["daffi_bridge", "Refused"]);
      });

      test("nowait runs it, and what it throws goes to the console", async (t) => {
        const client = makeClient(t, server.url, { name: "page" });
        const got = new Promise((done) => { client.expose({ note: done }); });
        await client.connect();
        const other = await makeClient(t, server.url).connect();
        await other.waitForMembers("page", { timeout: 5000 });
        other.rpc_nowait().note("hello");
        assert.equal(await got, "hello");
      });
    }

    if (kind === "Router") {
      test("functions come and go while calls are in flight both ways; others see it at once", async (t) => {
        const worker = await startWorker("w1", server.port);
        t.after(() => worker.stop());
        const client = makeClient(t, server.url, { name: "page" });
        const events = [];
        client.addEventHandler(({ type, member }) => member === "page" && events.push(type));
        let answer;
        await client.expose({ wait: () => new Promise((done) => { answer = done; }) });
        const conn = await client.connect();
        await conn.waitForMembers("w1", { timeout: 5000 });
        const calling = runPython(server.port, ["page"], ["conn.rpc(timeout=8, serde=JSON, receiver='page').wait()"]);
        while (!answer) await new Promise((done) => { setTimeout(done, 5); });
        const slow = conn.rpc({ receiver: "w1", timeout: 8000 }).slow(0.5);
        await client.expose({ later: () => "here" });
        answer("answered");
        assert.deepEqual(await calling, ["answered"]);
        assert.equal(await slow, 0.5);
        assert.deepEqual(events, []);
        assert.equal(client.state, "connected");
        const watcher = makeClient(t, server.url);
        const other = await watcher.connect();
        assert.equal(await other.rpc({ receiver: "page", timeout: 5000 }).later(), "here");
        const back = eventOf(watcher, ({ type, member }) => type === "connected" && member === "page");
        await client.unexpose("later");
        await back;
        assert.deepEqual(other.members().find(({ name }) => name === "page").methods, ["wait"]);
        assert.equal((await failureOf(other.rpc({ receiver: "page" }).later())).code, "no-such-method");
      });

      test("another page gets a result, an error, and its kind", async (t) => {
        const client = makeClient(t, server.url, { name: "page" });
        await client.expose(functions());
        await client.connect();
        const conn = await makeClient(t, server.url).connect();
        assert.deepEqual(await conn.rpc().named(DaffiClient.kwargs({ b: 2 })), { b: 2 });
        assert.deepEqual(await conn.rpc({ serde: "raw" }).echo(new Uint8Array([0, 1])), new Uint8Array([0, 1]));
        assert.equal(await conn.rpc({ serde: "msgpack" }).echo(2n ** 60n), 2n ** 60n);
        const error = await failureOf(conn.rpc().fail("no"));
        assert.deepEqual([error.code, error.remoteType, error.remoteModule, error.remoteMessage], ["remote", "RangeError", "javascript", "no"]);
        assert.deepEqual(await conn.cast().add(1, 2), { page: 3 });
      });
    }

    test("what is no function is refused by its name", async (t) => {
      const client = makeClient(t, server.url);
      assert.throws(() => client.expose(null), /functions is null/);
      assert.throws(() => client.expose({ f: 1 }), /expose: f is 1: a function is accepted/);
      assert.throws(() => client.expose({ "a|b": () => {} }), TypeError);
      assert.throws(() => client.expose({ "a,b": () => {} }), TypeError);
      await client.expose({ f() {} });
      assert.equal((await client.connect()).rpc !== undefined, true);
      await client.expose({ g() {} });
      assert.equal(client.state, "connected");
    });
  });
}
