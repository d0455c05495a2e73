// What the client's tests stand on: the built client, real daffi peers, and the end of both.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const BUILD = resolve(ROOT, process.env.DAFFI_BUILD ?? "build/dev");
export const CLIENT = join(BUILD, "js-client");
const PYTHON = process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python");
const READY_MS = 20000;

/** The client under test: the classic script, as CommonJS loads it. */
export const DaffiClient = createRequire(import.meta.url)(join(CLIENT, "daffi.js"));
export const { DaffiError } = DaffiClient;

/** A client for wsUrl that ends with the test. */
export function makeClient(t, wsUrl, { name, ...options } = {}) {
  const client = new DaffiClient(name, { wsUrl, WebSocket, ...options });
  t.after(() => client.stop());
  return client;
}

/** A TCP port of the loopback that nobody holds just now. */
export function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer().once("error", failed).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** Starts a program; resolves, with { match, stop, kill, pid }, when a line of it matches `ready`. */
async function start(program, args, ready, signal) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  const gone = new Promise((done) => child.once("close", done));
  const end = async (how) => {
    if (how) child.kill(how);
    child.stdin.end();
    const hard = setTimeout(() => child.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(hard);
  };
  let output = "";
  const match = await new Promise((done, failed) => {
    const late = setTimeout(() => { child.kill("SIGKILL"); failed(new Error(`${program} was not ready in ${READY_MS} ms: ${output}`)); }, READY_MS);
    const look = (text) => {
      output += text;
      const found = ready.exec(output);
      if (!found) return;
      clearTimeout(late);
      done(found);
    };
    child.stdout.setEncoding("utf8").on("data", look);
    child.stderr.setEncoding("utf8").on("data", look);
    child.once("error", failed);
    gone.then((code) => { clearTimeout(late); failed(new Error(`${program} ${args.join(" ")} ended with ${code}: ${output}`)); });
  });
  return { match, pid: child.pid, stop: () => end(signal), kill: () => end("SIGKILL") };
}

/** Starts tests/peers/daffi_peer.py; resolves, with { port, url, stop, kill }, when it says that it is ready. */
async function startPeer(role, { port, name }) {
  const args = [join(ROOT, "tests/peers/daffi_peer.py"), role, "--port", String(port), ...(name ? ["--name", name] : [])];
  return { port, url: `ws://127.0.0.1:${port}`, ...await start(PYTHON, args, /^ready$/m, null) };
}

/** The bridge on a free port, without TLS, in front of the daffi server on `port`, or as the Router itself. */
export async function startBridge(port, more = []) {
  const upstream = port ? ["--upstream", `tcp://127.0.0.1:${port}`] : [];
  const handle = await start(join(BUILD, "daffi-bridge"), ["--listen", "http://127.0.0.1:0", ...upstream, ...more],
    /^listening http:\/\/127\.0\.0\.1:(\d+)$/m, "SIGTERM");
  return { port: Number(handle.match[1]), url: `ws://127.0.0.1:${handle.match[1]}`, ...handle };
}

export const startService = async (port) => startPeer("service", { port: port ?? await freePort() });
export const startRouter = async (port) => startPeer("router", { port: port ?? await freePort() });
export const startWorker = (name, port) => startPeer("worker", { port, name });

/** Resolves with the first event that `wanted` takes. */
export function eventOf(client, wanted) {
  return new Promise((done) => {
    const remove = client.addEventHandler((event) => {
      if (!wanted(event)) return;
      remove();
      done(event);
    });
  });
}

/** How a promise fails; fails the test when it does not. */
export function failureOf(promise) {
  return promise.then((value) => { throw new Error(`it resolved to ${JSON.stringify(value)}`); }, (error) => error);
}

/** Resolves when `client` is in `state`. */
export function stateOf(client, state) {
  return new Promise((done) => {
    if (client.state === state) return done();
    const look = () => {
      if (client.state !== state) return;
      client.removeEventListener("statechange", look);
      done();
    };
    client.addEventListener("statechange", look);
  });
}
