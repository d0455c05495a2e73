// Programs that are right: each line must compile, as an ES module.
import DefaultClient, { DaffiClient, DaffiError } from "daffi-client";
import type { BridgeOffer, CallOptions, CastOptions, ClientOptions, Connection, ErrorCode, Kwargs, Member, MemberEvent, Serde, State, StateChangeEvent,
  StreamOptions, WaitOptions } from "daffi-client";

interface Worker {
  add(a: number, b: number): number;
  greet(name: string): Promise<string>;
  ping(): "pong";
  store(bytes: Uint8Array): void;
}
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function is<T extends true>(): T | void {}

const same: typeof DaffiClient = DefaultClient;
const options: ClientOptions = { wsUrl: "ws://127.0.0.1:5000", autoreconnect: true, reconnectDelay: 100, wasmUrl: new URL("https://example.org/app.wasm") };
const client = new DaffiClient("page", options);
new same({ wsUrl: new URL("ws://127.0.0.1:5000") });
new DaffiClient(undefined, { wsUrl: "ws://127.0.0.1:5000", WebSocket: globalThis.WebSocket });
const state: State = client.state;
const offer: BridgeOffer | null = client.bridge;
const version: string = DaffiClient.version;

const conn: Connection = await client.connect();

// Functions of one's own.
const told: Promise<void> = client.expose({ add: (a: number, b: number) => a + b, later: async () => "x", none() {} });
client.expose({ named: (...args: unknown[]) => (args.at(-1) as Kwargs).values });
await client.unexpose("add", "later");
await client.unexpose();

// Typed methods.
const sum = await conn.rpc<Worker>().add(3, 4);
is<Equal<typeof sum, number>>();
const greeting = await conn.rpc<Worker>({ timeout: 5000, receiver: "w1", serde: "msgpack" }).greet("you");
is<Equal<typeof greeting, string>>();
const pong = await conn.rpc<Worker>({ serde: 1, timeout: null, receiver: null, signal: null }).ping();
is<Equal<typeof pong, "pong">>();
conn.rpc_nowait<Worker>({ timeout: 5 }).add(1, 2);
conn.rpc_nowait<Worker>({ serde: "raw", window: 4 }).store(function* () { yield new Uint8Array(1); });

// Untyped ones: any function, any result.
const untyped: number = await conn.rpc().add(3, 4);
const bytes: Uint8Array = await conn.rpc({ serde: 0 }).anything_at_all("text");
conn.rpc_nowait().whatever(1, "two", { three: [3] });

// Casts: each member's result, or its error.
const sums = await conn.cast<Worker>({ receiver: ["a", "b"], timeout: 1000 }).add(1, 2);
is<Equal<typeof sums, Record<string, number | DaffiError>>>();
for (const [name, value] of Object.entries(sums)) {
  if (value instanceof DaffiError) console.log(name, value.code);
  else console.log(name, value.toFixed(1));
}
conn.cast_nowait<Worker>({ receiver: "a" }).greet("all");

// Keyword arguments.
const kwargs: Kwargs = DaffiClient.kwargs({ b: 2 });
interface Named { limit?: number; order: "up" | "down" }
declare const named: Named;
DaffiClient.kwargs(named);
await conn.rpc().add(1, kwargs);
await conn.rpc<Worker>().add(1, 2, kwargs);
await conn.rpc<Worker>().add(1, kwargs);
await conn.rpc<Worker>().add(1, DaffiClient.kwargs({ b: 2 }));
await conn.rpc<Worker>().add(kwargs);
await conn.cast<Worker>().ping(kwargs);
conn.cast_nowait<Worker>().add(1, kwargs);
conn.rpc_nowait<Worker>().add(1, kwargs);
interface Loose {
  search(text: string, limit?: number, order?: "up" | "down"): string[];
  sum(...numbers: number[]): number;
  log(level: string, ...parts: unknown[]): void;
  any: any;
}
const loose = conn.rpc<Loose>();
await loose.search("a");
await loose.search("a", 5, "up");
await loose.search("a", kwargs);
await loose.search("a", 5, kwargs);
await loose.search(kwargs);
await loose.sum(1, 2, 3);
await loose.sum(1, 2, kwargs);
await loose.sum(kwargs);
await loose.log("low", "a", 5, kwargs);
await loose.any(1, kwargs);

// Streams.
await conn.stream<Worker>({ window: 8 }).store([new Uint8Array(1)]);
await conn.stream().store(async function* () { yield "a"; });
await conn.stream_nowait({ serde: "json" }).store(new Set([1, 2]));

// Members, and waiting for them.
await conn.waitForMembers(["a", "b"], { timeout: 30000, interval: 1000, signal: new AbortController().signal });
const members: Member[] = conn.members();
const methods: readonly string[] | null | undefined = members[0]?.methods;

// Events and states.
const remove: () => void = client.addEventHandler((event: MemberEvent) => console.log(event.type === "evicted", event.member));
for await (const { type, member } of client.events()) {
  is<Equal<typeof type, "connected" | "disconnected" | "evicted">>();
  console.log(type, member);
  break;
}
const onState = (event: StateChangeEvent) => console.log(event.previous, event.state === "connected");
client.addEventListener("statechange", onState, { once: true });
client.removeEventListener("statechange", onState);

// Errors: one class, its codes a union that narrows.
const wait = (ms: number) => ms;
try {
  await conn.rpc().fail();
} catch (error) {
  if (error instanceof DaffiError) {
    switch (error.code) {
      case "remote": {
        const type: string | undefined = error.remoteType;
        console.log(type, error.remoteModule, error.remoteMessage, error.member, error.method);
        break;
      }
      case "timeout": case "disconnected": case "busy":
        wait(10);
        break;
      case "evicted": case "no-such-member": case "no-such-method": case "refused": case "closed": case "protocol": case "aborted": case "unreachable":
        console.log(error.reason, error.toJSON().code);
        break;
      default: {
        const none: never = error.code;
        console.log(none);
      }
    }
  }
}
const text: string = DaffiClient.text(new Uint8Array([104, 105]));
const call: CallOptions = { serde: "raw" satisfies Serde };
const cast: CastOptions = { receiver: [] };
const stream: StreamOptions = { ...call, window: 1 };
const waiting: WaitOptions = {};
const maybe = { receiver: undefined, timeout: undefined, serde: undefined, signal: undefined } as { receiver: string | undefined; timeout: number | undefined; serde: Serde | undefined;
  signal: AbortSignal | undefined };
conn.rpc(maybe);
conn.cast({ ...maybe, receiver: undefined });
conn.stream({ ...maybe, window: undefined });
conn.waitForMembers("a", { timeout: maybe.timeout, interval: undefined, signal: maybe.signal });
new DaffiClient({ wsUrl: "ws://127.0.0.1:5000", autoreconnect: undefined, reconnectDelay: undefined, WebSocket: undefined, wasmUrl: undefined, token: undefined });
const own = new DaffiError("busy", "not now", { member: "a", cause: new Error("why") });
const code: ErrorCode = "busy";
client.stop();
console.log(state, offer, version, untyped, bytes, methods, text, cast, stream, waiting, code, own, DaffiClient.DaffiError === DaffiError);
remove();
