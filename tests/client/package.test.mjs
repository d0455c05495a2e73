// The package: packed, installed without a network, loaded both ways in Node against a real Router, and type-checked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { CLIENT, ROOT, startRouter, startWorker } from "./peers.mjs";

const run = promisify(execFile);
const TIMEOUT = { timeout: 120000 };
let folder, router, worker;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "daffi-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--offline", "--pack-destination", folder, CLIENT], { cwd: folder, ...TIMEOUT });
  const [{ filename }] = JSON.parse(stdout);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody", private: true }));
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", join(folder, filename)], { cwd: folder, ...TIMEOUT });
  symlinkSync(join(ROOT, "tests/node_modules/ws"), join(folder, "node_modules/ws"));
  router = await startRouter();
  worker = await startWorker("w1", router.port);
});
after(async () => {
  await worker?.stop();
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const USE = `
async function use() {
  const client = new DaffiClient({ wsUrl: process.argv[2], WebSocket });
  const conn = await client.connect();
  await conn.waitForMembers("w1", { timeout: 10000 });
  const error = await conn.rpc().fail("no").catch((error) => error);
  console.log(JSON.stringify([await conn.rpc({ timeout: 20000 }).add(3, 4), error instanceof DaffiError, error.code]));
  client.stop();
  process.exit(0); // ws waits half a minute for a Router's closing frame, which never comes
}
use();
`;
const FORMS = {
  "ES module": ["use.mjs", 'import WebSocket from "ws";\nimport { DaffiClient, DaffiError } from "daffi-client";\n'],
  "ES module, default": ["default.mjs", 'import WebSocket from "ws";\nimport DaffiClient from "daffi-client";\nconst { DaffiError } = DaffiClient;\n'],
  CommonJS: ["use.cjs", 'const WebSocket = require("ws");\nconst DaffiClient = require("daffi-client");\nconst { DaffiError } = DaffiClient;\n'],
  "CommonJS, by name": ["named.cjs", 'const WebSocket = require("ws");\nconst { DaffiClient, DaffiError } = require("daffi-client");\n'],
  standalone: ["standalone.cjs", 'const WebSocket = require("ws");\nconst DaffiClient = require("daffi-client/standalone");\nconst { DaffiError } = DaffiClient;\n'],
};

for (const [form, [file, head]] of Object.entries(FORMS)) {
  test(`${form}: calls a real worker`, async () => {
    writeFileSync(join(folder, file), head + USE);
    const { stdout } = await run(process.execPath, [file, router.url], { cwd: folder, timeout: 30000 });
    assert.deepEqual(JSON.parse(stdout), [7, true, "remote"]);
  });
}

test("tsc checks a program against it", async () => {
  writeFileSync(join(folder, "use.mts"), 'import { DaffiClient } from "daffi-client";\nconst conn = await new DaffiClient({ wsUrl: "ws://127.0.0.1" }).connect();\n' +
    "const sum: number = await conn.rpc<{ add(a: number, b: number): number }>().add(3, 4);\nconsole.log(sum);\n");
  const tsc = join(ROOT, "tests/node_modules/typescript/bin/tsc");
  const compilerOptions = { strict: true, noEmit: true, module: "node16", target: "es2022", lib: ["es2022", "dom"], types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.mts"] }));
  await run(process.execPath, [tsc, "-p", folder], { cwd: folder, ...TIMEOUT });
});

test("holds what package.json names, and no more", async () => {
  const manifest = JSON.parse(readFileSync(join(folder, "node_modules/daffi-client/package.json"), "utf8"));
  const named = new Set();
  const collect = (value) => (typeof value === "string" ? named.add(value.replace(/^\.\//, "")) : Object.values(value).forEach(collect));
  [manifest.main, manifest.module, manifest.types, manifest.exports].forEach(collect);
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--offline", CLIENT], { cwd: folder, ...TIMEOUT });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path);
  assert.deepEqual(files.sort(), [...named, "README.md"].sort());
  const [, version] = /project\(daffi-bridge VERSION (\S+)/.exec(readFileSync(join(ROOT, "CMakeLists.txt"), "utf8"));
  assert.equal(manifest.version, version);
});
