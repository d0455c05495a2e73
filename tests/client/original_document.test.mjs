// The document of the client that pages were written for, statement by statement: which test shows that it is true of ours. Those tests
// run against bare Python servers and through the bridge; here it is seen to that each of them is there, and that none is skipped.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./peers.mjs";

const [CALLS, CONNECT, END, WAITS, ARGUMENTS, BUILD, VALUES, REFUSALS] = ["calls", "connect", "link_end", "waits", "arguments", "build", "values", "refusals"].map((name) => `tests/client/${name}.test.mjs`);
const [PAGES, EXAMPLES, DOCUMENT, FEATURES] = ["client", "examples", "document", "features"].map((name) => `tests/browser/${name}.test.mjs`);

const STATEMENTS = [
  // How it works, loading
  ["The browser loads daffi.js and fetches app.wasm from beside it", DOCUMENT, "the whole page"],
  ["connect() opens a WebSocket and performs the daffi handshake", CONNECT, "sends exactly the reference's handshake"],
  ["Python sees the page as a regular Client", CONNECT, "sends exactly the reference's handshake"],
  ["The CDN's path of daffi.js is served, app.wasm beside it", "tests/integration/test_http.py", "js-client/"],
  ["msgpack-lite is optional: here it is not needed", PAGES, "msgpack values"],
  // Constructor
  ["new DaffiClient(name, options)", ARGUMENTS, "names up to 255 bytes are fine"],
  ["new DaffiClient(options): host name and 32 random bits", ARGUMENTS, "without a name, one is made"],
  ["wsUrl is required", ARGUMENTS, "wsUrl is required"],
  ["autoreconnect: reconnects when the server drops the link; default false", END, "no reconnect unless asked"],
  ["reconnectDelay: 2 s by default, doubled after each failure, at most 60 s", WAITS, "2 s by default, doubled after each failure up to 60 s"],
  ["it goes on trying", END, "autoreconnect goes on while the server is away"],
  ["There is no wasmPath: it is ignored, with a warning", ARGUMENTS, "an unknown option warns once, naming the known ones"],
  // connect, stop, events
  ["connect() promises a Connection", CONNECT, "a second call while connecting or connected gives the same promise"],
  ["stop() closes for good, even with autoreconnect", CONNECT, "closed: stop() before the answer, and for good"],
  ["addEventHandler: { type, member }, connected and disconnected", CALLS, "members, and who comes and goes"],
  // rpc, rpc_nowait
  ["rpc: one target", CALLS, "rpc gives the result"],
  ["receiver pins to a worker; \"\" is any", CALLS, "no receiver is round-robin; a receiver is pinned"],
  ["timeout rejects when no reply comes within it", CALLS, "timeout, and the late answer goes to nobody"],
  ["serde: json, msgpack, raw", PAGES, "raw: bytes with zeros and text, a Uint8Array back always"],
  ["serde: json is the default", REFUSALS, "json, a BigInt"],
  ["rpc_nowait: the same options, timeout is ignored", ARGUMENTS, "rpc_nowait knows timeout and ignores it; returns nothing"],
  // cast, cast_nowait
  ["cast: every worker that exposes it, a dict of results", CALLS, "cast: each worker's result by its name"],
  ["receiver: a name or several; null is all", CALLS, "cast: each worker's result by its name"],
  ["timeout is for each peer", CALLS, "cast: who fails, is late or is not there has its error as its value"],
  ["cast_nowait: all, or those named, without an answer", CALLS, "rpc_nowait and cast_nowait arrive"],
  // stream
  ["stream takes generator functions", CALLS, "stream: order is kept, all to one member, each kind of source"],
  ["stream is an alias of rpc_nowait: that takes generator functions, too", CALLS, "rpc_nowait, given a generator function, streams"],
  // waitForMembers
  ["waitForMembers resolves when every listed worker is there, one or several", CALLS, "members, and who comes and goes"],
  ["pages and workers may be started in any order", EXAMPLES, "07_wait_for_members"],
  ["an Error after the deadline if not all appeared", CALLS, "a deadline names who is missing"],
  ["interval in milliseconds is an option", REFUSALS, "waitForMembers: interval"],
  // serdes
  ["json: any value that JavaScript can serialise", VALUES, "what JSON does"],
  ["raw: a Uint8Array or a string; raw bytes come back", VALUES, "comes back a Uint8Array always, zero bytes included"],
  ["serdes by number: 1, 0, 3", CALLS, "serdes by their numbers"],
  ["pickle is not supported", REFUSALS, "by pickle"],
  // reconnect
  ["the module is compiled once and reused", CALLS, "the module compiled once for all clients"],
  ["after a reconnect the same conn goes through the new connection", CALLS, "a Router that dies and comes back: the same Connection works"],
  ["outstanding promises are rejected immediately", END, "pending calls reject at once with the server's reason"],
  ["stop() suppresses the reconnect", END, "stop(): what waits rejects `closed`"],
  // TLS
  ["wss:// works, and there is no password", PAGES, "through the bridge"],
  ["the browser refuses a certificate that it does not trust", FEATURES, "a certificate that the browser does not trust"],
  // examples
  ...["01_service_json", "02_service_msgpack", "03_router_json", "04_router_msgpack", "05_cast", "06_cast_nowait", "07_wait_for_members"].map((name) =>
    [`the example ${name} works, opened from disk or from the bridge`, EXAMPLES, name]),
  ["the minimal page works", DOCUMENT, "the whole page"],
  ["a classic script sets DaffiClient", BUILD, "a classic script sets DaffiClient and nothing else"],
];

for (const [statement, file, name] of STATEMENTS) {
  test(statement, () => {
    const text = readFileSync(join(ROOT, file), "utf8");
    const line = text.split("\n").find((each) => each.includes(name));
    assert.ok(line, `${file} has no "${name}"`);
    assert.ok(!/\.(skip|todo)\(|skip: true/.test(line), `${file}: "${name}" is skipped`);
  });
}
