// Options: what is known, what each accepts, and a warning for the rest.
import { refused } from "./errors.js";

const SERDES = { raw: 0, 0: 0, json: 1, 1: 1, msgpack: 3, 3: 3 };
const TIMER_MAX = 2147483647; // what setTimeout takes; more would fire at once
const MILLISECONDS = "milliseconds above 0 are accepted";
const warned = new Set();

const isNumber = (value) => typeof value === "number" && value > 0;

/** The known options that are given, null counting as not. Warns once of each other. */
function readOptions(call, options, known) {
  if (options !== undefined && typeof options !== "object") throw refused(`${call}: options`, options, "an object is accepted");
  const read = {};
  for (const option in options) {
    const text = `daffi: ${call}: unknown option "${option}" is ignored; known are ${known.join(", ")}`;
    if (known.includes(option)) {
      read[option] = options[option] ?? undefined;
    } else if (!warned.has(text)) {
      warned.add(text);
      console.warn(text);
    }
  }
  return read;
}

/** A value that `accepts` takes, or is not given. */
function check(argument, value, accepts, accepted) {
  if (value !== undefined && !accepts(value)) throw refused(argument, value, accepted);
}

function checkWaiting(call, { timeout, signal }) {
  check(`${call}: timeout`, timeout, isNumber, `${MILLISECONDS}, or null for none`);
  check(`${call}: signal`, signal, ({ aborted, addEventListener }) => typeof aborted === "boolean" && addEventListener, "an AbortSignal is accepted");
  return { timeout: timeout === Infinity ? undefined : timeout && Math.min(timeout, TIMER_MAX), signal };
}

/** One name or several, without repeats. */
function readNames(argument, names) {
  const list = [names].flat();
  for (const name of list) {
    if (typeof name !== "string" || name === "") throw refused(argument, name, "a member's name, or an array of them, is accepted");
  }
  return [...new Set(list)];
}

/** Options of a call. A cast has `receivers`, the others `receiver`; undefined where none is named. */
export function readCallOptions(call, options, defaultSerde) {
  const streams = /^stream|^rpc_nowait/.test(call);
  const { receiver, timeout, serde = defaultSerde, signal, window = 16 } =
    readOptions(call, options, ["receiver", "timeout", "serde", "signal", ...streams ? ["window"] : []]);
  check(`${call}: serde`, serde, (name) => ["string", "number"].includes(typeof name) && Object.hasOwn(SERDES, name),
    "\"json\" (1), \"msgpack\" (3) and \"raw\" (0) are accepted");
  check(`${call}: window`, window, (chunks) => Number.isInteger(chunks) && chunks > 0 && chunks < 65536, "1 to 65535 chunks are accepted");
  const named = receiver === "" ? undefined : receiver;
  const cast = call.startsWith("cast");
  if (!cast) check(`${call}: receiver`, named, (name) => typeof name === "string", "one member's name is accepted");
  return {
    ...checkWaiting(call, { timeout: call.endsWith("nowait") ? undefined : timeout, signal }),
    receiver: cast ? undefined : named,
    receivers: cast && named !== undefined ? readNames(`${call}: receiver`, named) : undefined,
    serde: SERDES[serde],
    window,
  };
}

/** Options and names of waitForMembers. */
export function readWaitOptions(names, options) {
  const call = "waitForMembers";
  const { interval, ...waiting } = readOptions(call, options, ["timeout", "interval", "signal"]);
  check(`${call}: interval`, interval, isNumber, MILLISECONDS);
  return { names: readNames(`${call}: members`, names), ...checkWaiting(call, waiting) };
}

function parseUrl(text) {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** Options of `new DaffiClient`. */
export function readClientOptions(options) {
  const { wsUrl, autoreconnect = false, reconnectDelay = 2000, WebSocket = globalThis.WebSocket, wasmUrl, token } =
    readOptions("DaffiClient", options, ["wsUrl", "autoreconnect", "reconnectDelay", "WebSocket", "wasmUrl", "token"]);
  const url = parseUrl(wsUrl);
  if (!/^wss?:$/.test(url?.protocol)) throw refused("options.wsUrl", wsUrl, "it is required, an address that begins with ws:// or wss://");
  url.hash = ""; // WebSocket refuses one
  check("options.autoreconnect", autoreconnect, (value) => typeof value === "boolean", "true or false is accepted");
  check("options.reconnectDelay", reconnectDelay, isNumber, MILLISECONDS);
  if (typeof WebSocket !== "function") throw refused("options.WebSocket", WebSocket, "a class is accepted, and needed where none is global");
  check("options.wasmUrl", wasmUrl, (value) => typeof value === "string" || value instanceof URL, "the address of app.wasm is accepted");
  check("options.token", token, (value) => ["string", "function"].includes(typeof value), "a token, or a function that gives one, is accepted");
  return { url, autoreconnect, reconnectDelay, WebSocket, wasmUrl, token };
}
