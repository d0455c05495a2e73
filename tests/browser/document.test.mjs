// docs/client.md: every example in it is run, against real Python peers, and prints what it says it prints.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import ts from "typescript";
import { BUILD, CLIENT, ROOT, freePort, launchChromium, openPage, serveFolder, start, startBridge, startRouter } from "./harness.mjs";

const PYTHON = process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python");
const run = promisify(execFile);
const DOCUMENT = readFileSync(join(ROOT, "docs/client.md"), "utf8");

/** [{ kind, text, line }] of the document's blocks. */
const blocks = [...DOCUMENT.matchAll(/^```(\S[^\n]*)\n(.*?)^```$/gms)].map(({ 1: kind, 2: text, index }) =>
  ({ kind, text, line: DOCUMENT.slice(0, index).split("\n").length }));
const ofKind = (kind) => blocks.filter((block) => block.kind === kind);
/** What the comments say is printed: those behind a statement, and those that follow one on a line of their own. */
const promises = (text) => [...text.matchAll(/(?:^|[;{] )\/\/ (.*)$/gm)].map(([, said]) => said);

let browser, site, router, port, folder, allowing;
const workers = [];
const pages = { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' };
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "daffi-document-"));
  allowing = join(folder, "bridge.json");
  writeFileSync(allowing, JSON.stringify({ policy: { expose: ["*"] } }));
  port = await freePort();
  router = await startRouter(port);
  const worker = join(folder, "worker.py");
  const python = ofKind("python")[0].text.replace("port=5000", `port=${port}`).replace("worker.join()", 'print("ready", flush=True)\nworker.join()');
  writeFileSync(worker, python);
  for (const name of ["worker-A", "worker-B"]) workers.push(await start(PYTHON, [worker, name], /^ready$/m, { signal: "SIGKILL" }));
  browser = await launchChromium();
  site = await serveFolder(CLIENT, pages);
});
after(async () => {
  await browser?.close();
  await site?.stop();
  for (const peer of [...workers, router]) await peer?.stop();
  rmSync(folder, { recursive: true, force: true });
});

for (const bridged of [true, false]) {
  describe(bridged ? "through the bridge" : "straight to the Router", () => {
    let bridge, wsUrl;
    before(async () => {
      if (bridged) bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["-c", allowing, "--allow-origin", site.url]);
      wsUrl = bridge?.wsUrl ?? `ws://127.0.0.1:${port}/`;
    });
    after(() => bridge?.stop());

    test("Python calls a page", async () => {
      const [{ text }] = ofKind("js").filter(({ text }) => text.includes("expose("));
      const page = await openPage(browser, `${site.url}/page.html`);
      await page.evaluate(async (code) => { await (async () => {}).constructor("DaffiClient", code)(DaffiClient); }, real(text.slice(0, text.indexOf("await conn."))));
      const [{ text: caller }] = ofKind("python caller");
      const { stdout } = await run(PYTHON, ["-c", `${caller.replace("port=5000", `port=${port}`)}\nimport os, sys; sys.stdout.flush(); os._exit(0)`], { timeout: 30000 });
      assert.deepEqual(stdout.trim().split("\n"), [...caller.matchAll(/ {2}# (.*)$/gm)].map(([, said]) => said));
      await page.context().close();
    });

    const real = (text) => text.replaceAll("wss://bridge.example/", wsUrl).replaceAll("ws://127.0.0.1:5000/", `ws://127.0.0.1:${port}/`)
      .replaceAll("https://bridge.example/", `${site.url}/`);

    for (const { text, line } of ofKind("js")) {
      test(`the example of line ${line}`, async () => {
        const page = await openPage(browser, `${site.url}/page.html`);
        const printed = await page.evaluate(async ({ code, url }) => {
          const show = (value) => (typeof value === "string" ? value : typeof value === "bigint" ? `${value}n` : ArrayBuffer.isView(value) ?
            `${value.constructor.name} ${value}` : value instanceof Error ? String(value) : JSON.stringify(value) ?? String(value));
          const lines = [];
          const AsyncFunction = (async () => {}).constructor;
          const client = new DaffiClient({ wsUrl: url });
          const conn = await client.connect();
          await conn.waitForMembers(["worker-A", "worker-B"], { timeout: 10000 });
          await new AsyncFunction("client", "conn", "console", `{${code}}`)(client, conn, { log: (...values) => lines.push(values.map(show).join(" ")) });
          client.stop();
          return lines;
        }, { code: real(text), url: wsUrl });
        assert.deepEqual(printed, promises(text));
        assert.deepEqual(page.problems, []);
        await page.context().close();
      });
    }

    for (const [kind, type] of [["js worker", "classic"], ["js module-worker", "module"]]) {
      test(`the ${type} Worker`, async () => {
        const [{ text }] = ofKind(kind);
        const page = await openPage(browser, `${site.url}/page.html`);
        const answer = await page.evaluate(({ code, how }) => new Promise((done, failed) => {
          const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: how });
          worker.onmessage = ({ data }) => done(String(data));
          worker.onerror = (error) => failed(new Error(error.message ?? "the Worker could not be loaded"));
        }), { code: real(text), how: type });
        assert.deepEqual([answer], promises(text));
        await page.context().close();
      });
    }

    test("the whole page", async () => {
      const [{ text }] = ofKind("html");
      pages["/index.html"] = real(text);
      const page = await openPage(browser, `${site.url}/index.html`);
      await page.waitForFunction(() => document.getElementById("out").textContent !== "");
      assert.equal(await page.textContent("#out"), "7");
      assert.deepEqual(page.problems, []);
      await page.context().close();
    });
  });
}

