// A scripted server on a free port, for what a real daffi server can't be made to do.
import { WebSocketServer } from "ws";

export const [HANDSHAKE, REQUEST, RESPONSE, ERROR, EVENTS] = [0, 1, 2, 3, 4];
export const [RAW, JSON_SERDE, PICKLE, MSGPACK] = [0, 1, 2, 3];

/** The bytes of a message, written independently of the client's own code (protocol.md, "Message"). */
export function encode({ uuid = 0, flag, decoder = JSON_SERDE, isBytes = false, returnResult = false, metadata = "||", payload = Buffer.alloc(0) }) {
  const body = Buffer.isBuffer(payload) || payload instanceof Uint8Array ? Buffer.from(payload) : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const names = Buffer.from(metadata);
  const header = BigInt(uuid) | BigInt(flag) << 16n | BigInt(decoder) << 20n | BigInt(isBytes) << 22n | BigInt(returnResult) << 23n |
    BigInt(names.length + body.length) << 24n | BigInt(names.length) << 49n | 1n << 64n | 1n << 71n;
  const bytes = Buffer.from(Array.from({ length: 9 }, (_, at) => Number(header >> BigInt(8 * at) & 255n)));
  return Buffer.concat([bytes, names, body]);
}

export function decode(bytes) {
  const header = bytes.subarray(0, 9).reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  const field = (from, count) => Number(header >> BigInt(from) & (1n << BigInt(count)) - 1n);
  const metadataLength = field(49, 15);
  const [transmitter, receiver, method] = bytes.subarray(9, 9 + metadataLength).toString().split("|");
  return { uuid: field(0, 16), flag: field(16, 4), decoder: field(20, 2), isBytes: field(22, 1) === 1, returnResult: field(23, 1) === 1,
    transmitter, receiver, method, payload: bytes.subarray(9 + metadataLength) };
}

/** The sizes of the messages that stand behind one another in a WebSocket message: one, or a batch. */
export function sizesIn(bytes) {
  const sizes = [];
  for (let at = 0; at < bytes.length; at += sizes.at(-1)) sizes.push(9 + (bytes.readUInt32LE(at + 3) & 0x1ffffff));
  return sizes;
}

/** One connection of a client, as the script sees it. */
class Peer {
  #queue = [];
  #waiting = [];
  constructor(socket, request) {
    this.socket = socket;
    this.url = request.url;
    this.closed = new Promise((done) => socket.on("close", (code, reason) => done({ code, reason: String(reason) })));
    socket.on("message", (data) => {
      let at = 0;
      for (const size of sizesIn(data)) {
        const message = decode(data.subarray(at, at += size));
        if (this.#waiting.length > 0) this.#waiting.shift()(message);
        else this.#queue.push(message);
      }
    });
    socket.on("error", () => {});
  }

  /** The next message that comes. */
  next() {
    return this.#queue.length > 0 ? Promise.resolve(this.#queue.shift()) : new Promise((done) => this.#waiting.push(done));
  }

  /** Messages that came and were not asked for. */
  get unread() {
    return this.#queue.length;
  }

  send(message) {
    this.socket.send(Buffer.isBuffer(message) || typeof message === "string" ? message : encode(message));
  }

  /** Answers the handshake. */
  async greet({ members = [{ name: "w1", methods: ["add", "echo"] }], type = "router", error = null, bridge } = {}) {
    const hello = await this.next();
    this.name = hello.transmitter;
    this.hello = hello;
    const meta = { type, error, ...(bridge ? { bridge } : {}) };
    this.send({ uuid: hello.uuid, flag: HANDSHAKE, metadata: `${hello.transmitter}||`, payload: { meta, members: [...members, { name: this.name, methods: null }] } });
    return this;
  }

  /** Answers a request. */
  answer(request, value, { decoder = JSON_SERDE, flag = RESPONSE, isBytes = false } = {}) {
    const payload = decoder === JSON_SERDE && flag === RESPONSE ? { args: [value], kwargs: {} } : value;
    this.send({ uuid: request.uuid, flag, decoder, isBytes, metadata: `${request.receiver}|${this.name}|${request.method}`, payload });
  }

  /** Tells of members: their functions, as they are now. */
  news(members) {
    this.send({ flag: HANDSHAKE, payload: { meta: { type: "router", error: null }, members } });
  }

  event(type, member) {
    this.send({ flag: EVENTS, payload: { type, member } });
  }
}

/** A server that runs `script(peer)` for each connection; its failures fail `t`. */
export async function startFakeServer(t, script) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 64 << 20 });
  await new Promise((done) => server.once("listening", done));
  const waiting = [];
  const arrived = [];
  server.on("connection", async (socket, request) => {
    const peer = new Peer(socket, request);
    await script?.(peer);
    if (waiting.length > 0) waiting.shift()(peer);
    else arrived.push(peer);
  });
  t.after(() => new Promise((done) => {
    for (const socket of server.clients) socket.terminate();
    server.close(done);
  }));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    /** The next connection, after `script` is done with it. */
    peer: () => (arrived.length > 0 ? Promise.resolve(arrived.shift()) : new Promise((done) => waiting.push(done))),
    stop: () => new Promise((done) => { for (const socket of server.clients) socket.terminate(); server.close(done); }),
  };
}
