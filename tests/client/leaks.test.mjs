// Calls that end without their answer, which comes later or never: no promise, timer, listener or call id is left of them.
import assert from "node:assert/strict";
import { getEventListeners, setMaxListeners } from "node:events";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { failureOf, makeClient, stateOf } from "./peers.mjs";
import { startFakeServer } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

const CALLS = 5000;
const IDS = 65535; // the wire's call ids, 0 left out

setMaxListeners(0); // many calls may share a signal
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

/** How many of `refs` are still held by somebody, once the collector has had its turns. */
async function heldOf(refs) {
  for (let round = 0; round < 10; round++) {
    await new Promise((done) => setImmediate(done));
    collect();
    if (refs.every((ref) => ref.deref() === undefined)) return 0;
  }
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

/** Begins CALLS calls by `begin(index)`; returns weak references to their promises, and when all have ended, with their codes. */
function beginCalls(begin) {
  const codes = [];
  const refs = [];
  const ends = [];
  for (let index = 0; index < CALLS; index++) {
    const promise = begin(index);
    refs.push(new WeakRef(promise));
    ends.push(promise.then(() => codes.push("answered"), (error) => codes.push(error.code)));
  }
  return { refs, ended: Promise.all(ends).then(() => [...new Set(codes)]) };
}

/** Answers everything that came, and waits until the client has read it: a last call comes back. */
async function answerAll(conn, peer, count) {
  for (let left = count; left > 0; left--) peer.answer(await peer.next(), "late");
  const last = conn.rpc().echo("last");
  peer.answer(await peer.next(), "last");
  assert.equal(await last, "last");
}

/** Every id of the wire can be had: none was lost. */
async function takeAllIds(client, conn) {
  const all = Array.from({ length: IDS }, () => failureOf(conn.rpc().echo(0)));
  assert.equal((await failureOf(conn.rpc().echo(0))).code, "busy");
  client.stop();
  assert.deepEqual([...new Set((await Promise.all(all)).map((error) => error.code))], ["closed"]);
}

describe("nothing is left", () => {
  test("of calls that time out, whose answers come late", { timeout: 60000 }, async (t) => {
    const { client, conn, peer } = await greeted(t);
    const before = timers();
    const { refs, ended } = beginCalls(() => conn.rpc({ timeout: 1 }).echo(1));
    assert.deepEqual(await ended, ["timeout"]);
    assert.equal(timers(), before);
    await answerAll(conn, peer, CALLS);
    assert.equal(await heldOf(refs), 0);
    await takeAllIds(client, conn);
  });

  test("of calls, casts, streams and waits that are aborted, whose answers come late", { timeout: 60000 }, async (t) => {
    const { client, conn, peer } = await greeted(t);
    const before = timers();
    const controller = new AbortController();
    const { signal } = controller;
    const options = { signal, timeout: 60000 };
    const styles = [() => conn.rpc(options).echo(1), () => conn.cast(options).echo(1), () => conn.stream(options).echo(["x"]),
      () => conn.waitForMembers("nobody", options)];
    const { refs, ended } = beginCalls((index) => styles[index % styles.length]());
    const first = await peer.next();
    controller.abort();
    assert.deepEqual(await ended, ["aborted"]);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(timers(), before);
    peer.answer(first, "late");
    // A stream that was aborted before its first chunk sent none.
    const last = conn.rpc().echo("last");
    for (let request = await peer.next(); ; request = await peer.next()) {
      peer.answer(request, "late");
      if (String(request.payload).includes("last")) break;
    }
    assert.equal(await last, "late");
    assert.equal(await heldOf(refs), 0);
    await takeAllIds(client, conn);
  });

  test("of calls that are answered: their signal has no listener and no timer goes on", { timeout: 60000 }, async (t) => {
    const { client, conn, peer } = await greeted(t);
    const before = timers();
    const { signal } = new AbortController();
    const { refs, ended } = beginCalls(() => conn.rpc({ signal, timeout: 60000 }).echo(1));
    await answerAll(conn, peer, CALLS);
    assert.deepEqual(await ended, ["answered"]);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(timers(), before);
    assert.equal(await heldOf(refs), 0);
    await takeAllIds(client, conn);
  });

  test("of calls that a lost connection ended, and of the connection", { timeout: 60000 }, async (t) => {
    const { server, client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 1 });
    const before = timers();
    const { signal } = new AbortController();
    const { refs, ended } = beginCalls(() => conn.rpc({ signal, timeout: 60000 }).echo(1));
    await peer.next();
    peer.socket.terminate();
    assert.deepEqual(await ended, ["disconnected"]);
    await stateOf(client, "connected");
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(timers(), before);
    assert.equal(await heldOf(refs), 0);
    const again = await server.peer();
    const call = conn.rpc().echo(1);
    again.answer(await again.next(), 2);
    assert.equal(await call, 2);
    await takeAllIds(client, conn);
  });

  test("of event handlers, readers and a stopped client", { timeout: 60000 }, async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const before = timers();
    const refs = [];
    for (let round = 0; round < 50; round++) {
      const client = makeClient({ after: () => {} }, server.url);
      const conn = await client.connect();
      await server.peer();
      for (let count = 0; count < 20; count++) client.addEventHandler(() => {})();
      const reader = client.events();
      client.stop();
      assert.equal((await reader.next()).done, true);
      refs.push(new WeakRef(client), new WeakRef(conn), new WeakRef(reader));
    }
    const begun = Date.now();
    while (timers() > before && Date.now() - begun < 2000) await new Promise((done) => { setImmediate(done); }); // ws has one until the last connection is closed
    assert.ok(timers() <= before, `${timers()} timers, ${before} before`);
    assert.ok(await heldOf(refs) <= 3); // the last round's are still on this stack
  });
});
