// The types, by the compiler itself: right programs compile, each wrong line is an error, and what is declared is what is there.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { CLIENT, DaffiClient, DaffiError, ROOT, makeClient } from "./peers.mjs";
import { startFakeServer } from "./fake_server.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "daffi-types-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(CLIENT, join(folder, "node_modules/daffi-client"));
  cpSync(join(HERE, "types"), folder, { recursive: true });
});
after(() => rmSync(folder, { recursive: true, force: true }));

const BROWSER = { lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"], types: [] };
const WORKER = { lib: ["lib.es2022.d.ts", "lib.webworker.d.ts"], types: [] };
const NODE = { lib: ["lib.es2022.d.ts"], types: ["node"], typeRoots: [join(ROOT, "tests/node_modules/@types")] };
const NODE_RESOLUTION = { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 };
const BUNDLER = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };

const parsed = new Map(); // the libraries are large, and the same for all
function hostOf(options) {
  const host = ts.createCompilerHost(options, true);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, how, ...rest) => {
    const key = `${name} ${how.impliedNodeFormat}`;
    if (!parsed.has(key)) parsed.set(key, read(name, how, ...rest));
    return parsed.get(key);
  };
  return host;
}

/** What the compiler says of `file`, and of all it loads: [{ line, text }]. */
function compile(file, given) {
  const options = { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, exactOptionalPropertyTypes: true, skipDefaultLibCheck: true, ...given };
  const program = ts.createProgram([join(folder, file)], options, hostOf(options));
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => ({
    line: diagnostic.file ? ts.getLineAndCharacterOfPosition(diagnostic.file, diagnostic.start).line + 1 : 0,
    text: `${diagnostic.file?.fileName ?? ""}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, " ")}`,
  }));
}

describe("programs", () => {
  const places = { "a page": BROWSER, "a Worker": WORKER };
  for (const [place, options] of Object.entries(places)) {
    for (const [resolution, how] of Object.entries({ node16: NODE_RESOLUTION, bundler: BUNDLER })) {
      test(`good.mts in ${place}, resolved as ${resolution}`, () => assert.deepEqual(compile("good.mts", { ...options, ...how }), []));
    }
  }

  test("good.mts in Node, without the types of a page, but for its global WebSocket", () => {
    const text = readFileSync(join(folder, "good.mts"), "utf8");
    writeFileSync(join(folder, "node.mts"), text.replace(", WebSocket: globalThis.WebSocket", ""));
    assert.deepEqual(compile("node.mts", { ...NODE, ...NODE_RESOLUTION }), []);
  });

  test("commonjs.cts, with and without esModuleInterop", () => {
    for (const esModuleInterop of [true, false]) assert.deepEqual(compile("commonjs.cts", { ...BROWSER, ...NODE_RESOLUTION, esModuleInterop }), []);
  });

  test("script.ts: the global", () => assert.deepEqual(compile("script.ts", { ...BROWSER, ...BUNDLER }), []));

  test("wrong.mts: every marked line is an error, and without its mark the compiler says so on that line", () => {
    assert.deepEqual(compile("wrong.mts", { ...BROWSER, ...NODE_RESOLUTION }), []);
    const lines = readFileSync(join(folder, "wrong.mts"), "utf8").split("\n");
    const marked = lines.flatMap((line, index) => (line.startsWith("// @ts-expect-error") ? [index + 2] : []));
    writeFileSync(join(folder, "unmarked.mts"), lines.map((line) => line.replace("// @ts-expect-error", "//")).join("\n"));
    const errors = compile("unmarked.mts", { ...BROWSER, ...NODE_RESOLUTION });
    assert.ok(marked.length > 30);
    assert.deepEqual([...new Set(errors.map(({ line }) => line))].sort((a, b) => a - b), marked, JSON.stringify(errors, null, 1));
  });
});

/** The declared names of daffi.d.mts: of a class or interface its members, of a union of literals its strings. */
function declared() {
  const source = ts.createSourceFile("daffi.d.mts", readFileSync(join(CLIENT, "daffi.d.mts"), "utf8"), ts.ScriptTarget.ES2022, true);
  const found = {};
  for (const node of source.statements) {
    if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
      const isStatic = (member) => member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword);
      const named = node.members.filter(({ name }) => name);
      const names = (wanted) => [...new Set(named.filter((member) => Boolean(isStatic(member)) === wanted).map(({ name }) => name.text))];
      found[node.name.text] = { members: names(false), statics: names(true) };
    } else if (ts.isTypeAliasDeclaration(node) && ts.isUnionTypeNode(node.type)) {
      found[node.name.text] = node.type.types.map(({ literal }) => literal?.text);
    }
  }
  return found;
}

