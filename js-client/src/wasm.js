// Finds and compiles app.wasm, once a page.
import { DaffiError } from "./errors.js";
import { SCRIPT_URL, WASM_BASE64 } from "./generated.js";

const compiled = new Map(); // address → promise of a WebAssembly.Module

/** Where app.wasm may be, in the order in which it is looked for. */
function candidates(wasmUrl) {
  if (wasmUrl !== undefined) return [new URL(wasmUrl, globalThis.document?.baseURI ?? globalThis.location?.href ?? SCRIPT_URL).href];
  const base = SCRIPT_URL ?? globalThis.document?.baseURI ?? globalThis.location?.href;
  return base === undefined ? [] : [new URL("app.wasm", base).href];
}

async function readBytes(url) {
  if (url.startsWith("file:") && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return readFile(new URL(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return response.arrayBuffer();
}

async function compile(url) {
  try {
    return await WebAssembly.compile(await readBytes(url));
  } catch (cause) {
    throw new Error(`${url} (${cause?.message ?? cause})`, { cause });
  }
}

async function find(urls) {
  const tried = [];
  for (const url of urls) {
    if (!compiled.has(url)) compiled.set(url, compile(url));
    try {
      return await compiled.get(url);
    } catch (error) {
      compiled.delete(url);
      tried.push(error.message);
    }
  }
  const hint = globalThis.location?.protocol === "file:" ? "a page from disk needs daffi.standalone.js, which has it inside" :
    "set options.wasmUrl to where it is";
  throw new DaffiError("unreachable", `app.wasm could not be loaded; tried ${tried.join(", ") || "nothing, as this script's address is unknown"}; ${hint}`);
}

function embedded() {
  if (!compiled.has("")) {
    compiled.set("", WebAssembly.compile(Uint8Array.from(atob(WASM_BASE64), (character) => character.charCodeAt(0))));
  }
  return compiled.get("");
}

/** A new instance of app.wasm. */
export async function instantiate(wasmUrl) {
  const module = await (WASM_BASE64 && wasmUrl === undefined ? embedded() : find(candidates(wasmUrl)));
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === "function") (imports[from] ??= {})[name] = () => 0; // nothing it asks for has an effect here
  }
  const instance = await WebAssembly.instantiate(module, imports);
  instance.exports._initialize?.();
  return instance;
}
