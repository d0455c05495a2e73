// Makes two sets of files out of src/:
//   * what is served: daffi.js, daffi.mjs, daffi.standalone.js, daffi.d.ts, daffi.d.mts, each with its .br and .gz; shortened by esbuild
//   * what the npm package's users import: index.mjs, index.cjs, standalone.mjs, standalone.cjs; not shortened, as bundlers do that
//     themselves, and Node shows the line that an uncaught error comes from
//
//   node build.mjs --out DIR --version X.Y.Z --errors errors.def --errors-header errors.h --wasm app.wasm --esbuild PROGRAM
//
// src/ is a set of ES modules that agree on a few plain things, so that putting them behind one another is all there is to
// bundling (whatever breaks the agreement ends the build):
//   * an import is one line, `import { a, b } from "./x.js";`, without renaming; no module imports itself in a circle
//   * an export is `export` before a declaration; index.js alone has `export { … };` and `export default …;`
//   * top-level names are unique over all modules
//   * `generated.js` is no file: its constants are written here, for each of the outputs
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const ROOT = dirname(fileURLToPath(import.meta.url));
const IMPORT = /^import \{ ([\w, ]+) \} from "\.\/([\w.]+)";$/;
const DECLARATION = /^(?:export )?(?:async )?(?:const|let|class|function\*?) (?:(\w+)|\[([\w, ]+)\])/;
// Properties of objects that no user sees, so that nobody misses their names in what is served. Not one that a browser's object has, or JSON.
const INTERNAL = ["addMember", "calls", "changed", "closeCall", "core", "decodeMessage", "decoder", "encodeMessage", "encodeRequest", "evictMember", "exposing",
  "exposure", "failAll", "failMember", "findMember", "greeted", "handshakeOf", "holder", "isBytes", "isConnecting", "isOpen", "limit", "link", "listMembers", "memberExposes",
  "onhandshake", "ontold", "openCall", "outlives", "outlivesEviction", "payload", "pickMember", "readEvent", "readHandshake", "readPickledError", "receivers",
  "requireConnection", "resetMembers", "returnResult", "takeBacklog", "takeId", "transmitter", "uuid"];

function fail(text) {
  console.error(`build.mjs: ${text}`);
  process.exit(1);
}

function readArguments(args) {
  const known = ["out", "version", "errors", "errors-header", "wasm", "esbuild"];
  const values = {};
  for (let index = 0; index < args.length; index += 2) {
    const name = args[index].replace(/^--/, "");
    if (!known.includes(name) || args[index + 1] === undefined) fail(`unknown or unfinished argument ${args[index]}; known are --${known.join(" --")}`);
    values[name] = args[index + 1];
  }
  for (const name of known) if (values[name] === undefined) fail(`--${name} is missing`);
  return values;
}

