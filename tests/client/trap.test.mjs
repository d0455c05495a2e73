// A trap inside app.wasm, were there one: everything that waits rejects `protocol`, and the next connection has a fresh instance.
// Whatever bytes a server sends are no trap.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DaffiError, eventOf, failureOf, makeClient, stateOf } from "./peers.mjs";
import { exportedFunctions, trapUrl } from "./doctored.mjs";
import { ERROR, EVENTS, HANDSHAKE, MSGPACK, PICKLE, RAW, REQUEST, RESPONSE, encode, startFakeServer } from "./fake_server.mjs";
import { randomFrom, takeSeed } from "./random_values.mjs";

const ANSWER = Buffer.from([0x92, 0x91, 0x05, 0x80]); // msgpack: 5
const PICKLED = Buffer.from("80049528000000000000002828288c0a56616c75654572726f728c086275696c74696e738c01784e749485947d942e", "hex");

// What a page without functions of its own, and an answer that can be read, never enter.
const UNUSED = new Set(["daffi_wasm_handshake_method", "daffi_wasm_fault", "daffi_wasm_calls_count"]);

/** Counts instances of app.wasm that are made during a test; Node's own fetch has a module of its own, which is not counted. */
function countInstances(t) {
  const real = WebAssembly.instantiate;
  t.after(() => { WebAssembly.instantiate = real; });
  const count = { made: 0 };
  WebAssembly.instantiate = async (...given) => {
    const result = await real(...given);
    if ("daffi_wasm_abi" in (result.instance ?? result).exports) count.made++;
    return result;
  };
  return count;
}

/** Everything a page does that enters app.wasm, until the connection is lost: → how each ended that was begun while there was one. */
async function useEverything(client, server) {
  const conn = await client.connect();
  const peer = await server.peer();
  const lost = stateOf(client, "disconnected").then(() => { throw new Error("lost"); });
  const ends = [];
  const begin = (call) => {
    if (client.state !== "connected") return;
    ends.push((async () => call())().then(() => null, (error) => error));
  };
  const answered = async (options, args, value, kind) => {
    begin(() => conn.rpc(options).echo(...args));
    peer.answer(await Promise.race([peer.next(), lost]), value, { isBytes: true, ...kind });
    await Promise.race([ends.at(-1), lost]);
  };
  const use = async () => {
    for (const call of [() => conn.rpc().echo(1), () => conn.rpc({ receiver: "w1" }).echo(1), () => conn.cast().echo(1), () => conn.stream().echo(["x"])]) {
      begin(call);
      await Promise.race([peer.next(), lost]);
    }
    begin(() => conn.waitForMembers("nobody"));
    begin(() => conn.members());
    const everything = [null, true, 1, 0.5, 2n ** 60n, 2n ** 63n, "text", new Uint8Array(3), new Date(0), [1], new Map([[1, 2]])];
    await answered({ serde: "msgpack" }, everything, ANSWER, { decoder: MSGPACK });
    await answered({}, [1], PICKLED, { flag: ERROR, decoder: PICKLE });
    const heard = eventOf(client, ({ type }) => type === "connected");
    peer.event("connected", "new");
    await Promise.race([heard, lost]);
    client.stop(); // nothing trapped
  };
  await use().catch((error) => assert.equal(error.message, "lost"));
  lost.catch(() => {});
  return Promise.all(ends);
}

describe("whichever function of app.wasm traps", () => {
  for (const name of exportedFunctions) {
    test(name, { timeout: 20000 }, async (t) => {
      const server = await startFakeServer(t, (peer) => peer.greet());
      const instances = countInstances(t);
      const client = makeClient(t, server.url, { wasmUrl: trapUrl(name) });
      const ends = await useEverything(client, server).catch((error) => [error]);
      if (client.state === "closed") {
        assert.ok(UNUSED.has(name), "something has entered it and not trapped, or nothing here enters it");
        return;
      }
      const failures = ends.filter((error) => error !== null && error.code !== "remote");
      assert.ok(failures.length > 0);
      for (const error of failures) {
        assert.ok(error instanceof DaffiError, String(error));
        assert.equal(error.code, "protocol", error.message);
        assert.match(error.message, /app\.wasm failed/);
        assert.ok(error.cause instanceof WebAssembly.RuntimeError);
      }
      assert.equal(client.state, "disconnected");
      const before = instances.made;
      await client.connect().then(null, (error) => assert.equal(error.code, "protocol", error.message));
      assert.equal(instances.made, before + 1);
    });
  }
});

test("autoreconnect: back after a trap, with a fresh instance, and the same Connection works", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const instances = countInstances(t);
  const client = makeClient(t, server.url, { wasmUrl: trapUrl("daffi_wasm_event_read"), autoreconnect: true, reconnectDelay: 5 });
  const conn = await client.connect();
  const peer = await server.peer();
  const pending = failureOf(conn.rpc().echo(1));
  const waits = conn.waitForMembers("late");
  await peer.next();
  peer.event("connected", "other");
  assert.equal((await pending).code, "protocol");
  assert.equal(client.state, "reconnecting");
  await stateOf(client, "connected");
  assert.equal(instances.made, 2);
  const again = await server.peer();
  const call = conn.rpc().echo(2);
  again.answer(await again.next(), "here");
  assert.equal(await call, "here");
  again.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "late", methods: ["f"] }] } });
  await waits;
});