const INHERITED = ["addEventListener", "removeEventListener"]; // of EventTarget, declared for their events' types
const sorted = (names) => [...names].sort();
const own = (object, but = []) => sorted(Object.getOwnPropertyNames(object).filter((name) => !["constructor", ...but].includes(name)));

describe("declared is what is there, nothing missing, nothing extra", () => {
  const types = declared();

  test("DaffiClient", () => {
    assert.deepEqual(sorted(types.DaffiClient.members.filter((name) => !INHERITED.includes(name))), own(DaffiClient.prototype));
    assert.deepEqual(sorted(types.DaffiClient.statics), own(DaffiClient, ["prototype", "length", "name", "DaffiClient"]));
    for (const name of INHERITED) assert.equal(typeof DaffiClient.prototype[name], "function");
  });

  test("Connection, members, Kwargs, the bridge's offer", async (t) => {
    const server = await startFakeServer(t, (peer) => peer.greet({ bridge: { abi: 1, maxMessage: 1000, maxBatch: 10, heartbeat: 0 } }));
    const client = makeClient(t, server.url);
    const conn = await client.connect();
    assert.deepEqual(sorted(types.Connection.members), own(Object.getPrototypeOf(conn)));
    assert.deepEqual(sorted(types.Member.members), sorted(Object.keys(conn.members()[0])));
    assert.deepEqual(sorted(types.Kwargs.members), Object.keys(DaffiClient.kwargs({})));
    assert.deepEqual(sorted(types.BridgeOffer.members), sorted(Object.keys(client.bridge)));
    const states = [];
    client.addEventListener("statechange", (event) => states.push(event));
    client.stop();
    assert.deepEqual(sorted(types.StateChangeEvent.members), sorted(["type", ...Object.keys(states[0]).filter((key) => key !== "isTrusted")]));
  });

  test("error codes, as the table has them", () => {
    const table = readFileSync(join(ROOT, "wasm-core/errors.def"), "utf8");
    assert.deepEqual(sorted(types.ErrorCode), sorted([...table.matchAll(/^DAFFI_ERROR_CODE\(\w+, "([\w-]+)"/gm)].map(([, code]) => code)));
    assert.ok(types.DaffiError.members.includes("toJSON") && own(DaffiError.prototype).includes("toJSON"));
  });

  test("states, as the client knows them", () => {
    const sources = ["session.js", "client.js"].map((name) => readFileSync(join(ROOT, "js-client/src", name), "utf8")).join("\n");
    const [, listed] = /\/\*\* ([\w, ]+ or closed)\. \*\/\n {2}get state/.exec(sources);
    assert.deepEqual(sorted(types.State), sorted(listed.split(/, | or /)));
    for (const state of types.State) assert.match(sources, new RegExp(`"${state}"|become\\(type|leave\\(type`));
  });

  test("options: those that are known, as the warning about an unknown one lists them", async (t) => {
    const warnings = [];
    t.mock.method(console, "warn", (text) => warnings.push(text));
    const server = await startFakeServer(t, (peer) => peer.greet());
    const conn = await makeClient(t, server.url, { unheardOf: 1 }).connect();
    const calls = { rpc: "CallOptions", rpc_nowait: "StreamOptions", cast: "CastOptions", cast_nowait: "CastOptions", stream: "StreamOptions", stream_nowait: "StreamOptions" };
    for (const style of Object.keys(calls)) {
      try {
        conn[style]({ unheardOf: 1 }).echo("x").catch?.(() => {});
      } catch {
        // a refusal of the rest is not looked at
      }
    }
    conn.waitForMembers("w1", { unheardOf: 1 }).catch(() => {});
    const known = Object.fromEntries(warnings.map((text) => /^daffi: (\w+): .*known are (.*)$/.exec(text).slice(1)).map(([call, list]) => [call, sorted(list.split(", "))]));
    const inherited = { StreamOptions: ["CallOptions"], CastOptions: ["CallOptions"] };
    const members = (name) => sorted(new Set([name, ...inherited[name] ?? []].flatMap((each) => types[each].members)));
    assert.deepEqual(known.DaffiClient, members("ClientOptions"));
    for (const [style, name] of Object.entries(calls)) assert.deepEqual(known[style], members(name), style);
    assert.deepEqual(known.waitForMembers, members("WaitOptions"));
  });
});