test("Node", async () => {
  const [{ text }] = ofKind("js node");
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(CLIENT, join(folder, "node_modules/daffi-client"));
  symlinkSync(join(ROOT, "tests/node_modules/ws"), join(folder, "node_modules/ws"));
  writeFileSync(join(folder, "example.mjs"), text.replace("ws://127.0.0.1:5000/", `ws://127.0.0.1:${port}/`));
  const { stdout } = await run(process.execPath, [join(folder, "example.mjs")], { timeout: 30000 });
  assert.deepEqual(stdout.trim().split("\n"), promises(text));

  const [{ text: typed }] = ofKind("ts");
  writeFileSync(join(folder, "example.mts"), typed);
  const program = ts.createProgram([join(folder, "example.mts")], { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, types: [],
    module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16, lib: ["lib.es2022.d.ts", "lib.dom.d.ts"], skipDefaultLibCheck: true });
  assert.deepEqual(ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " ")), []);
});

test("the command that starts the workers, at the address that it names; Node trusts it by the file that is named", async () => {
  const free = await freePort();
  const [, ...command] = /^`(daffi-bridge dev .* worker-B)`/m.exec(DOCUMENT)[1].replace("5000", free).replaceAll(" python ", ` ${PYTHON} `).split(" ");
  const [, certificates] = /^`NODE_EXTRA_CA_CERTS=~\/.local\/share\/(\S+)`/m.exec(DOCUMENT);
  const [, address] = /read `(ws:\/\/\S+)` for/.exec(DOCUMENT);
  const place = join(folder, "dev");
  mkdirSync(join(place, "node_modules"), { recursive: true });
  symlinkSync(CLIENT, join(place, "node_modules/daffi-client"));
  symlinkSync(join(ROOT, "tests/node_modules/ws"), join(place, "node_modules/ws"));
  writeFileSync(join(place, "worker.py"), ofKind("python")[0].text.replace("port=5000", `port=${free}`));
  writeFileSync(join(place, "both.mjs"), `import WebSocket from "ws";
    import { DaffiClient } from "daffi-client";
    const client = new DaffiClient({ wsUrl: process.argv[2], WebSocket });
    const conn = await client.connect();
    await conn.waitForMembers(["worker-A", "worker-B"], { timeout: 20000 });
    console.log(await conn.rpc({ timeout: 20000 }).add(3, 4));
    client.stop();\n`);
  const dev = await start(join(BUILD, "daffi-bridge"), [command[0], place, "--port", "0", ...command.slice(1).map((word) => word.replace("worker.py", join(place, "worker.py")))],
    /Ctrl-C ends it/, { stream: "stderr", signal: "SIGINT", env: { HOME: place, XDG_DATA_HOME: join(place, "data"), NO_COLOR: "1" } });
  try {
    const [, secure] = /https:\/\/localhost:(\d+)\//.exec(dev.log());
    for (const [url, env] of [[address.replace("5000", free), {}], [`wss://localhost:${secure}/`, { NODE_EXTRA_CA_CERTS: join(place, "data", certificates) }]]) {
      const { stdout } = await run(process.execPath, [join(place, "both.mjs"), url], { timeout: 30000, env: { ...process.env, ...env } });
      assert.equal(stdout, "7\n");
    }
  } finally {
    await dev.stop();
  }
});

