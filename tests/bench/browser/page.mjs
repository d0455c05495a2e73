// What runs in the page: a bare WebSocket that speaks just enough daffi to be echoed, and the same work done by daffi.js.
// Each function works for a while and returns a rate.

const HEADER = 9;
const PAYLOAD = 64; // bytes of a small call
const WARM_UP = 0.05; // seconds
const SLICE = 0.05;

/** The bytes of a message of one's own, built once: uuid, flag (0 handshake, 1 request), decoder (0 raw, 1 json). */
function messageOf(uuid, flag, decoder, metadata, payload) {
  const names = new TextEncoder().encode(metadata);
  const length = names.length + payload.length;
  const bytes = new Uint8Array(HEADER + length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, uuid, true);
  bytes[2] = flag | decoder << 4 | (decoder === 0 ? 64 : 0) | 128;
  view.setUint32(3, length & 0x1ffffff | (names.length & 127) << 25, true);
  view.setUint16(7, names.length >> 7 | 1 << 8 | 1 << 15, true);
  bytes.set(names, HEADER);
  bytes.set(payload, HEADER + names.length);
  return bytes;
}

/** A WebSocket that has shaken hands; `next()` is a promise of the next message. */
async function openBare(wsUrl) {
  const name = `bare-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const socket = new WebSocket(wsUrl);
  socket.binaryType = "arraybuffer";
  await new Promise((done, failed) => { socket.onopen = done; socket.onerror = () => failed(new Error(`${wsUrl} did not open`)); });
  const answered = new Promise((done) => { socket.onmessage = done; });
  socket.send(messageOf(1, 0, 1, `${name}||`, new TextEncoder().encode(JSON.stringify({ meta: { type: "client" }, members: [{ name, methods: null }] }))));
  await answered;
  return { socket, name };
}

/** One message after another, by the plainest code there is: the socket's own events. */
function echoes(socket, message, seconds, atATime = 1) {
  return new Promise((done) => {
    const begun = performance.now();
    let count = 0;
    let open = atATime;
    let id = 0;
    const send = () => { // an id that is not in flight
      message[0] = (id = id + 1 & 0xffff);
      message[1] = id >> 8;
      socket.send(message);
    };
    socket.onmessage = () => {
      count++;
      const now = performance.now();
      if (now - begun < seconds * 1000) return send();
      if (--open === 0) done(count / (now - begun) * 1000);
    };
    for (let sent = 0; sent < atATime; sent++) send();
  });
}

/** As little as a client can do that promises: bytes of its own sent, bytes of its own given. */
async function promisedEchoes(socket, message, seconds) {
  const echo = (value) => new Promise((done) => {
    socket.onmessage = ({ data }) => done(new Uint8Array(data).slice());
    socket.send(value.slice());
  });
  const begun = performance.now();
  let count = 0;
  let now = begun;
  for (; now - begun < seconds * 1000; now = performance.now()) {
    message[0] = ++count;
    message[1] = count >> 8;
    await echo(message);
  }
  return count / (now - begun) * 1000;
}

export async function bareEchoes(wsUrl, member, seconds, atATime = 1, size = PAYLOAD) {
  const { socket, name } = await openBare(wsUrl);
  const message = messageOf(2, 1, 0, `${name}|${member}|echo`, new Uint8Array(size));
  await echoes(socket, message, WARM_UP);
  const rate = await echoes(socket, message, seconds, atATime);
  socket.close();
  return rate;
}

/** Bytes of a message through strings and back, as a client does that has no other way over its border. */
export async function stringEchoes(wsUrl, member, seconds, size) {
  const { socket, name } = await openBare(wsUrl);
  const bytes = new Uint8Array(size).map((_, index) => index % 251);
  const textOf = (view) => {
    let text = "";
    for (let at = 0; at < view.length; at += 8192) text += String.fromCharCode(...view.subarray(at, at + 8192));
    return text;
  };
  const bytesOf = (text) => {
    const made = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) made[at] = text.charCodeAt(at);
    return made;
  };
  const begun = performance.now();
  let count = 0;
  let now = begun;
  for (; now - begun < seconds * 1000; now = performance.now(), count++) {
    const answered = new Promise((done) => { socket.onmessage = done; });
    socket.send(messageOf(2, 1, 0, `${name}|${member}|echo`, bytesOf(textOf(bytes))));
    const whole = bytesOf(textOf(new Uint8Array((await answered).data)));
    if (whole.length < size) throw new Error("the echo is shorter");
  }
  socket.close();
  return count / (now - begun) * 1000;
}

const VALUES = { raw: (size) => new Uint8Array(size), json: () => ({ a: [1, "two", null, true, "x".repeat(30)] }) };
VALUES.msgpack = VALUES.json;

/** A client and its echo, of one serde. */
async function openClient(wsUrl, member, serde) {
  const client = new DaffiClient({ wsUrl });
  const conn = await client.connect();
  await conn.waitForMembers(member, { timeout: 10000 });
  return { client, echo: conn.rpc({ serde }).echo };
}

async function callsFor(echo, value, seconds, atATime = 1) {
  const begun = performance.now();
  let count = 0;
  let now = begun;
  const lane = async () => {
    for (; now - begun < seconds * 1000; now = performance.now(), count++) await echo(value);
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return count / (performance.now() - begun) * 1000;
}

/** daffi.js: calls of one serde, so many at a time. */
export async function calls(wsUrl, member, seconds, serde, atATime = 1, size = PAYLOAD) {
  const { client, echo } = await openClient(wsUrl, member, serde);
  const value = VALUES[serde](size);
  await callsFor(echo, value, WARM_UP);
  const rate = await callsFor(echo, value, seconds, atATime);
  client.stop();
  return rate;
}

/** One call after another, one bare message after another, and one with a promise, in slices that take turns: their rates a second. */
export async function besideBare(wsUrl, member, seconds, serde) {
  const { client, echo } = await openClient(wsUrl, member, serde);
  const { socket, name } = await openBare(wsUrl);
  const value = VALUES[serde](PAYLOAD);
  const message = messageOf(2, 1, 0, `${name}|${member}|echo`, new Uint8Array(PAYLOAD));
  const sums = [0, 0, 0];
  const rounds = Math.max(1, Math.round(seconds / SLICE));
  for (let round = -1; round < rounds; round++) { // the first is to warm up
    const rates = [await callsFor(echo, value, SLICE), await echoes(socket, message, SLICE), await promisedEchoes(socket, message, SLICE)];
    if (round >= 0) rates.forEach((rate, index) => { sums[index] += rate / rounds; });
  }
  client.stop();
  socket.close();
  return sums;
}

/** Bytes of app.wasm's memory once connected. */
export async function memoryAtStart(wsUrl) {
  const { instantiate } = WebAssembly;
  let memory;
  WebAssembly.instantiate = async (...given) => {
    const instance = await instantiate(...given);
    memory = instance.exports.memory;
    return instance;
  };
  const client = new DaffiClient({ wsUrl });
  await client.connect();
  WebAssembly.instantiate = instantiate;
  client.stop();
  return memory.buffer.byteLength;
}
