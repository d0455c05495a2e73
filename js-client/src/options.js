// Options: what is known, what each accepts, and a warning for the rest.
import { describe, refused } from "./errors.js";

const SERDES = { raw: 0, 0: 0, json: 1, 1: 1, msgpack: 3, 3: 3 };
const TIMER_MAX = 2147483647; // what setTimeout takes; more would fire at once
const warned = new Set();

function warnUnknown(call, options, known) {
  for (const option of Object.keys(options)) {
    const text = `${call}: unknown option "${option}"`;
    if (known.includes(option) || warned.has(text)) continue;
    warned.add(text);
    console.warn(`daffi: ${text} is ignored; known are ${known.join(", ")}`);
  }
}

function readObject(call, options, known) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object") throw refused(`${call}: options`, options, "an object is accepted");
  warnUnknown(call, options, known);
  return options;
}

/** Milliseconds above 0, or undefined where there is no limit. */
function readTimeout(call, timeout) {
  if (timeout === null || timeout === undefined) return undefined;
  if (typeof timeout !== "number" || !(timeout > 0)) {
    throw refused(`${call}: timeout`, timeout, "milliseconds above 0 are accepted, or null for none");
  }
  return timeout === Infinity ? undefined : Math.min(timeout, TIMER_MAX);
}

function readSignal(call, signal) {
  if (signal === null || signal === undefined) return undefined;
  if (typeof signal.aborted !== "boolean" || typeof signal.addEventListener !== "function") {
    throw refused(`${call}: signal`, signal, "an AbortSignal is accepted");
  }
  return signal;
}

/** One name or several, without repeats; undefined where none is named. */
function readNames(argument, names) {
  const list = Array.isArray(names) ? names : [names];
  for (const name of list) {
    if (typeof name !== "string" || name === "") throw refused(argument, name, "a member's name, or an array of them, is accepted");
  }
  return [...new Set(list)];
}

/** Options of a call; `cast` takes several receivers (receivers), the others one (receiver). */
export function readCallOptions(call, options, defaultSerde) {
  const { receiver, timeout, serde, signal, window = 16 } =
    readObject(call, options, ["receiver", "timeout", "serde", "signal", "window"]);
  if (serde !== undefined && serde !== null && (!["string", "number"].includes(typeof serde) || !Object.hasOwn(SERDES, serde))) {
    throw refused(`${call}: serde`, serde, "\"json\" (1), \"msgpack\" (3) and \"raw\" (0) are accepted" +
      (serde === "pickle" || serde === 2 ? "; pickle runs code in whoever loads it" : ""));
  }
  if (!Number.isInteger(window) || window < 1 || window > 65535) {
    throw refused(`${call}: window`, window, "a whole number of chunks from 1 to 65535 is accepted");
  }
  const named = receiver !== undefined && receiver !== null && receiver !== "";
  const many = call.startsWith("cast");
  if (named && !many && typeof receiver !== "string") throw refused(`${call}: receiver`, receiver, "one member's name is accepted");
  return {
    receiver: named && !many ? receiver : undefined,
    receivers: named && many ? readNames(`${call}: receiver`, receiver) : undefined,
    timeout: call.endsWith("nowait") ? undefined : readTimeout(call, timeout),
    signal: readSignal(call, signal),
    serde: SERDES[serde ?? defaultSerde],
    serdeGiven: serde !== undefined && serde !== null,
    window,
  };
}

export function readWaitOptions(names, options) {
  const call = "waitForMembers";
  const { timeout, interval, signal } = readObject(call, options, ["timeout", "interval", "signal"]);
  if (interval !== undefined && interval !== null && !(interval > 0)) {
    throw refused(`${call}: interval`, interval, "milliseconds above 0 are accepted");
  }
  return { names: readNames(`${call}: members`, names), timeout: readTimeout(call, timeout), signal: readSignal(call, signal) };
}

function readUrl(option, value, protocols) {
  let url = null;
  try {
    url = new URL(value);
  } catch {
    // refused below
  }
  if (!protocols.includes(url?.protocol)) {
    throw refused(option, value, `an address that begins with ${protocols.map((name) => `${name}//`).join(" or ")} is accepted`);
  }
  return url;
}

/** Options of `new DaffiClient`. */
export function readClientOptions(options) {
  if (options === undefined || options === null || typeof options !== "object") {
    throw new TypeError(`options.wsUrl is required: new DaffiClient([name,] { wsUrl: "ws://127.0.0.1:5000" }); options is ${describe(options)}`);
  }
  const { wsUrl, autoreconnect = false, reconnectDelay = 2000, WebSocket = globalThis.WebSocket, wasmUrl } =
    readObject("DaffiClient", options, ["wsUrl", "autoreconnect", "reconnectDelay", "WebSocket", "wasmUrl"]);
  const url = readUrl("options.wsUrl", wsUrl, ["ws:", "wss:"]);
  url.hash = ""; // WebSocket refuses one
  if (typeof autoreconnect !== "boolean") throw refused("options.autoreconnect", autoreconnect, "true or false is accepted");
  if (typeof reconnectDelay !== "number" || !(reconnectDelay > 0)) {
    throw refused("options.reconnectDelay", reconnectDelay, "milliseconds above 0 are accepted");
  }
  if (typeof WebSocket !== "function") {
    throw refused("options.WebSocket", WebSocket, "this environment has none of its own; pass a class like that of the ws package");
  }
  if (wasmUrl !== undefined && wasmUrl !== null && typeof wasmUrl !== "string" && !(wasmUrl instanceof URL)) {
    throw refused("options.wasmUrl", wasmUrl, "the address of app.wasm is accepted");
  }
  return { url, autoreconnect, reconnectDelay, WebSocket, wasmUrl: wasmUrl ?? undefined };
}
