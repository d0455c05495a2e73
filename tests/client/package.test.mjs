// The package: packed, installed without a network, loaded both ways in Node against a real Router, bundled, and type-checked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
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
  "standalone, ES module": ["standalone.mjs", 'import WebSocket from "ws";\nimport { DaffiClient, DaffiError } from "daffi-client/standalone";\n'],
};

for (const [form, [file, head]] of Object.entries(FORMS)) {
  test(`${form}: calls a real worker`, async () => {
    writeFileSync(join(folder, file), head + USE);
    const { stdout } = await run(process.execPath, [file, router.url], { cwd: folder, timeout: 30000 });
    assert.deepEqual(JSON.parse(stdout), [7, true, "remote"]);
  });
}

test("from a folder whose name an address would not hold as it is", async () => {
  const odd = join(folder, "100% odd #1? ü");
  mkdirSync(odd);
  for (const name of ["index.cjs", "daffi.js", "app.wasm"]) copyFileSync(join(CLIENT, name), join(odd, name));
  for (const name of ["index.cjs", "daffi.js"]) {
    writeFileSync(join(odd, "use.cjs"), `const WebSocket = require("ws");\nconst { DaffiClient, DaffiError } = require("./${name}");\n${USE}`);
    const { stdout } = await run(process.execPath, [join(odd, "use.cjs"), router.url], { cwd: folder, timeout: 30000 });
    assert.deepEqual(JSON.parse(stdout), [7, true, "remote"], name);
  }
});

test("an error that nobody caught shows a line one can read, and names one knows", async () => {
  const failures = {
    "import { DaffiClient } from \"daffi-client\";": [".mjs", 'await new DaffiClient({ wsUrl: "ws://127.0.0.1:1", WebSocket: class { constructor() { throw new Error("no"); } } }).connect();'],
    "const DaffiClient = require(\"daffi-client\");": [".cjs", 'DaffiClient("ws://127.0.0.1:1");'],
    "const { DaffiClient } = require(\"daffi-client/standalone\");": [".cjs", 'DaffiClient("ws://127.0.0.1:1");'],
  };
  for (const [head, [ending, line]] of Object.entries(failures)) {
    writeFileSync(join(folder, `failing${ending}`), `${head}\n${line}\n`);
    const { stderr } = await run(process.execPath, [`failing${ending}`], { cwd: folder, timeout: 30000 }).catch((error) => error);
    assert.ok(stderr.split("\n").every((each) => each.length < 250), stderr.slice(0, 1000));
    assert.match(stderr, ending === ".cjs" ? /^TypeError: Class constructor DaffiClient cannot be invoked without 'new'$/m : /^DaffiError: ws:\/\/127\.0\.0\.1:1\/ can't be reached: no$/m);
  }
});

describe("a program bundled by esbuild calls a real worker", () => {
  const PROGRAMS = {
    import: 'import { DaffiClient, DaffiError } from "daffi-client";\n',
    "import standalone": 'import { DaffiClient, DaffiError } from "daffi-client/standalone";\n',
    require: 'const { DaffiClient, DaffiError } = require("daffi-client");\n',
    "require standalone": 'const { DaffiClient, DaffiError } = require("daffi-client/standalone");\n',
  };
  // How it is bundled, and as what it is then run.
  const BUNDLES = { "for pages": [["--platform=browser", "--format=esm"], "mjs"], "for pages, shortened": [["--format=esm", "--minify"], "mjs"],
    "for Node": [["--platform=node", "--format=cjs"], "cjs"], "for pages, as a classic script": [[], "cjs"] };
  for (const [form, head] of Object.entries(PROGRAMS)) {
    for (const [how, [options, ending]] of Object.entries(BUNDLES)) {
      const standalone = form.endsWith("standalone");
      // app.wasm is looked for beside the bundle: CommonJS in a module knows no address, nor does a classic script in Node (tests/browser has that in a page).
      if (!standalone && (form === "require" ? ending === "mjs" : how.endsWith("script"))) continue;
      test(`${form}, ${how}`, async () => {
        const place = mkdtempSync(join(folder, "bundle-"));
        writeFileSync(join(place, "preload.cjs"), 'globalThis.WebSocket = require("ws");\n');
        writeFileSync(join(place, "app.js"), head + USE.replace(", WebSocket", ""));
        const out = join(place, "out");
        const { stderr } = await run("esbuild", [join(place, "app.js"), "--bundle", "--log-level=warning", ...options, `--outfile=${out}/bundle.${ending}`], { cwd: place });
        assert.equal(stderr, "");
        if (!standalone) copyFileSync(join(folder, "node_modules/daffi-client/app.wasm"), join(out, "app.wasm"));
        const { stdout } = await run(process.execPath, ["-r", join(place, "preload.cjs"), join(out, `bundle.${ending}`), router.url], { cwd: out, timeout: 30000 });
        assert.deepEqual(JSON.parse(stdout), [7, true, "remote"]);
      });
    }
  }
});

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