test("a page under the policy that the document names, and no other leave", async () => {
  const [, policy] = /^ {4}Content-Security-Policy: (.*)$/m.exec(DOCUMENT);
  const bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
  try {
    const named = policy.replaceAll("wss://bridge.example", bridge.wsUrl.replace(/\/$/, "")).replaceAll("https://bridge.example", site.url);
    pages["/strict.html"] = { headers: { "Content-Security-Policy": named },
      body: '<!DOCTYPE html><title>strict</title><script src="daffi.js"></script><script src="strict.js"></script>' };
    pages["/strict.js"] = `(async () => { const client = new DaffiClient({ wsUrl: "${bridge.wsUrl}" }); const conn = await client.connect();
      document.title = await conn.rpc({ timeout: 20000 }).add(3, 4); })().catch((error) => { document.title = error; });`;
    const page = await openPage(browser, `${site.url}/strict.html`);
    await page.waitForFunction(() => document.title !== "strict");
    assert.equal(await page.title(), "7");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  } finally {
    await bridge.stop();
  }
});

test("its tables are the code's own: errors, states, options", () => {
  const table = readFileSync(join(ROOT, "wasm-core/errors.def"), "utf8");
  const codes = [...table.matchAll(/^DAFFI_ERROR_CODE\(\w+, "([\w-]+)", "\w+", "([^"]+)"/gm)].map(([, code, text]) => `| \`${code}\` | ${text} |`);
  assert.ok(codes.length > 0);
  assert.ok(DOCUMENT.includes(`| --- | --- |\n${codes.join("\n")}\n\n`));
  const types = readFileSync(join(ROOT, "js-client/daffi.d.ts"), "utf8");
  const [, states] = /type State = ([^;]+);/.exec(types);
  for (const [, state] of states.matchAll(/"([\w-]+)"/g)) assert.match(DOCUMENT, new RegExp(`states are .*\`${state}\``));
  for (const name of ["ClientOptions", "CallOptions", "StreamOptions"]) {
    const [, body] = new RegExp(`interface ${name}[^{]*{\\n(.*?)^ {2}}`, "ms").exec(types);
    for (const [, option] of body.matchAll(/^ {4}(\w+)\??:/gm)) assert.match(DOCUMENT, new RegExp(`^\\| \`${option}\` \\|`, "m"), `${name}.${option}`);
  }
});

test("every public call has an example", () => {
  const code = blocks.map(({ text }) => text).join("\n");
  for (const call of ["new DaffiClient(", ".connect()", ".stop()", ".rpc(", ".rpc_nowait(", ".cast(", ".cast_nowait(", ".stream(", ".stream_nowait(", ".waitForMembers(",
    ".members()", ".addEventHandler(", ".events()", ".expose(", ".unexpose(", "statechange", ".state", "DaffiClient.kwargs(", "DaffiClient.text(", "DaffiError", "signal"]) {
    assert.ok(code.includes(call), `docs/client.md has no example of ${call}`);
  }
});
