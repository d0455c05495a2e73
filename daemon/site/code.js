// The code that makes the call just made: JavaScript for a page, Python for a script. What is shown is what one may copy and run.

const isName = (name) => /^[A-Za-z_]\w*$/.test(name);
const text = (value) => JSON.stringify(value); // JSON's escapes are Python's, too

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
  const values = args.map(text);
  if (keywords) values.push(`DaffiClient.kwargs(${text(keywords)})`);
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
  return Number.isFinite(value) || typeof value === "string" ? text(value) : "float(\"inf\")";
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
  for (const [name, value] of Object.entries(keywords ?? {})) values.push(isName(name) ? `${name}=${pythonValue(value)}` : `**{${text(name)}: ${pythonValue(value)}}`);
  const proxy = `conn.${style}(${given.join(", ")})`;
  const call = `${isName(functionName) ? `${proxy}.${functionName}` : `getattr(${proxy}, ${text(functionName)})`}(${values.join(", ")})`;
  return [
    "from daffi import Client, SerdeFormat",
    "",
    `client = Client(host=${text(hostname.replace(/^\[|\]$/g, ""))}, port=${port || (tls ? 443 : 80)}${tls ? ", tls=True" : ""})`,
    "conn = client.connect()",
    style === "rpc_nowait" ? call : `print(${call})`,
    "client.stop()",
  ].join("\n");
}