/** A message that a server might send. */
const SAMPLES = [
  encode({ flag: RESPONSE, uuid: 2, metadata: "w1|me|echo", payload: { args: [1], kwargs: {} } }),
  encode({ flag: RESPONSE, uuid: 2, decoder: MSGPACK, isBytes: true, metadata: "w1|me|echo", payload: ANSWER }),
  encode({ flag: RESPONSE, uuid: 2, decoder: RAW, isBytes: true, metadata: "w1|me|echo", payload: Buffer.from("raw") }),
  encode({ flag: ERROR, uuid: 2, decoder: PICKLE, isBytes: true, metadata: "w1|me|echo", payload: PICKLED }),
  encode({ flag: ERROR, uuid: 2, metadata: "w1|me|echo", payload: { args: [["ValueError", "builtins", "x", null]], kwargs: {} } }),
  encode({ flag: EVENTS, payload: { type: "connected", member: "w2" } }),
  encode({ flag: EVENTS, payload: { type: "disconnected", member: "w1" } }),
  encode({ flag: HANDSHAKE, metadata: "||", payload: { meta: { type: "router", error: null }, members: [{ name: "w3", methods: ["a", "b"] }] } }),
  encode({ flag: REQUEST, uuid: 9, metadata: "w1|me|f", payload: { args: [], kwargs: {} } }),
];

/** One to four changes: a byte, a cut, a repeat. */
function damage(random, bytes) {
  let damaged = Buffer.from(bytes);
  for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
    const at = Math.floor(random() * damaged.length);
    const kind = random();
    if (kind < 0.7) damaged[at] = Math.floor(random() * 256);
    else if (kind < 0.85) damaged = damaged.subarray(0, at);
    else damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at >> 1)]);
  }
  return damaged;
}

test("3,000 damaged messages: the connection ends with `protocol` or goes on, and nothing comes out of the WASM", { timeout: 60000 }, async (t) => {
  const random = randomFrom(takeSeed(t));
  const server = await startFakeServer(t, (peer) => peer.greet());
  const client = makeClient(t, server.url, { name: "me" });
  const instances = countInstances(t);
  let conn, peer;
  let ended = 0;
  for (let round = 0; round < 3000; round++) {
    if (client.state !== "connected") {
      conn = await client.connect();
      peer = await server.peer();
    }
    const call = conn.rpc({ receiver: "w1" }).echo(1).then(() => null, (error) => error);
    let request;
    do request = await peer.next(); while (request.flag !== REQUEST); // what was damaged into a call of ours has been answered
    const { uuid } = request;
    const sample = Buffer.from(SAMPLES[Math.floor(random() * SAMPLES.length)]);
    if (sample[0] === 2) sample.writeUInt16LE(uuid, 0);
    const sent = damage(random, sample);
    peer.send(sent);
    peer.answer({ uuid, receiver: "w1", method: "echo" }, 1);
    const error = await call;
    if (error !== null) {
      assert.ok(error instanceof DaffiError, String(error));
      assert.ok(["protocol", "remote", "disconnected"].includes(error.code), `${error.code}: ${error.message} of ${sent.toString("hex")}`);
      assert.doesNotMatch(error.message, /app\.wasm failed/, sent.toString("hex"));
    }
    if (client.state !== "connected") ended++;
    else if (!conn.members().some(({ name, methods }) => name === "w1" && methods?.includes("echo"))) {
      const back = eventOf(client, ({ type, member }) => type === "connected" && member === "w1");
      peer.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "w1", methods: ["echo"] }] } });
      peer.event("connected", "w1");
      await back;
    }
  }
  assert.ok(ended > 300, `${ended} of 3000 ended the connection`);
  assert.equal(instances.made, 1);
});

test("a function that outlives the instance which it was called with does not take the next one down", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const client = makeClient(t, server.url, { name: "me", wasmUrl: trapUrl("daffi_wasm_pack_number"), autoreconnect: true, reconnectDelay: 5 });
  let finish;
  const began = new Promise((done) => {
    client.expose({ slow: () => new Promise((end) => { finish = end; done(); }) });
  });
  const conn = await client.connect();
  const peer = await server.peer();
  peer.send({ flag: REQUEST, uuid: 9, decoder: MSGPACK, isBytes: true, returnResult: true, metadata: "w1|me|slow", payload: Buffer.from([0x92, 0x90, 0x80]) });
  await began;
  assert.equal((await failureOf(conn.rpc({ serde: "msgpack" }).echo(1))).code, "protocol");
  await stateOf(client, "connected");
  const states = [];
  client.addEventListener("statechange", () => states.push(client.state));
  finish(1); // a number: the former instance traps again
  await new Promise((done) => setTimeout(done, 50));
  assert.deepEqual([client.state, states], ["connected", []]);
});
