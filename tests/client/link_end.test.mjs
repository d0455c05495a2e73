// One connection's end, whoever brings it about, and what comes after it: a scripted server.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { eventOf, failureOf, makeClient, stateOf } from "./peers.mjs";
import { HANDSHAKE, startFakeServer } from "./fake_server.mjs";
import { greeted } from "./greeted.mjs";

describe("the link's end", () => {
  test("pending calls reject at once with the server's reason; no reconnect unless asked", async (t) => {
    const { client, conn, peer } = await greeted(t);
    const events = [];
    client.addEventHandler((event) => events.push(event));
    const pending = [failureOf(conn.rpc().echo(1)), failureOf(conn.cast().echo(1)), failureOf(conn.waitForMembers("x")),
      failureOf(conn.stream().echo(async function* () { await new Promise(() => {}); }))];
    await peer.next();
    peer.socket.close(1012, "the upstream was lost");
    for (const error of await Promise.all(pending)) {
      assert.equal(error.code, "disconnected");
      assert.match(error.message, /the upstream was lost.*1012/);
    }
    assert.deepEqual(events, [{ type: "disconnected", member: client.name }]);
    assert.equal(client.state, "disconnected");
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "disconnected");
    assert.deepEqual(conn.members(), []);
  });

  test("connect() after it makes a new link, and the same Connection works", async (t) => {
    const { server, client, conn, peer } = await greeted(t);
    const lost = stateOf(client, "disconnected");
    peer.socket.terminate();
    await lost;
    assert.equal(await client.connect(), conn);
    const call = conn.rpc().echo(1);
    const again = await server.peer();
    again.answer(await again.next(), "here");
    assert.equal(await call, "here");
  });

  test("autoreconnect: back by itself, events and states in order, waiters outlive it", async (t) => {
    const { server, client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 20 });
    const events = [];
    const states = [];
    client.addEventHandler(({ type, member }) => events.push(`${type} ${member === client.name ? "self" : member}`));
    client.addEventListener("statechange", (event) => states.push([event.previous, event.state, client.state]));
    const waited = conn.waitForMembers("late");
    peer.socket.terminate();
    const again = await server.peer();
    await stateOf(client, "connected");
    again.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "late", methods: ["f"] }] } });
    again.event("connected", "late");
    await waited;
    assert.deepEqual(states, [["connected", "reconnecting", "reconnecting"], ["reconnecting", "connected", "connected"]]);
    const left = eventOf(client, ({ type }) => type === "disconnected");
    again.event("disconnected", "late");
    await left;
    assert.deepEqual(events, ["disconnected self", "connected self", "connected late", "disconnected late"]);
  });

  test("waitForMembers: news before one's own handshake's answer resolve it only when calls can be made", async (t) => {
    let connections = 0;
    const server = await startFakeServer(t, async (peer) => {
      if (connections++ > 0) {
        peer.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members: [{ name: "early", methods: ["f"] }] } });
        peer.event("connected", "early");
      }
      return peer.greet({ members: connections > 1 ? [{ name: "early", methods: ["f"] }] : [] });
    });
    const client = makeClient(t, server.url, { autoreconnect: true, reconnectDelay: 5 });
    const conn = await client.connect();
    const waited = conn.waitForMembers("early").then(() => client.state);
    (await server.peer()).socket.terminate();
    assert.equal(await waited, "connected");
  });

  test("waitForMembers: waits while a connect() is under way, and ends with it", async (t) => {
    const { server, client, conn, peer } = await greeted(t);
    const begun = new Promise((done) => {
      client.addEventListener("statechange", ({ state }) => {
        if (state !== "disconnected") return;
        client.connect().catch(() => {});
        done();
      }, { once: true });
    });
    const before = conn.waitForMembers("w1x");
    peer.socket.terminate();
    await begun;
    const during = conn.waitForMembers("w1");
    assert.equal(client.state, "connecting");
    await during;
    const second = await server.peer();
    second.news([{ name: "w1x", methods: ["f"] }]);
    second.event("connected", "w1x");
    await before;

    const lost = stateOf(client, "disconnected");
    await server.stop();
    await lost;
    const connecting = failureOf(client.connect());
    const waiting = failureOf(conn.waitForMembers("nobody"));
    assert.equal((await connecting).code, "unreachable");
    assert.equal((await waiting).code, "unreachable");
    assert.equal((await failureOf(conn.waitForMembers("nobody"))).code, "disconnected");
  });

  test("autoreconnect: who waited for a member that the handshake lists can call it at once", async (t) => {
    const { server, client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 20 });
    const lost = stateOf(client, "reconnecting");
    peer.socket.terminate();
    await lost;
    const called = conn.waitForMembers("w1").then(() => conn.rpc({ receiver: "w1" }).echo(1));
    const again = await server.peer();
    again.answer(await again.next(), 1);
    assert.equal(await called, 1);
  });

  test("autoreconnect goes on while the server is away", async (t) => {
    const { client, server, conn } = await greeted(t, { autoreconnect: true, reconnectDelay: 5 });
    const port = Number(new URL(server.url).port);
    const lost = stateOf(client, "reconnecting");
    await server.stop();
    await lost;
    const blocker = createServer((socket) => socket.destroy());
    await new Promise((done) => blocker.listen(port, "127.0.0.1", done));
    let knocks = 0;
    await new Promise((done) => blocker.on("connection", () => { if (++knocks === 3) done(); }));
    assert.equal(client.state, "reconnecting");
    await new Promise((done) => blocker.close(done));
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "disconnected");
    client.stop();
    assert.equal(client.state, "closed");
  });

  test("evicted: pending calls reject, no reconnect", async (t) => {
    const { client, conn, peer } = await greeted(t, { autoreconnect: true, reconnectDelay: 1 });
    const events = [];
    client.addEventHandler((event) => events.push(event));
    const pending = failureOf(conn.rpc().echo(1));
    await peer.next();
    peer.event("evicted", client.name);
    assert.equal((await pending).code, "evicted");
    await peer.closed;
    assert.equal(client.state, "evicted");
    assert.deepEqual(events, [{ type: "evicted", member: client.name }]);
  });

  test("stop(): what waits rejects `closed`", async (t) => {
    const { client, conn, peer } = await greeted(t, { autoreconnect: true });
    const pending = [failureOf(conn.rpc().echo(1)), failureOf(conn.cast().echo(1)), failureOf(conn.waitForMembers("x")), failureOf(conn.stream().echo(["x"]))];
    await peer.next();
    client.stop();
    for (const error of await Promise.all(pending)) assert.equal(error.code, "closed");
    assert.equal((await failureOf(conn.rpc().echo(1))).code, "closed");
    assert.throws(() => conn.rpc_nowait().echo(1), { code: "closed" });
    await peer.closed;
  });
});
