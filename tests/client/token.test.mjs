// options.token: what a bridge that asks for tokens is shown, one for each attempt to connect.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DaffiClient, DaffiError, failureOf, makeClient, stateOf } from "./peers.mjs";
import { startFakeServer } from "./fake_server.mjs";

const tokenOf = ({ url }) => new URLSearchParams(url.slice(url.indexOf("?"))).get("daffi-token");

test("a text goes into the query, whatever is in it", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  await makeClient(t, server.url, { token: "a&b=c #%é" }).connect();
  assert.equal(tokenOf(await server.peer()), "a&b=c #%é");
});

test("none: the query has none", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  await makeClient(t, server.url, { token: null }).connect();
  assert.equal(tokenOf(await server.peer()), null);
});

test("a function is asked at each attempt, and waited for", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  let asked = 0;
  const client = makeClient(t, server.url, { token: async () => `token-${++asked}`, autoreconnect: true, reconnectDelay: 5 });
  await client.connect();
  const first = await server.peer();
  assert.equal(tokenOf(first), "token-1");
  const back = stateOf(client, "reconnecting").then(() => stateOf(client, "connected"));
  first.socket.terminate();
  await back;
  assert.equal(asked, 2);
});

test("what a function throws is what connect() rejects with", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const client = makeClient(t, server.url, { token: () => Promise.reject(new Error("not logged in")) });
  await assert.rejects(client.connect(), /not logged in/);
  assert.equal(client.state, "disconnected");
});

test("what it throws that is no Error is told by one", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  for (const [thrown, text] of [["not logged in", /"not logged in"/], [undefined, /undefined/], [{ status: 401 }, /\[object Object\]/], [{ message: "go away" }, /go away/]]) {
    for (const token of [() => { throw thrown; }, () => Promise.reject(thrown)]) {
      const client = makeClient(t, server.url, { token });
      const error = await failureOf(client.connect());
      assert.ok(error instanceof DaffiError, String(error));
      assert.deepEqual([error.code, error.cause], ["refused", thrown]);
      assert.match(error.message, /^options\.token gave no token: /);
      assert.match(error.message, text);
      assert.match(error.reason, text);
      assert.equal(client.state, "disconnected");
    }
  }
});

test("anything else is refused at once", () => {
  assert.throws(() => new DaffiClient({ wsUrl: "ws://127.0.0.1:1", WebSocket: class {}, token: 7 }), { name: "TypeError", message: /options\.token.*7.*a token, or a function/ });
});

test("each client of a program has a secret of its own, and keeps it", async (t) => {
  const server = await startFakeServer(t, (peer) => peer.greet());
  const tabs = [];
  for (let client = 0; client < 2; client++) {
    await makeClient(t, server.url).connect();
    tabs.push(/daffi-tab=([0-9a-f]{32})$/.exec((await server.peer()).url)[1]);
  }
  assert.notEqual(tabs[0], tabs[1]);
});
