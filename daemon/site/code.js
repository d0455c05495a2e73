// The code that makes the call just made: JavaScript for a page, Python for a script. What is shown is what one may copy and run.

const PYTHON_WORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from global if " +
  "import in is lambda nonlocal not or pass raise return try while with yield").split(" "));

const isName = (name) => /^[A-Za-z_]\w*$/.test(name);
const isPythonName = (name) => isName(name) && !PYTHON_WORDS.has(name);
const text = (value) => JSON.stringify(value); // JSON's escapes are Python's, too

/** A value that JSON can hold, as JavaScript writes it: JSON, but for a key that would set the prototype, and for 1e400. */
function javaScriptValue(value) {
  if (Array.isArray(value)) return `[${value.map(javaScriptValue).join(",")}]`;
  if (value !== null && typeof value === "object") return `{${Object.entries(value).map(([key, item]) => `${key === "__proto__" ? `[${text(key)}]` : text(key)}:${javaScriptValue(item)}`).join(",")}}`;
  return typeof value === "number" ? String(Object.is(value, -0) ? "-0" : value) : text(value);
}

/**
 * A call, as it was made.
 * @typedef {{url: string, style: string, functionName: string, options: object, args: unknown[], keywords: object|null}} Call
 */

/**
 * JavaScript for a module, or for the browser's console.
 * @param {Call} call
 * @param {string} script address of daffi.mjs
 */
export function writeJavaScript({ url, style, functionName, options, args, keywords }, script) {
  const given = Object.entries(options).filter(([option, value]) => value !== null && !(option === "timeout" && style === "rpc_nowait"));
  const values = args.map(javaScriptValue);
  if (keywords) values.push(`DaffiClient.kwargs(${javaScriptValue(keywords)})`);
  const name = isName(functionName) ? `.${functionName}` : `[${text(functionName)}]`;
  const call = `conn.${style}({ ${given.map(([option, value]) => `${option}: ${text(value)}`).join(", ")} })${name}(${values.join(", ")})`;
  return [
    `const { DaffiClient } = await import(${text(script)});`,
    `const client = new DaffiClient({ wsUrl: ${text(url)} });`,
    "const conn = await client.connect();",
    style === "rpc_nowait" ? `${call};` : `const result = await ${call};`,
    ...style === "rpc_nowait" ? [] : [options.serde === "raw" && style === "rpc" ? "console.log(DaffiClient.text(result));" : "console.log(result);"],
    "client.stop();",
  ].join("\n");
}

/** A value that JSON can hold, as Python writes it. */
function pythonValue(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, item]) => `${text(key)}: ${pythonValue(item)}`).join(", ")}}`;
  return Number.isFinite(value) || typeof value === "string" ? text(value) : `float("${value < 0 ? "-" : ""}inf")`;
}

const SERDES = { json: "JSON", msgpack: "MSGPACK", raw: "OPAQUE" };

/**
 * Python for a script.
 * @param {Call} call
 */
export function writePython({ url, style, functionName, options, args, keywords }) {
  const { protocol, hostname, port } = new URL(url);
  const tls = protocol === "wss:";
  const given = [
    ...options.receiver ? [`receiver=${text(options.receiver)}`] : [],
    ...options.timeout && style !== "rpc_nowait" ? [`timeout=${options.timeout / 1000}`] : [],
    `serde=SerdeFormat.${SERDES[options.serde]}`,
  ];
  const values = args.map((value) => (options.serde === "raw" ? `${text(value)}.encode()` : pythonValue(value)));
  for (const [name, value] of Object.entries(keywords ?? {})) values.push(isPythonName(name) ? `${name}=${pythonValue(value)}` : `**{${text(name)}: ${pythonValue(value)}}`);
  const proxy = `conn.${style}(${given.join(", ")})`;
  const call = `${isPythonName(functionName) ? `${proxy}.${functionName}` : `getattr(${proxy}, ${text(functionName)})`}(${values.join(", ")})`;
  return [
    "from daffi import Client, SerdeFormat",
    "",
    `client = Client(host=${text(hostname.replace(/^\[|\]$/g, ""))}, port=${port || (tls ? 443 : 80)}${tls ? ", tls=True" : ""})`,
    "conn = client.connect()",
    style === "rpc_nowait" ? call : `print(${call})`,
    "client.stop()",
  ].join("\n");
}
