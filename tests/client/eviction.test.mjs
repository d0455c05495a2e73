// Another member's eviction, and its return: a scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventOf, failureOf } from "./peers.mjs";
import { greeted } from "./greeted.mjs";

describe("another's eviction only removes that member until its handshake", () => {
  const EVICTED_WAIT = 2000; // as in calls.js

  /** `told(type)` tells of w1 and waits until the client has heard it; `graces` are the timers of EVICTED_WAIT that run, `pass()` lets all of them fire. */
  async function watched(t) {
    const graces = new Map();
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    t.mock.method(globalThis, "setTimeout", (run, time, ...more) => {
      const timer = set(run, time === EVICTED_WAIT ? 1 << 30 : time, ...more);
      if (time === EVICTED_WAIT) graces.set(timer, run);
      return timer;
    });
    t.mock.method(globalThis, "clearTimeout", (timer) => {
      graces.delete(timer);
      clear(timer);
    });
    const link = await greeted(t);
    const told = async (type) => {
      const event = eventOf(link.client, () => true);
      link.peer.event(type, "w1");
      assert.deepEqual(await event, { type, member: "w1" });
    };
    const back = async (methods = ["echo"]) => {
      link.peer.news([{ name: "w1", methods }]);
      await link.conn.waitForMembers("w1");
    };
    const pass = () => {
      for (const [timer, run] of [...graces]) {
        clearTimeout(timer);
        run();
      }
    };
    return { ...link, told, back, graces, pass };
  }

  test("it can't be called, and then it can", async (t) => {
    const { conn, peer, told, back } = await watched(t);
    await told("evicted");
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "no-such-method");
    await back();
    const call = conn.rpc().echo(1);
    peer.answer(await peer.next(), 1);
    assert.equal(await call, 1);
  });

  test("an answer that comes after it is an answer, and no timer is left", async (t) => {
    const { conn, peer, told, back, graces } = await watched(t);
    const calls = [conn.rpc().echo(1), conn.cast().echo(2)];
    const requests = [await peer.next(), await peer.next()];
    await told("evicted");
    await back();
    await told("evicted");
    assert.equal(graces.size, 2);
    for (const request of requests) peer.answer(request, "here");
    assert.deepEqual(await Promise.all(calls), ["here", { w1: "here" }]);
    assert.equal(graces.size, 0);
  });

  test("without one in time, the calls made before reject `disconnected`, those made since do not", async (t) => {
    const { conn, peer, told, back, graces, pass } = await watched(t);
    const pending = failureOf(conn.rpc().echo(1));
    await peer.next();
    await told("evicted");
    await back();
    const call = conn.rpc().echo(2);
    const request = await peer.next();
    pass();
    const error = await pending;
    assert.deepEqual([error.code, error.member, error.message], ["disconnected", "w1", "echo: w1 was evicted before it answered"]);
    assert.equal(graces.size, 0);
    peer.answer(request, 2);
    assert.equal(await call, 2);
  });

  test("when it leaves for good, they reject at once; so they do with the connection", async (t) => {
    for (const end of [({ told }) => told("disconnected"), ({ peer }) => peer.socket.terminate()]) {
      const link = await watched(t);
      const pending = failureOf(link.conn.rpc().echo(1));
      await link.peer.next();
      await link.told("evicted");
      await end(link);
      assert.equal((await pending).code, "disconnected");
      assert.equal(link.graces.size, 0);
      t.mock.restoreAll();
    }
  });

  test("a stream to it goes on when it is back with that function; else it rejects", async (t) => {
    for (const methods of [["echo"], ["other"], null]) {
      const { conn, peer, told, back, graces, pass } = await watched(t);
      const wake = [];
      const stream = conn.stream({ serde: "json" }).echo(async function* () {
        yield "first";
        await new Promise((done) => { wake.push(done); });
        yield "second";
      });
      peer.answer(await peer.next(), null);
      const last = conn.rpc().echo("last");
      peer.answer(await peer.next(), null);
      await last; // and so is the first chunk's answer read
      await told("evicted");
      if (methods) await back(methods);
      pass();
      assert.equal(graces.size, 0);
      if (methods?.includes("echo")) {
        wake[0]();
        peer.answer(await peer.next(), null);
        await stream;
      } else {
        assert.equal((await failureOf(stream)).code, "disconnected");
      }
      t.mock.restoreAll();
    }
  });
});
