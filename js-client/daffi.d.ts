/** Types of daffi.js and daffi.standalone.js: the class, by which the others are found: DaffiClient.CallOptions. The build makes daffi.d.mts,
 *  the same as an ES module, of this file. */
export = Client;
export as namespace DaffiClient;

declare class Client extends EventTarget {
  static readonly version: string;
  /** Marks an object as Python's keyword arguments; goes last. */
  static kwargs<T extends object>(values: Client.Plain<T>): Client.Kwargs;
  /** The text of raw bytes. */
  static text(bytes: ArrayBuffer | ArrayBufferView): string;

  constructor(options: Client.ClientOptions);
  constructor(name: string | null | undefined, options: Client.ClientOptions);

  readonly name: string;
  readonly state: Client.State;
  /** What the bridge said of itself; null without a connection to one. */
  readonly bridge: Client.BridgeOffer | null;

  /** The same promise while connecting or connected. */
  connect(): Promise<Client.Connection>;
  /** Offers functions to others, also before connect(); they may be async, what they throw arrives at the caller. Arguments and
   *  result travel in the caller's serde: raw is one Uint8Array; Python's keyword arguments come as one Kwargs behind the others.
   *  Resolves when all others know them; rejects `refused` where the bridge's policy does not let pages expose them. */
  expose(functions: Readonly<Record<string, (...args: any[]) => any>>): Promise<void>;
  /** Takes functions back: who calls them hears `no-such-method`. */
  unexpose(...names: string[]): Promise<void>;
  /** Ends for good. */
  stop(): void;
  /** Returns a function that removes the handler. */
  addEventHandler(handler: (event: Client.MemberEvent) => void): () => void;
  /** Events from now on, until stop(). */
  events(): AsyncIterableIterator<Client.MemberEvent>;

  addEventListener(type: "statechange", listener: Client.StateChangeListener | null, options?: boolean | Client.ListenerOptions): void;
  removeEventListener(type: "statechange", listener: Client.StateChangeListener | null, options?: boolean | { capture?: boolean }): void;
}

declare namespace Client {
  /** How arguments and results travel. Pickle (2) runs code in whoever loads it and is refused. */
  export type Serde = "json" | 1 | "raw" | 0 | "msgpack" | 3;

  export type ErrorCode =
    | "remote" | "timeout" | "disconnected" | "evicted" | "no-such-member" | "no-such-method"
    | "refused" | "closed" | "protocol" | "aborted" | "unreachable" | "busy";

  /** Every rejection but those of refused arguments, which are TypeError and RangeError. */
  export class DaffiError extends Error {
    constructor(code: ErrorCode, message: string, details?: { cause?: unknown; [detail: string]: unknown });
    readonly name: "DaffiError";
    readonly code: ErrorCode;
    /** The member that was called. */
    readonly member?: string;
    /** The function that was called. */
    readonly method?: string;
    /** Of `remote`: the class of the worker's exception, "ValueError". */
    readonly remoteType?: string;
    /** Of `remote`: the module of that class, "builtins". */
    readonly remoteModule?: string;
    /** Of `remote`: the text of the worker's exception. */
    readonly remoteMessage?: string;
    /** Of `refused` and `disconnected`: the server's own words. */
    readonly reason?: string;
    toJSON(): { name: string; code: ErrorCode; message: string; [key: string]: unknown };
  }

  export interface ClientOptions {
    /** Address of the Python backend or the bridge: ws:// or wss://. */
    wsUrl: string | URL;
    /** Reconnect when the link is lost. Default false. */
    autoreconnect?: boolean | undefined;
    /** Milliseconds before the first retry, doubled after each failure up to 60 s. Default 2000. */
    reconnectDelay?: number | undefined;
    /** The class to connect with, where there is no global one (Node before 22). */
    WebSocket?: WebSocketClass | undefined;
    /** Where app.wasm is, if not beside this script. */
    wasmUrl?: string | URL | undefined;
    /** What a bridge that asks for tokens is shown: a token, or a function that gives one for each attempt to connect. */
    token?: string | (() => string | Promise<string>) | undefined;
  }

  /** What a WebSocket class must be able to do. */
  export interface WebSocketClass {
    new (url: string): {
      binaryType: any;
      readonly bufferedAmount: number;
      onopen: any;
      onmessage: any;
      onerror: any;
      onclose: any;
      send(data: any): void;
      close(code?: number, reason?: string): void;
    };
  }

  export interface CallOptions {
    /** The member to call; "" or none: whoever exposes the function, in turn. */
    receiver?: string | null | undefined;
    /** Milliseconds until `timeout`; null: none. */
    timeout?: number | null | undefined;
    /** Default "json"; "raw" for streams. */
    serde?: Serde | null | undefined;
    /** Aborts the call. */
    signal?: AbortSignal | null | undefined;
  }

  export interface CastOptions extends Omit<CallOptions, "receiver"> {
    /** The members to call; none: all who expose the function. */
    receiver?: string | readonly string[] | null | undefined;
  }

