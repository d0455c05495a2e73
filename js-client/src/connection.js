// The four call styles of Python's connection, streams, and who is there.
import { aborted } from "./calls.js";
import { DaffiError } from "./errors.js";
import { readCallOptions, readWaitOptions } from "./options.js";
import { makeMethods } from "./proxy.js";
import { chunksOf, pumpStream } from "./stream.js";
import { encodeArguments } from "./values.js";

/** A promise of what `step` promises, or of what it throws. */
function promised(step) {
  try {
    return step();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Proxy whose calls promise: bad options reject there, too. They are read once, by the first call. */
function promisingMethods(style, options, defaultSerde, call) {
  let read;
  return makeMethods(style, (method, args) => promised(() => call(method, args, read ??= readCallOptions(style, options, defaultSerde))));
}

/** Proxy whose calls return nothing: all that is refused is thrown at once. */
function sendingMethods(style, options, call) {
  const read = readCallOptions(style, options, "json");
  return makeMethods(style, (method, args) => {
    call(method, args, read);
  });
}

/** Whether `name` is `typed` but for one letter: too many, too few or another. Two for one count as well: getUser for get_user. */
function isSimilar(name, typed) {
  return typed.length > 1 && Math.abs(name.length - typed.length) < 2 && [...typed].some((_, at) => name.startsWith(typed.slice(0, at)) && name.endsWith(typed.slice(at + 1)));
}

/** What connect() resolves to. It goes on working after a reconnect. */
export class Connection {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** One member answers: rpc({ receiver, timeout, serde, signal }).fn(...args) → promise of its result. */
  rpc(options) {
    return promisingMethods("rpc", options, "json", (method, args, read) => this.#call(method, args, read).promise);
  }

  /** To one member, without an answer: returns nothing, throws what it refuses. A generator function streams. */
  rpc_nowait(options) {
    return sendingMethods("rpc_nowait", options, (method, args, read) => {
      if (args.length === 1 && typeof args[0] === "function") {
        this.#stream(method, args, readCallOptions("rpc_nowait", options, "raw"), true)
          .catch((error) => console.error(`daffi: the stream to ${method} failed:`, error));
      } else {
        const prepared = this.#prepare(method, args, read);
        this.#session.link.send(this.#session.encodeRequest(this.#session.calls.takeId(), false, prepared));
      }
    });
  }

  /** Every member that exposes it answers: → promise of { member: result or DaffiError }. */
  cast(options) {
    return promisingMethods("cast", options, "json", (method, args, read) => this.#cast(method, args, read));
  }

  /** To every member that exposes it, without an answer. */
  cast_nowait(options) {
    return sendingMethods("cast_nowait", options, (method, args, read) => {
      const { names, exposing, payload } = this.#prepareCast(method, args, read);
      const messages = names.filter((name) => exposing.has(name)).map((member) =>
        this.#session.encodeRequest(this.#session.calls.takeId(), false, { member, method, serde: read.serde, payload }).slice());
      for (const message of messages) this.#session.link.send(message);
    });
  }

  /** Each chunk of a source to one member, answered: → promise of all answers having come. */
  stream(options) {
    return promisingMethods("stream", options, "raw", (method, args, read) => quiet(this.#stream(method, args, read, true)));
  }

  /** Each chunk of a source to one member, without answers: → promise of all having been sent. */
  stream_nowait(options) {
    return promisingMethods("stream_nowait", options, "raw", (method, args, read) => quiet(this.#stream(method, args, read, false)));
  }

  /** Resolves as soon as every named member is there, also if that takes a reconnect. */
  waitForMembers(members, options) {
    return promised(() => this.#wait(readWaitOptions(members, options)));
  }

  /** Who is there now: [{ name, methods }], methods null for who exposes nothing. */
  members() {
    return this.#session.members.list();
  }

  #require(method, { signal }) {
    if (signal?.aborted) throw aborted({ method, signal });
    this.#session.requireConnection();
  }

  /** Why `member` can't be called, as an error. */
  #missing(method, member) {
    if (!this.#session.members.has(member)) return new DaffiError("no-such-member", `${method}: no member "${member}" is connected${this.#present()}`, { member, method });
    return new DaffiError("no-such-method", `"${member}" exposes no function "${method}"${this.#similar(method, member)}`, { member, method });
  }

  #unexposed(method) {
    return new DaffiError("no-such-method", `no connected member exposes a function "${method}"${this.#similar(method) || this.#present()}`, { method });
  }

  /** Who can be called, for messages. */
  #callable() {
    return this.members().filter(({ name, methods }) => methods && name !== this.#session.name);
  }

  #present() {
    return `; members with functions: ${this.#callable().slice(0, 10).map(({ name }) => name).join(", ") || "none"}`;
  }

  /** What was meant, by a name that is off by a letter, or nothing. */
  #similar(method, member) {
    const near = this.#callable().flatMap(({ name, methods }) => (name === (member ?? name) ? methods : [])).find((name) => isSimilar(name, method));
    return near ? `; did you mean "${near}"?` : "";
  }

  #resolve(method, receiver) {
    const { core, members } = this.#session;
    if (receiver !== undefined && !members.exposes(receiver, method)) throw this.#missing(method, receiver);
    const member = receiver ?? core.pickMember(method);
    if (member === null) throw this.#unexposed(method);
    return member;
  }

  #encode(method, args, read) {
    const payload = encodeArguments(this.#session.core, read.serde, method, args);
    this.#require(method, read); // a getter in what was encoded may have stopped the client, or aborted the call
    return payload;
  }

  #prepare(method, args, read) {
    this.#require(method, read);
    const payload = this.#encode(method, args, read);
    return { member: this.#resolve(method, read.receiver), method, serde: read.serde, payload };
  }

  #call(method, args, read) {
    const prepared = this.#prepare(method, args, read);
    const [call, message] = this.#open(prepared, read);
    this.#session.link.send(message);
    return call;
  }

  /** A call that waits, and the message to send for it, or to copy, before the next one. */
  #open(prepared, { timeout, signal }) {
    const { calls } = this.#session;
    const { member, method } = prepared;
    const call = calls.open({ member, method, timeout, signal, late: () => `${member} did not answer within ${timeout} ms` }, true);
    try {
      return [call, this.#session.encodeRequest(call.id, true, prepared)];
    } catch (error) {
      calls.finish(call); // nobody has its promise
      throw error;
    }
  }

  #prepareCast(method, args, read) {
    this.#require(method, read);
    const payload = this.#encode(method, args, read);
    const { name: own, members } = this.#session;
    const exposing = new Set(members.list().map(({ name }) => name).filter((name) => name !== own && members.exposes(name, method)));
    const names = read.receivers ?? [...exposing];
    if (exposing.size === 0 || names.length === 0) throw this.#unexposed(method);
    return { names, exposing, payload };
  }

  #cast(method, args, read) {
    const { names, exposing, payload } = this.#prepareCast(method, args, read);
    const { calls } = this.#session;
    const results = new Map(names.map((name) => [name, exposing.has(name) ? undefined : this.#missing(method, name)]));
    const opened = [];
    try {
      for (const member of names.filter((name) => exposing.has(name))) {
        const [call, message] = this.#open({ member, method, serde: read.serde, payload }, { timeout: read.timeout });
        opened.push([call, message.slice()]);
      }
    } catch (error) {
      for (const [call] of opened) calls.finish(call);
      throw error;
    }
    // The whole: it falls with the link or by the signal, its parts are the workers' own matter.
    const whole = calls.open({ method, signal: read.signal }, false);
    whole.promise.catch((error) => opened.forEach(([call]) => calls.fail(call, error)));
    const parts = opened.map(([call, message]) => {
      this.#session.link.send(message);
      return call.promise.then((result) => results.set(call.member, result), (error) => results.set(call.member, error));
    });
    Promise.all(parts).then(() => calls.finish(whole, Object.fromEntries(results)));
    return whole.promise;
  }

  /** Begins a stream; throws what it refuses. */
  #stream(method, args, read, answered) {
    this.#require(method, read);
    const session = this.#session;
    const { calls } = session;
    const member = this.#resolve(method, read.receiver);
    const task = calls.open({ method, member, signal: read.signal, outlivesEviction: () => session.members.exposes(member, method) }, false);
    let iterator;
    try {
      iterator = chunksOf(method, args); // which may stop the client, or abort the stream
    } catch (error) {
      quiet(task.promise); // nobody has it
      calls.finish(task);
      throw error;
    }
    const { serde, window, timeout } = read;
    const send = (chunk) => {
      const prepared = { member, method, serde, payload: this.#encode(method, [chunk], read) };
      if (answered) {
        const [call, message] = this.#open(prepared, { timeout });
        session.link.send(message);
        return call;
      }
      session.link.send(session.encodeRequest(calls.takeId(), false, prepared));
      return undefined;
    };
    pumpStream(iterator, { calls, task, send, window, session });
    return task.promise;
  }

  #wait({ names, timeout, signal }) {
    const session = this.#session;
    const { calls, members } = session;
    const method = "waitForMembers";
    if (session.isConnecting) {
      if (signal?.aborted) throw aborted({ method, signal });
    } else {
      this.#require(method, { signal });
    }
    let missing = names;
    // News can come before a new link's own handshake is answered: nobody can be called then.
    const areThere = () => {
      missing = members.missing(names);
      return session.state === "connected" && missing.length === 0;
    };
    if (areThere()) return Promise.resolve();
    const task = calls.open({
      method, timeout, signal,
      late: () => `${missing.join(", ") || "a connection"} did not appear within ${timeout} ms${this.#present()}`,
      outlives: () => session.isConnecting,
    }, false);
    const unwatch = members.watch(() => areThere() && calls.finish(task));
    return task.promise.finally(unwatch);
  }
}

/** The same promise; left alone it is no unhandled rejection. */
function quiet(promise) {
  promise.catch(() => {});
  return promise;
}
