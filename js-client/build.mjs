// Makes what is served out of src/: daffi.js, daffi.mjs, daffi.standalone.js, daffi.d.ts, each with its .br and .gz.
//
//   node build.mjs --out DIR --version X.Y.Z --errors errors.def --errors-header errors.h --wasm app.wasm
//
// src/ is a set of ES modules that agree on a few plain things, so that putting them behind one another is all there is to
// bundling (whatever breaks the agreement ends the build):
//   * an import is one line, `import { a, b } from "./x.js";`, without renaming; no module imports itself in a circle
//   * an export is `export` before a declaration; index.js alone has `export { … };` and `export default …;`
//   * top-level names are unique over all modules
//   * `generated.js` is no file: its constants are written here, for each of the outputs
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const ROOT = dirname(fileURLToPath(import.meta.url));
const IMPORT = /^import \{ ([\w, ]+) \} from "\.\/([\w.]+)";$/;
const DECLARATION = /^(?:export )?(?:async )?(?:const|let|class|function\*?) (?:(\w+)|\[([\w, ]+)\])/;

function fail(text) {
  console.error(`build.mjs: ${text}`);
  process.exit(1);
}

function readArguments(args) {
  const known = ["out", "version", "errors", "errors-header", "wasm"];
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
  const codes = {};
  for (const [, code, type] of readFileSync(table, "utf8").matchAll(/^DAFFI_ERROR_CODE\(\w+, "([\w-]+)", "(\w+)"/gm)) codes[type] = code;
  const [, module] = /DAFFI_ERROR_MODULE\s+"(\w+)"/.exec(readFileSync(header, "utf8")) ?? [];
  if (Object.keys(codes).length === 0 || !module) fail(`no error codes in ${table}, or no DAFFI_ERROR_MODULE in ${header}`);
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

/** The end of the string, template, comment or regular expression that begins at `start`; `start` when none does.
 *  `before` is the code in front of it: behind a value, `/` divides. */
function literalEnd(text, start, before) {
  const rest = text.slice(start, start + 2);
  if (rest === "//") return text.indexOf("\n", start);
  if (rest === "/*") return text.indexOf("*/", start) + 2;
  const quote = text[start];
  if (quote === "/" && (!/[\w)\]}"'`]$/.test(before) || /\b(return|typeof|case)$/.test(before))) {
    let inClass = false;
    for (let at = start + 1; at < text.length; at++) {
      if (text[at] === "\\") at++;
      else if (text[at] === "[") inClass = true;
      else if (text[at] === "]") inClass = false;
      else if (text[at] === "/" && !inClass) return at + 1;
    }
  }
  if (!"\"'`".includes(quote)) return start;
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === quote) return at + 1;
    else if (quote === "`" && text.startsWith("${", at)) {
      for (let depth = 1, inner = at + 2; depth > 0; at = inner) {
        const end = literalEnd(text, inner, text.slice(start, inner).trimEnd());
        if (end > inner) inner = end;
        else depth += { "{": 1, "}": -1 }[text[inner++]] ?? 0;
      }
      at--;
    }
  }
  return fail(`nothing closes ${text.slice(start, start + 40)}`);
}

/** Without comments and without white space that means nothing; private names are shortened. */
function shrink(text) {
  const short = new Map();
  const privateName = (name) => {
    if (!short.has(name)) short.set(name, `#${short.size.toString(36).replace(/^\d/, "_$&")}`);
    return short.get(name);
  };
  const tight = (code) => code.replace(/#\w+/g, privateName)
    .replace(/[ \t]+/g, " ").replace(/ ?\n[ \n]*/g, "\n")
    .replace(/ ?([{}()[\];,:=?&|<>!]) ?/g, "$1").replace(/([{([;,=&|?:])\n/g, "$1").replace(/\n([})\]?:.&|])/g, "$1");
  const parts = []; // code and literals, in turn
  let code = "";
  for (let at = 0; at < text.length;) {
    const end = literalEnd(text, at, code.slice(-200).trimEnd() || "\"");
    if (end === at) {
      code += text[at++];
      continue;
    }
    const literal = text.slice(at, end);
    if (!/^\/[/*]/.test(literal)) {
      parts.push(tight(code), literal.startsWith("`") ? literal.replace(/(?<=this\.|[\w)]\.)#\w+/g, privateName) : literal);
      code = "";
    }
    at = end;
  }
  parts.push(tight(code));
  return parts.join("").replace(/\n+/g, "\n").trim();
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
const body = shrink(concatenate("index.js"));
const banner = `/*! daffi.js ${options.version} | MIT */\n`;
const wasm = readFileSync(options.wasm);

const generated = (scriptUrl, base64) => `const ERROR_CODES=${JSON.stringify(codes)},ERROR_MODULE=${JSON.stringify(module)},` +
  `VERSION=${JSON.stringify(options.version)},SCRIPT_URL=${scriptUrl},WASM_BASE64=${base64};\n`;
// A page's <script>, or CommonJS; a worker's importScripts tells nothing: app.wasm is then looked for beside the worker.
const CLASSIC_URL = "globalThis.document?.currentScript?.src||" +
  "(typeof __filename===\"string\"&&typeof require===\"function\"?require(\"url\").pathToFileURL(__filename).href:undefined)";
const classic = (base64) => `${banner}(()=>{"use strict";\n${generated(CLASSIC_URL, base64)}${body}\n` +
  "if(typeof module===\"object\"&&module.exports){module.exports=DaffiClient;DaffiClient.DaffiClient=DaffiClient}" +
  "else globalThis.DaffiClient=DaffiClient;\n})();\n";

mkdirSync(options.out, { recursive: true });
writeAll(options.out, "daffi.js", classic("null"));
writeAll(options.out, "daffi.standalone.js", classic(JSON.stringify(wasm.toString("base64"))));
writeAll(options.out, "daffi.mjs", `${banner}${generated("import.meta.url", "null")}${body}\nexport{DaffiClient,DaffiError,DaffiClient as default};\n`);
writeAll(options.out, "daffi.d.ts", readFileSync(join(ROOT, "daffi.d.ts"), "utf8"));