  export interface StreamOptions extends CallOptions {
    /** How many chunks may be unanswered. Default 16. */
    window?: number | null | undefined;
  }

  export interface WaitOptions {
    /** Milliseconds until `timeout`; null: none. */
    timeout?: number | null | undefined;
    /** Accepted for old pages; nothing is polled. */
    interval?: number | null | undefined;
    signal?: AbortSignal | null | undefined;
  }

  /** Python's keyword arguments, made by DaffiClient.kwargs. */
  export interface Kwargs {
    readonly values: Readonly<Record<string, unknown>>;
  }

  /** What a worker offers, for rpc<Worker>(): its functions by name. */
  export type Methods = Record<string, (...args: any[]) => any>;

  /** An object by its keys, of an interface or a class as well; no array, function or Map. */
  export type Plain<T> = T extends readonly any[] | ((...args: any) => any) | ReadonlyMap<any, any> ? never : T;

  type Any<T, Yes, No> = 0 extends 1 & T ? Yes : No;
  type Resolved<T> = T extends PromiseLike<infer R> ? R : T;
  /** The first few of the arguments, or all: Python takes the others by name. */
  type Leading<A extends any[]> = number extends A["length"] ? A : A extends [(infer H)?, ...infer R] ? (A extends [] ? [] : [] | [H, ...Leading<R>]) : [];
  type Arguments<F> = Any<F, any[], F extends (...args: infer A) => any ? A | [...Leading<A>, Kwargs] : never>;
  type Result<F> = Any<F, any, F extends (...args: any[]) => infer R ? Resolved<R> : never>;
  /** What a proxy has as functions of the worker: all but what would make it a promise. */
  type Names<W> = Exclude<keyof W, "then" | "toJSON" | "toString" | "valueOf" | symbol>;

  /** Functions whose calls promise the result. */
  export type Calls<W> = { readonly [K in Names<W>]: (...args: Arguments<W[K]>) => Promise<Result<W[K]>> };
  /** Functions whose calls return nothing. */
  export type Sends<W> = { readonly [K in Names<W>]: (...args: Arguments<W[K]>) => void };
  /** Functions whose calls, or streams, return nothing. */
  export type StreamingSends<W> = { readonly [K in Names<W>]: (...args: Arguments<W[K]> | [() => Iterable<unknown> | AsyncIterable<unknown>]) => void };
  /** Functions whose calls promise each member's result, or its error. */
  export type Casts<W> = { readonly [K in Names<W>]: (...args: Arguments<W[K]>) => Promise<Record<string, Result<W[K]> | DaffiError>> };
  /** Functions that take a source. A chunk each: what is iterable, or a function that makes it. Anything else is one chunk. */
  export type Streams<W> = { readonly [K in Names<W>]: (source: unknown) => Promise<void> };

  export interface Member {
    readonly name: string;
    /** Names of its functions; null when it exposes none. */
    readonly methods: readonly string[] | null;
  }

  /** What connect() resolves to. It goes on working after a reconnect. */
  export interface Connection {
    /** One member answers. */
    rpc<W extends object = any>(options?: CallOptions | null): Calls<W>;
    /** To one member, without an answer; throws what it refuses. A generator function streams. */
    rpc_nowait<W extends object = any>(options?: StreamOptions | null): StreamingSends<W>;
    /** Every member that exposes the function answers. */
    cast<W extends object = any>(options?: CastOptions | null): Casts<W>;
    /** To every member that exposes the function, without an answer. */
    cast_nowait<W extends object = any>(options?: CastOptions | null): Sends<W>;
    /** Chunks to one member; resolves when all are answered. */
    stream<W extends object = any>(options?: StreamOptions | null): Streams<W>;
    /** Chunks to one member; resolves when all are sent. */
    stream_nowait<W extends object = any>(options?: StreamOptions | null): Streams<W>;
    /** Resolves as soon as every named member is there. */
    waitForMembers(members: string | readonly string[], options?: WaitOptions | null): Promise<void>;
    /** Who is there now. */
    members(): Member[];
  }

  export interface MemberEvent {
    readonly type: "connected" | "disconnected" | "evicted";
    /** Whom it is about; one's own name tells of one's own link. */
    readonly member: string;
  }

  export type State = "idle" | "connecting" | "connected" | "reconnecting" | "disconnected" | "evicted" | "closed";

  export interface StateChangeEvent extends Event {
    readonly type: "statechange";
    readonly state: State;
    readonly previous: State;
  }

  export type StateChangeListener = ((event: StateChangeEvent) => void) | { handleEvent(event: StateChangeEvent): void };

  export interface ListenerOptions {
    capture?: boolean;
    once?: boolean;
    passive?: boolean;
    signal?: AbortSignal;
  }

  export interface BridgeOffer {
    readonly abi: number;
    /** Bytes of a whole message; 0: no limit but the wire's. */
    readonly maxMessage: number;
    readonly maxBatch: number;
    /** Milliseconds between heartbeats; 0: none. */
    readonly heartbeat: number;
  }

  export { Client as DaffiClient };
}
