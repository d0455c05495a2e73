// What the browser tests stand on: real daffi peers, the bridge, pages, and Debian's Chromium.
import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = resolve(fileURLToPath(import.meta.url), "../../..");
export const BUILD = resolve(ROOT, process.env.DAFFI_BUILD ?? "build/dev");
export const CLIENT = join(BUILD, "js-client");
export const PYTHON = process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python");
const READY_MS = 20000;

/** A TCP port of the loopback that nobody holds just now. */
export function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer().once("error", failed).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/**
 * Starts a program and waits for the line that says it is ready.
 * @returns {Promise<{child, match, stop: () => Promise<void>, kill: () => Promise<void>, log: () => string}>}
 */
export function start(program, args, ready, { env = {}, stream = "stdout", signal = stream === "stderr" ? "SIGTERM" : null } = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  const gone = new Promise((done) => child.once("close", done));
  // The bridge has to end in good order; a Python peer may, and is not waited for long: a Service with clients never does.
  const patience = stream === "stderr" ? 20000 : 500;
  const end = (signal) => async () => {
    if (signal) child.kill(signal);
    child.stdin.end();
    const hard = setTimeout(() => child.kill("SIGKILL"), patience);
    const code = await gone;
    clearTimeout(hard);
    if (stream === "stderr" && signal !== "SIGKILL" && code !== 0) throw new Error(`${program} ended with ${code}: ${output}`); // a sanitizer's finding, too
  };
  const handle = { child, gone, stop: end(signal), kill: end("SIGKILL"), log: () => output };
  child.stdin.on("error", () => {});
  return new Promise((done, failed) => {
    const late = setTimeout(() => { child.kill("SIGKILL"); failed(new Error(`${program} ${args.join(" ")} was not ready in ${READY_MS} ms: ${output}`)); }, READY_MS);
    const look = (text) => {
      output += text;
      const match = ready.exec(output);
      if (match && !handle.match) {
        handle.match = match;
        clearTimeout(late);
        done(handle);
      }
    };
    child.stdout.setEncoding("utf8").on("data", look);
    child.stderr.setEncoding("utf8").on("data", look);
    child.once("error", failed);
    gone.then((code) => { clearTimeout(late); failed(new Error(`${program} ended with ${code}: ${output}`)); });
  });
}

const PEER = join(ROOT, "tests/peers/daffi_peer.py");
const startPeer = (port, ...args) => start(PYTHON, [PEER, ...args, "--port", String(port)], /^ready$/m);
/** A real Python Router on `port`. */
export const startRouter = (port) => startPeer(port, "router");
/** A real Python Service on `port`. */
export const startService = (port) => startPeer(port, "service");
/** A real Python worker called `name` at the Router on `port`. */
export const startWorker = (name, port) => startPeer(port, "worker", "--name", name);
/** One of the examples' own Python files. */
export const startExample = (file, port, ...args) =>
  start(PYTHON, [join(ROOT, "js-client/examples", file), ...args], /^ready$/m, { env: { DAFFI_PORT: String(port) }, signal: "SIGTERM" });

const scratch = mkdtempSync(join(tmpdir(), "daffi-browser-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** A certificate of our own for 127.0.0.1 and localhost, made once. */
function certificate() {
  const cert = join(scratch, "cert.pem");
  const key = join(scratch, "key.pem");
  if (!existsSync(cert)) {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
      "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"], { stdio: "ignore" });
  }
  return { cert, key };
}

/** A real Python Router on `port` that speaks TLS, and a worker of it. */
export const startSecureRouter = (port) => {
  const { cert, key } = certificate();
  return startPeer(port, "router", "--tls", "--cert", cert, "--key", key);
};
export const startSecureWorker = (name, port) => startPeer(port, "worker", "--name", name, "--tls");

/**
 * The bridge on a free port, with TLS.
 * @param {string} upstream a URL, or several
 * @param {string[]} more further arguments
 * @returns handle with `url` (https://127.0.0.1:N) and `wsUrl`
 */
export async function startBridge(upstream, more = [], { port = 0, playground = true } = {}) {
  const { cert, key } = certificate();
  const args = ["--listen", `https://127.0.0.1:${port}`, "--cert", cert, "--key", key, ...(playground ? ["--playground"] : []),
    ...[upstream].flat().flatMap((url) => ["--upstream", url]), ...more];
  const handle = await start(join(BUILD, "daffi-bridge"), args, /^listening (https:\/\/127\.0\.0\.1:(\d+))$/m, { stream: "stderr" });
  handle.url = handle.match[1];
  handle.port = Number(handle.match[2]);
  handle.wsUrl = `wss://127.0.0.1:${handle.port}/`;
  return handle;
}

