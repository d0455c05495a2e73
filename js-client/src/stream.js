// A source, chunk by chunk, to one member: a window of them may be unanswered, and the socket's buffer is respected.
import { describe, refused } from "./errors.js";

/** The chunks of whatever was given: an iterator. Strings, buffers, views and other values are one chunk. */
export function chunksOf(method, args) {
  if (args.length !== 1) throw new TypeError(`${method}: a stream takes exactly one source, there are ${args.length}`);
  let [source] = args;
  if (typeof source === "function") {
    const made = source();
    if (typeof made?.next !== "function" && !iteratorOf(made)) throw refused(`${method}: what the function returned`, made, "an iterable is accepted");
    source = made;
  }
  if (source === null || typeof source !== "object" || ArrayBuffer.isView(source)) return [source][Symbol.iterator]();
  return iteratorOf(source) ?? (typeof source.next === "function" ? source : [source][Symbol.iterator]());
}

function iteratorOf(source) {
  return source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.();
}

/** Sends all chunks. `task` is the stream as what waits in `calls`: it is settled here, or by whatever ends it (an abort, the
 *  link's end). `send(chunk)` gives the call that waits for the chunk's answer, or undefined where none is wanted. */
export async function pumpStream(iterator, { calls, task, send, window, session }) {
  const open = new Set();
  let wake = () => {};
  let ended = false; // the source, by itself or closed; nor can it be closed while it makes a chunk
  const changed = () => new Promise((resolve) => { wake = resolve; });
  const closeSource = async () => {
    if (ended) return;
    ended = true;
    try {
      await iterator.return?.();
    } catch {
      // it is closed, however it took it
    }
  };
  task.promise.catch((error) => {
    for (const call of open) calls.fail(call, error);
    closeSource();
    wake();
  });
  try {
    while (calls.isOpen(task)) {
      if (open.size >= window) {
        await changed();
        continue;
      }
      if (session.link.full) {
        await session.link.drained();
        continue;
      }
      ended = true; // also by throwing
      const { done, value } = await iterator.next();
      if (done) break;
      ended = false;
      const chunk = await value; // a promise of a sync source
      if (!calls.isOpen(task)) break;
      const call = send(chunk);
      if (!call) continue;
      open.add(call);
      call.promise.then(() => open.delete(call), (error) => {
        open.delete(call);
        calls.fail(task, error);
      }).then(() => wake());
    }
    while (calls.isOpen(task) && open.size > 0) await changed();
    calls.finish(task, undefined);
  } catch (error) {
    calls.fail(task, error instanceof Error ? error : new Error(describe(error), { cause: error }));
  }
  closeSource();
}
