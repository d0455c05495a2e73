// Finds and compiles app.wasm, once a page.
import { DaffiError } from "./errors.js";
import { SCRIPT_URL, WASM_BASE64, WASM_BESIDE } from "./generated.js";

const compiled = new Map(); // address → promise of a WebAssembly.Module

async function readBytes(url) {
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    // Put together, so that no bundler for pages looks for it.
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ ["node:fs", "promises"].join("/"));
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return response.arrayBuffer();
}

async function compile(address, base) {
  if (WASM_BASE64 && address === "") return WebAssembly.compile(Uint8Array.from(atob(WASM_BASE64), (character) => character.charCodeAt(0)));
  return WebAssembly.compile(await readBytes(new URL(address, base)));
}

/** A new instance of app.wasm: of the one inside this script, at `wasmUrl`, or beside this script. */
export async function instantiate(wasmUrl) {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  const [address, base] = wasmUrl ? [wasmUrl, page ?? SCRIPT_URL] : [WASM_BASE64 ? "" : WASM_BESIDE, SCRIPT_URL ?? page];
  const key = `${address} ${base}`;
  try {
    if (!compiled.has(key)) compiled.set(key, compile(address, base));
    return await WebAssembly.instantiate(await compiled.get(key)); // it imports nothing
  } catch (cause) {
    compiled.delete(key);
    const hint = globalThis.location?.protocol === "file:" ? "a page from disk needs daffi.standalone.js, which has it inside" :
      /CSP|Content.Security/.test(cause) ? "the page's Content-Security-Policy lacks 'wasm-unsafe-eval'" : "set options.wasmUrl to where it is";
    throw new DaffiError("unreachable", `app.wasm could not be loaded; tried ${located(address, base)} (${cause?.message ?? cause}); ${hint}`, { cause });
  }
}

function located(address, base) {
  try {
    return new URL(address, base).href;
  } catch {
    return `"${address}" from ${base ?? "an unknown address"}`;
  }
}
