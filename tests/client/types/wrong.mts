// Programs that are wrong: each marked line must be an error, and is one by itself when its mark is taken away.
import { DaffiClient, DaffiError } from "daffi-client";
import type { Connection, ErrorCode, Kwargs, Serde, State } from "daffi-client";

interface Worker {
  add(a: number, b: number): number;
  search(text: string, limit?: number): string[];
  sum(...numbers: number[]): number;
}
declare const kwargs: Kwargs;
declare const conn: Connection;
declare const client: DaffiClient;
declare const failed: DaffiError;

// @ts-expect-error wsUrl is required
new DaffiClient("page");
// @ts-expect-error wsUrl is required
new DaffiClient({});
// @ts-expect-error a name is text
new DaffiClient(5, { wsUrl: "ws://127.0.0.1" });
// @ts-expect-error an option that does not exist
new DaffiClient({ wsUrl: "ws://127.0.0.1", wasmPath: "x" });
// @ts-expect-error a delay is a number
new DaffiClient({ wsUrl: "ws://127.0.0.1", reconnectDelay: "2s" });
// @ts-expect-error no class of a WebSocket
new DaffiClient({ wsUrl: "ws://127.0.0.1", WebSocket: class {} });
// @ts-expect-error it needs functions
client.expose();
// @ts-expect-error what is exposed is no function
client.expose({ answer: 42 });
// @ts-expect-error a function without a name
client.expose(() => 1);
// @ts-expect-error a list of functions without names
client.expose([() => 1]);
// @ts-expect-error functions of a class, which are not the object's own: none would be exposed
client.expose(new (class { add(a: number) { return a; } })());
// @ts-expect-error a name is text
client.unexpose(() => 1);
// @ts-expect-error a function that the worker has not
conn.rpc<Worker>().subtract(1, 2);
// @ts-expect-error an argument of another type
conn.rpc<Worker>().add("1", 2);
// @ts-expect-error an argument is missing
conn.rpc<Worker>().add(1);
// @ts-expect-error an argument of another type, the others by name
conn.rpc<Worker>().add("1", kwargs);
// @ts-expect-error one argument too many, behind it those by name
conn.rpc<Worker>().add(1, 2, 3, kwargs);
// @ts-expect-error keyword arguments go last
conn.rpc<Worker>().add(kwargs, 2);
// @ts-expect-error keyword arguments are made by DaffiClient.kwargs
conn.rpc<Worker>().add(1, { b: 2 });
// @ts-expect-error an optional argument of another type
conn.rpc<Worker>().search("a", "5", kwargs);
// @ts-expect-error one of any number of arguments of another type
conn.rpc<Worker>().sum(1, "2", kwargs);
// @ts-expect-error keyword arguments go last, behind any number of others, too
conn.rpc<Worker>().sum(kwargs, 1);
// @ts-expect-error the result is a number
export const text: string = await conn.rpc<Worker>().add(1, 2);
// @ts-expect-error a promise is no number
export const early: number = conn.rpc<Worker>().add(1, 2);
// @ts-expect-error nothing comes back
export const nothing: number = conn.rpc_nowait<Worker>().add(1, 2);
// @ts-expect-error a cast's value may be an error
export const sums: Record<string, number> = await conn.cast<Worker>().add(1, 2);
// @ts-expect-error pickle runs code
conn.rpc({ serde: "pickle" });
// @ts-expect-error pickle by its number
conn.rpc({ serde: 2 });
// @ts-expect-error one receiver alone
conn.rpc({ receiver: ["a", "b"] });
// @ts-expect-error milliseconds are a number
conn.rpc({ timeout: "5s" });
// @ts-expect-error no AbortSignal
conn.rpc({ signal: new AbortController() });
// @ts-expect-error a misspelt option
conn.rpc({ recevier: "a" });
// @ts-expect-error a call has no window
conn.rpc({ window: 4 });
// @ts-expect-error a cast has no window
conn.cast({ window: 4 });
// @ts-expect-error a window is a number
conn.stream({ window: "4" });
// @ts-expect-error a stream takes one source
conn.stream().store([1], [2]);
// @ts-expect-error names are text
conn.waitForMembers([5]);
// @ts-expect-error options of a call are not those of a wait
conn.waitForMembers("a", { serde: "json" });
// @ts-expect-error keyword arguments are an object
DaffiClient.kwargs(5);
// @ts-expect-error keyword arguments are no list
DaffiClient.kwargs([1]);
// @ts-expect-error keyword arguments are no Map
DaffiClient.kwargs(new Map([["a", 1]]));
// @ts-expect-error keyword arguments are no function
DaffiClient.kwargs(() => 1);
// @ts-expect-error an error has a code
new DaffiError("a message alone");
// @ts-expect-error text of bytes, not of text
DaffiClient.text("hi");
// @ts-expect-error a handler is a function
client.addEventHandler("connected");
// @ts-expect-error events are a "type" and a "member"
client.addEventHandler(({ name }) => name);
// @ts-expect-error no such event of a client
client.addEventListener("close", (event: { state: State }) => event);
// @ts-expect-error the name is given once
client.name = "another";
// @ts-expect-error the state is told, not set
client.state = "closed";
// @ts-expect-error no such state
export const state: State = "open";
// @ts-expect-error no such code
export const code: ErrorCode = "error";
// @ts-expect-error no such code to compare with
failed.code === "time-out";
// @ts-expect-error no such serde
export const serde: Serde = "yaml";
// @ts-expect-error a Connection is not made by hand
new Connection();
// @ts-expect-error no such thing in the package
export type { Session } from "daffi-client";
