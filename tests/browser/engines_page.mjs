// What engines.test.mjs has a page of each browser do, and send back to it: { name of the check: "ok" or what went wrong }.
import { DaffiClient, DaffiError } from "/daffi.mjs";

const query = new URLSearchParams(location.search);
const [wsUrl, bareUrl] = [query.get("bridge"), query.get("bare")];
const results = {};
const clients = [];

function expect(got, wanted) {
  const [left, right] = [got, wanted].map((value) => JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}n` : ArrayBuffer.isView(each) ? [...each] : each)));
  if (left !== right) throw new Error(`got ${left}, expected ${right}`);
}

async function check(name, step) {
  try {
    await step();
    results[name] = "ok";
  } catch (error) {
    results[name] = `${error}\n${error?.stack}`;
  }
}

async function connect(name, url = wsUrl) {
  const client = name ? new DaffiClient(name, { wsUrl: url }) : new DaffiClient({ wsUrl: url });
  clients.push(client);
  return [client, await client.connect()];
}

async function until(isSo) {
  for (const end = Date.now() + 10000; !isSo();) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${isSo}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

const failure = (promise) => promise.then(() => "resolved", (error) => error);
const large = (size) => Uint8Array.from({ length: size }, (_, index) => index % 251);

async function run() {
  let client, conn;
  await check("connects, and sees who is there", async () => {
    [client, conn] = await connect();
    await conn.waitForMembers("w1", { timeout: 10000 });
    expect(client.state, "connected");
    expect(conn.members().find(({ name }) => name === "w1").methods.includes("echo"), true);
  });
  await check("json", async () => expect(await conn.rpc({ timeout: 10000 }).echo({ text: "ä€😀", list: [1, -0.5, null, true] }), { text: "ä€😀", list: [1, -0.5, null, true] }));
  await check("msgpack", async () => {
    const value = { text: "ä€😀", bytes: large(300), big: 2n ** 63n, small: -1, real: 0.1, list: [undefined, new Date(1700000000123)] };
    expect(await conn.rpc({ serde: "msgpack", timeout: 10000 }).echo(value), { ...value, list: [null, new Date(1700000000123)] });
  });
  await check("1 MiB of raw bytes", async () => {
    const bytes = large(1048576);
    const back = await conn.rpc({ serde: "raw", timeout: 10000 }).echo(bytes);
    expect(back.length, bytes.length);
    expect(back.every((byte, index) => byte === bytes[index]), true);
  });
  await check("500 calls at a time", async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => conn.rpc({ timeout: 20000 }).echo(index)));
    expect(answers, Array.from({ length: 500 }, (_, index) => index));
  });
  await check("errors of Python, of names, of time and of a signal", async () => {
    const remote = await failure(conn.rpc({ timeout: 10000 }).fail("why"));
    expect([remote instanceof DaffiError, remote.code, remote.remoteType, remote.remoteMessage, remote.member], [true, "remote", "ValueError", "why", "w1"]);
    expect((await failure(conn.rpc().nobodyHasThis())).code, "no-such-method");
    expect((await failure(conn.rpc({ timeout: 50 }).slow(0.2))).code, "timeout");
    expect((await failure(conn.rpc({ signal: AbortSignal.timeout(50) }).slow(0.2))).code, "aborted");
  });
  await check("a cast", async () => expect(await conn.cast({ timeout: 10000 }).whoami(), { w1: "w1" }));
  await check("a stream", async () => {
    const count = (await conn.rpc({ timeout: 10000 }).notes()).length;
    await conn.stream({ serde: "json", timeout: 10000 }).note(async function* () { for (let index = 0; index < 40; index++) yield index; });
    expect((await conn.rpc({ timeout: 10000 }).notes()).slice(count), Array.from({ length: 40 }, (_, index) => index));
  });
  await check("a page's own functions, called by another, and events of its coming and going", async () => {
    const events = [];
    client.addEventHandler(({ type, member }) => { if (member === "offers") events.push(type); });
    const other = new DaffiClient("offers", { wsUrl });
    clients.push(other);
    await other.expose({ twice: (value) => 2 * value });
    await other.connect();
    await conn.waitForMembers("offers", { timeout: 10000 });
    expect(await conn.rpc({ receiver: "offers", timeout: 10000 }).twice(21), 42);
    await other.expose({ broken: () => { throw new TypeError("not today"); } });
    await until(() => conn.members().some(({ methods }) => methods?.includes("broken"))); // another connection: its news is on its way
    const error = await failure(conn.rpc({ receiver: "offers", timeout: 10000 }).broken());
    expect([error.code, error.remoteType, error.remoteMessage], ["remote", "TypeError", "not today"]);
    const gone = new Promise((done) => client.addEventHandler(({ type, member }) => { if (type === "disconnected" && member === "offers") done(); }));
    other.stop();
    await gone;
    expect([events[0], events.at(-1)], ["connected", "disconnected"]);
  });
  for (const type of ["classic", "module"]) {
    await check(`a ${type} Worker`, async () => {
      const load = type === "module" ? `import DaffiClient from "${location.origin}/daffi.mjs";` : `importScripts("${location.origin}/daffi.js");`;
      const program = `${load} (async () => { const client = new DaffiClient({ wsUrl: ${JSON.stringify(wsUrl)} }); const conn = await client.connect();
        await conn.waitForMembers("w1", { timeout: 10000 }); postMessage(await conn.rpc({ timeout: 10000 }).add(1, 2)); client.stop(); })().catch((error) => postMessage(String(error)));`;
      const worker = new Worker(URL.createObjectURL(new Blob([program], { type: "text/javascript" })), { type });
      const answer = await new Promise((done, failed) => { worker.onmessage = ({ data }) => done(data); worker.onerror = ({ message }) => failed(new Error(message)); });
      worker.terminate();
      expect(answer, 3);
    });
  }
  await check("straight to a Python Router, with more than Chromium could send it", async () => {
    const [, bare] = await connect("", bareUrl);
    await bare.waitForMembers("w1", { timeout: 10000 });
    expect((await bare.rpc({ serde: "raw", timeout: 10000 }).echo(large(200000))).length, 200000);
    expect(await bare.rpc({ timeout: 10000 }).add(2, 3), 5);
  });
  await check("stop", async () => {
    const waiting = failure(conn.rpc().slow(0.2));
    for (const each of clients) each.stop();
    expect((await waiting).code, "closed");
  });
}

await run();
await fetch("/results", { method: "POST", body: JSON.stringify(results) });