/**
 * `daffi-bridge dev` for `folder`, on free ports, with a home of its own (the certificates, what browsers believe).
 * @returns handle with `https` and `http`, both as SCHEME://localhost:N
 */
export async function startDev(folder, home, more = []) {
  const handle = await start(join(BUILD, "daffi-bridge"), ["dev", folder, "--port", "0", "--http-port", "0", ...more], /Ctrl-C ends it/,
    { stream: "stderr", signal: "SIGINT", env: { HOME: home, XDG_DATA_HOME: join(home, "data"), NO_COLOR: "1" } });
  const port = (scheme) => new RegExp(`^listening ${scheme}://\\S+:(\\d+)$`, "m").exec(handle.log())[1];
  handle.https = `https://localhost:${port("https")}`;
  handle.http = `http://localhost:${port("http")}`;
  return handle;
}

/**
 * A new folder for `daffi-bridge dev`, and a home beside it.
 * @returns {{top: string, site: string, home: string, write: (name: string, text: string) => void}} `top` is to be removed
 */
export function makeFolder() {
  const top = mkdtempSync(join(tmpdir(), "daffi-dev-"));
  const [site, home] = [join(top, "site"), join(top, "home")];
  for (const folder of [site, home]) mkdirSync(folder);
  const write = (name, text) => { // as editors save: a new file takes the place of the old one
    const file = join(site, name);
    const beside = join(dirname(file), ".new");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(beside, text);
    renameSync(beside, file);
  };
  return { top, site, home, write };
}

/** Waits until a process of `start` has said what `pattern` matches, from character `from` of its output on; returns the match. */
export function said(handle, pattern, from = 0) {
  return new Promise((done, failed) => {
    const late = setTimeout(() => failed(new Error(`${pattern} was not said in ${READY_MS} ms, but:\n${handle.log()}`)), READY_MS);
    const look = () => {
      const match = pattern.exec(handle.log().slice(from));
      if (!match) return;
      clearTimeout(late);
      handle.child.stdout.off("data", look);
      handle.child.stderr.off("data", look);
      done(match);
    };
    handle.child.stdout.on("data", look);
    handle.child.stderr.on("data", look);
    look();
  });
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm", ".css": "text/css", ".svg": "image/svg+xml" };

/** Serves a folder over http on a free port: a site that knows nothing of the bridge. `pages` are made-up files: text, or { body, headers }, or what gives either for a request. */
export async function serveFolder(folder, pages = {}) {
  const server = createHttpServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const file = join(folder, path);
    const made = typeof pages[path] === "function" ? await pages[path](request) : pages[path];
    const body = made?.body ?? made ?? (existsSync(file) ? readFileSync(file) : null);
    response.writeHead(body === null ? 404 : 200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", ...made?.headers });
    response.end(body ?? "");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((done) => { server.closeAllConnections?.(); server.close(done); }) };
}

/** Debian's Chromium, as it has to be started in a container. */
export function launchChromium({ args = [], ...options } = {}) {
  return chromium.launch({
    ...options,
    executablePath: process.env.DAFFI_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", ...args],
  });
}

/**
 * A page whose errors fail the test: script errors and refusals of the Content-Security-Policy are collected in `problems`.
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/.test(message.text())) page.problems.push(message.text());
  });
  if (url) await page.goto(url);
  return page;
}

/**
 * What tests of the playground begin with: Chromium, and a bridge before a real Router on `port`, which has a worker "calculator".
 * @returns { browser, port, bridge, stop }; stop() ends them all, and a bridge that has taken the place of `bridge`
 */
export async function startPlayground() {
  const running = []; // what has to end, the newest first
  const house = { stop: async () => { for (const stop of running.splice(0)) await stop(); } };
  try {
    house.port = await freePort();
    running.unshift((await startRouter(house.port)).stop);
    running.unshift((await startWorker("calculator", house.port)).stop);
    house.bridge = await startBridge(`tcp://127.0.0.1:${house.port}`);
    running.unshift(() => house.bridge.stop());
    house.browser = await launchChromium();
    running.unshift(() => house.browser.close());
    return house;
  } catch (error) {
    await house.stop();
    throw error;
  }
}

/** A page of `daffi-bridge dev` that hears of changes: a stylesheet that changes before it does would have it loaded anew. */
export async function openLivePage(browser, url) {
  const page = await openPage(browser);
  const session = await page.context().newCDPSession(page);
  const sockets = new Set();
  const hears = new Promise((done) => {
    session.on("Network.webSocketCreated", (socket) => { if (socket.url.includes("/_bridge/dev/live")) sockets.add(socket.requestId); });
    session.on("Network.webSocketHandshakeResponseReceived", ({ requestId }) => { if (sockets.has(requestId)) done(); });
  });
  await session.send("Network.enable");
  await page.goto(url);
  await hears;
  await session.detach();
  return page;
}
