// One connection's opening: what is said, what may be in the way, and with which call ids it begins. A scripted server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { failureOf, freePort, makeClient } from "./peers.mjs";
import { ERROR, HANDSHAKE, JSON_SERDE, RAW, startFakeServer } from "./fake_server.mjs";

describe("connect()", () => {
  test("sends exactly the reference's handshake, and asks for a bridge by the query alone", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    await makeClient(t, `${server.url}/some/path?x=a%20b`, { name: "page" }).connect();
    const { hello, url } = await server.peer();
    assert.match(url, /^\/some\/path\?x=a%20b&daffi-bridge=1&daffi-tab=[0-9a-f]{32}$/);
    assert.deepEqual([hello.flag, hello.decoder, hello.isBytes, hello.returnResult, hello.transmitter, hello.receiver, hello.method],
      [HANDSHAKE, JSON_SERDE, false, true, "page", "", ""]);
    assert.equal(String(hello.payload), "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null}]}");
  });

  test("a second call while connecting or connected gives the same promise", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const client = makeClient(t, server.url);
    const first = client.connect();
    assert.equal(client.connect(), first);
    await first;
    assert.equal(client.connect(), first);
  });

  test("unreachable, and may be called again", async (t) => {
    const port = await freePort();
    const client = makeClient(t, `ws://127.0.0.1:${port}`, { autoreconnect: true, reconnectDelay: 1 });
    const error = await failureOf(client.connect());
    assert.equal(error.code, "unreachable");
    assert.match(error.message, new RegExp(`ws://127.0.0.1:${port}/`));
    assert.equal(client.state, "disconnected");
    assert.equal((await failureOf(client.connect())).code, "unreachable");
  });

  test("refused: an ERROR in plain text, as the released server answers", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid, transmitter } = await peer.next();
      peer.send({ uuid, flag: ERROR, decoder: RAW, metadata: `${transmitter}||`, payload: "failed to parse handshake message: UnknownField" });
    });
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /failed to parse handshake message: UnknownField/);
  });

  test("refused: an ERROR in JSON, as the bridge answers, then a close", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid, transmitter } = await peer.next();
      peer.send({ uuid, flag: ERROR, metadata: `${transmitter}||`, payload: { args: [["Unreachable", "daffi_bridge", "the upstream is not there", null]], kwargs: {} } });
      peer.socket.close(1013, "the upstream is not there");
    });
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /the upstream is not there/);
  });

  test("refused: meta.error", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet({ error: "the name is taken" }));
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /the name is taken/);
  });

  test("unreachable says why, where the WebSocket class tells: nobody listens, no WebSocket, a certificate that is not trusted", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "daffi-link-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost"], { stdio: "pipe" });
    const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
    const plain = createHttpServer((_, response) => response.writeHead(404).end()), secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) });
    t.after(() => { plain.close(); secure.close(); });
    const said = async (wsUrl) => (await failureOf(makeClient(t, wsUrl).connect())).message;
    const port = await freePort();
    assert.equal(await said(`ws://127.0.0.1:${port}/`), `ws://127.0.0.1:${port}/ can't be reached: connect ECONNREFUSED 127.0.0.1:${port} (close code 1006)`);
    assert.match(await said(`ws://127.0.0.1:${await listen(plain)}/`), /can't be reached: Unexpected server response: 404 \(close code 1006\)$/);
    assert.match(await said(`wss://127.0.0.1:${await listen(secure)}/`), /can't be reached: self-signed certificate \(close code 1006\)$/);
  });

  test("refused: closed with a reason before the answer", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.socket.close(1013, "too many connections"));
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "refused");
    assert.match(error.message, /too many connections.*1013/);
  });

  test("timeout: a server that is silent after the socket opened", async (t) => {
    const server = await startFakeServer(t);
    const started = Date.now();
    const error = await failureOf(makeClient(t, server.url).connect());
    assert.equal(error.code, "timeout");
    assert.ok(Date.now() - started >= 4900 && Date.now() - started < 8000);
  });

  test("closed: stop() before the answer, and for good", async (t) => {
    const server = await startFakeServer(t);
    const client = makeClient(t, server.url);
    const promise = failureOf(client.connect());
    const peer = await server.peer();
    await peer.next();
    client.stop();
    client.stop();
    assert.equal((await promise).code, "closed");
    assert.equal((await failureOf(client.connect())).code, "closed");
    await peer.closed;
    const early = makeClient(t, server.url);
    const atOnce = failureOf(early.connect());
    early.stop();
    assert.equal((await atOnce).code, "closed");
  });

  test("app.wasm that is not there: what was tried is said", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const error = await failureOf(makeClient(t, server.url, { wasmUrl: "file:///nowhere/app.wasm" }).connect());
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /tried file:\/\/\/nowhere\/app\.wasm \(.*ENOENT/);
  });

  test("another client's answer is not one's own", async (t) => {
    const server = await startFakeServer(t, async (peer) => {
      const { uuid } = await peer.next();
      peer.send({ uuid, flag: HANDSHAKE, metadata: "other||", payload: { meta: { type: "service", error: null }, members: [{ name: "other", methods: null }] } });
      peer.send({ uuid, flag: HANDSHAKE, metadata: "me||", payload: { meta: { type: "service", error: null }, members: [{ name: "s", methods: ["f"] }] } });
    });
    const conn = await makeClient(t, server.url, { name: "me" }).connect();
    assert.deepEqual(conn.members(), [{ name: "s", methods: ["f"] }]);
  });
});

describe("call ids", () => {
  test("start anywhere, so that a page that is loaded anew does not ask with the ids of the one before", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet());
    const firsts = new Set();
    for (let index = 0; index < 20; index++) {
      const client = makeClient(t, server.url);
      const conn = await client.connect();
      const peer = await server.peer();
      const answer = conn.rpc().echo(index);
      const request = await peer.next();
      assert.ok(request.uuid > 0 && request.uuid < 65536);
      assert.equal(request.uuid, peer.hello.uuid % 65535 + 1, "they go on in turn from that of the handshake");
      peer.answer(request, index);
      assert.equal(await answer, index);
      firsts.add(peer.hello.uuid);
      client.stop();
    }
    assert.ok(firsts.size > 15, `20 clients started at ${[...firsts]}`); // by chance fewer once in 10^20 runs
  });
});