/** The error table, from the same file as the C enum. */
function readErrors(table, header) {
  const codes = [];
  for (const [, code, type] of readFileSync(table, "utf8").matchAll(/^DAFFI_ERROR_CODE\(\w+, "([\w-]+)", "(\w+)"/gm)) {
    if (code.replace(/-/g, "") !== type.toLowerCase()) fail(`${table}: errors.js can't find ${code} by its type ${type}`);
    codes.push(code);
  }
  const [, module] = /DAFFI_ERROR_MODULE\s+"(\w+)"/.exec(readFileSync(header, "utf8")) ?? [];
  if (codes.length === 0 || !module) fail(`no error codes in ${table}, or no DAFFI_ERROR_MODULE in ${header}`);
  return { codes, module };
}

/** The text of all modules behind one another, each after what it imports. */
function concatenate(entry) {
  const texts = [];
  const done = new Set(["generated.js"]);
  const names = new Map();
  const add = (file, above) => {
    if (above.includes(file)) fail(`${[...above, file].join(" imports ")}: a circle`);
    if (done.has(file)) return;
    const lines = readFileSync(join(ROOT, "src", file), "utf8").split("\n");
    const kept = [];
    for (const line of lines) {
      if (line.startsWith("import ")) {
        const [, , from] = IMPORT.exec(line) ?? fail(`${file}: this import is not of the plain form: ${line}`);
        add(from, [...above, file]);
      } else if (!/^export (default |\{)/.test(line)) {
        const [, one, several] = DECLARATION.exec(line) ?? [];
        for (const name of one ? [one] : several?.split(", ") ?? []) {
          if (names.has(name)) fail(`${name} is declared in ${names.get(name)} and in ${file}`);
          names.set(name, file);
        }
        kept.push(line.replace(/^export /, ""));
      }
    }
    done.add(file);
    texts.push(kept.join("\n"));
  };
  add(entry, []);
  return texts.join("\n");
}

/** The same program, shorter: also the properties in INTERNAL, and `let` for every `const`, once their values have been put where they are used. */
function shorten(text, ...more) {
  for (const name of INTERNAL) if (!new RegExp(`\\b${name}\\b`).test(text)) fail(`INTERNAL: src/ has no ${name}`);
  return execFileSync(options.esbuild, ["--minify", "--target=es2022", "--charset=utf8", `--mangle-props=^(${INTERNAL.join("|")})$`, ...more],
    { input: text, encoding: "utf8" }).replace(/\bconst(?=[ {[])/g, "let");
}

/** The types of daffi.mjs, out of those of daffi.js: what is in the namespace beside the class stands beside it. */
function moduleTypes(text) {
  const [, klass, names] = /^export = Client;.*?^(declare class Client .*?^\}\n)\ndeclare namespace Client \{\n(.*)^\}\n$/ms.exec(text) ??
    fail("daffi.d.ts is not of the form `export = Client`, class, namespace");
  const rename = (part) => part.replace(/\bClient\.(?=[A-Z])/g, "").replace(/\bClient\b/g, "DaffiClient");
  const own = rename(klass).replace("declare class", "export class").replace("{\n", "{\n  static readonly DaffiError: typeof DaffiError;\n");
  const others = rename(names.replace(/^  export \{ Client as DaffiClient \};\n/m, "").replace(/^  /gm, ""));
  return `/** Types of daffi.mjs. */\n${own}\nexport default DaffiClient;\n\n${others}`;
}

function writeAll(out, name, text) {
  const bytes = Buffer.from(text);
  const compressed = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  writeFileSync(join(out, name), bytes);
  writeFileSync(join(out, `${name}.br`), compressed);
  writeFileSync(join(out, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  console.log(`${name}: ${bytes.length} bytes, ${compressed.length} with brotli`);
}

const options = readArguments(process.argv.slice(2));
const { codes, module } = readErrors(options.errors, options["errors-header"]);
const body = concatenate("index.js");
const banner = `/*! daffi.js ${options.version} | MIT */\n`;
const wasm = readFileSync(options.wasm);

// WASM_BASE64 goes first: esbuild leaves out what a constant null rules out, as long as nothing that could throw stands before it.
const generated = (base64, scriptUrl, wasmBeside) => `const WASM_BASE64=${base64},ERROR_CODES=${JSON.stringify(codes)},ERROR_MODULE=${JSON.stringify(module)},` +
  `VERSION=${JSON.stringify(options.version)},SCRIPT_URL=${scriptUrl},WASM_BESIDE=${base64 === "null" ? wasmBeside : "null"};\n`;
const WASM_NAME = "\"app.wasm\"";
// A page's <script>, or CommonJS, or a worker's importScripts, which tells by an error's stack alone. What CommonJS has is a path: Node's
// own way to make an address of it would be looked for by bundlers.
const CLASSIC_URL = "globalThis.document?.currentScript?.src||" +
  "(typeof __filename===\"string\"&&typeof require===\"function\"?Object.assign(new URL(\"file:\"),{pathname:__filename.replace(/%/g,\"%25\")}).href:" +
  "globalThis.importScripts&&/(?:https?|file):\\S+?(?=:\\d+:\\d+)/.exec(new Error().stack)?.[0])";
const classic = (base64) => `(() => { "use strict";${generated(base64, CLASSIC_URL, WASM_NAME)}${body}
DaffiClient.DaffiClient = DaffiClient;
if (typeof module === "object" && module.exports) module.exports = DaffiClient;
else globalThis.DaffiClient = DaffiClient; })();\n`;
// Bundlers copy what stands in just this form, new URL("…", import.meta.url). Of a module they make a classic script or CommonJS, too, in which that has no address.
const BUNDLED_URL = `import.meta.url??(${CLASSIC_URL})`;
const BUNDLED_WASM = "(()=>{try{return new URL(\"app.wasm\",import.meta.url).href}catch{return\"app.wasm\"}})()";
const esModule = (base64, scriptUrl, wasmBeside) =>
  `${generated(base64, scriptUrl, wasmBeside)}${body}\nexport { DaffiClient, DaffiError, DaffiClient as default };\n`;
const inside = JSON.stringify(wasm.toString("base64"));

mkdirSync(options.out, { recursive: true });
writeAll(options.out, "daffi.js", banner + shorten(classic("null")));
writeAll(options.out, "daffi.standalone.js", banner + shorten(classic(inside)));
writeAll(options.out, "daffi.mjs", banner + shorten(esModule("null", "import.meta.url", WASM_NAME), "--format=esm"));
const types = readFileSync(join(ROOT, "daffi.d.ts"), "utf8");
writeAll(options.out, "daffi.d.ts", types);
writeAll(options.out, "daffi.d.mts", moduleTypes(types));
const readable = { "index.mjs": esModule("null", BUNDLED_URL, BUNDLED_WASM), "index.cjs": classic("null"),
  "standalone.mjs": esModule(inside, BUNDLED_URL), "standalone.cjs": classic(inside) };
for (const [name, text] of Object.entries(readable)) writeFileSync(join(options.out, name), banner + text);
for (const file of ["package.json", "README.md"]) copyFileSync(join(ROOT, file), join(options.out, file));
