// What a call fails with: errors of a bridge, limits known before sending, members that are not there, and who awaited it. A scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureOf } from "./peers.mjs";
import { ERROR, EVENTS, RAW } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

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

test("what is not there is told with what is: members that have functions, and a name that was nearly hit", async (t) => {
  const members = [{ name: "worker-A", methods: ["add", "get_user", "echo"] }, { name: "page-7", methods: null }, { name: "worker-B", methods: ["add", "ping"] }];
  const said = async (members, call) => (await failureOf(call((await greeted(t, { name: "me" }, { members })).conn))).message;
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
      assert.match(error.stack, /^DaffiError: [^\n]*\n.*\bwhoeverCalls \(\S+errors\.test\.mjs:\d+/s);
      if (code !== "disconnected" && code !== "remote") assert.match((await failureOf(whoeverCallsSeveral())).stack, /\bwhoeverCallsSeveral \(\S+errors\.test\.mjs:\d+/);
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
