// Who is there: the registry inside app.wasm, and who waits for somebody to appear in it.
export class Members {
  #host;
  #watchers = new Set();

  /** `host` has the name that is one's own, and the core, which it may replace or lack: then nobody is there. */
  constructor(host) {
    this.#host = host;
  }

  get #core() {
    return this.#host.core;
  }

  clear() {
    this.#core?.resetMembers(this.#host.name);
  }

  has(name) {
    return this.#core?.findMember(name) >= 0;
  }

  exposes(name, method) {
    const index = this.#core.findMember(name);
    return index >= 0 && this.#core.memberExposes(index, method);
  }

  /** The next in turn that exposes `method`; never oneself; null when there is none. */
  pick(method) {
    return this.#core.pickMember(method);
  }

  /** Everyone but oneself who exposes `method`. */
  exposing(method) {
    return this.#names((index) => this.#core.memberExposes(index, method)).filter((name) => name !== this.#host.name);
  }

  #names(wanted) {
    const names = [];
    for (let index = 0; index < this.#core.memberCount; index++) {
      if (wanted(index)) names.push(this.#core.memberName(index));
    }
    return names;
  }

  /** [{ name, methods }]: a snapshot, oneself included where the server lists one. */
  list() {
    return Array.from({ length: this.#core?.memberCount ?? 0 }, (_, index) => ({
      name: this.#core.memberName(index), methods: this.#core.memberMethods(index),
    }));
  }

  /** Those of `names` that are not there. */
  missing(names) {
    return names.filter((name) => !this.has(name));
  }

  /** Calls `look` after every change until the returned function is called. */
  watch(look) {
    this.#watchers.add(look);
    return () => {
      this.#watchers.delete(look);
    };
  }

  /**
   * A server's handshake; its own answer to us replaces what was known. Who waits for members is told of that by the session,
   * once there is a connection to call them by.
   */
  learn(payload, replace) {
    const handshake = this.#core.readHandshake(payload, replace);
    if (handshake.error === null && !replace) this.changed();
    return handshake;
  }

  /** An EVENTS payload. */
  hear(payload) {
    const event = this.#core.readEvent(payload);
    // A Router announces who exposes nothing by this event alone.
    if (event.type === "connected") this.add(event.member);
    else this.changed();
    return event;
  }

  /** A member of which no more than its name is known. */
  add(name) {
    if (!this.has(name)) this.#core.addMember(name);
    this.changed();
  }

  changed() {
    for (const look of [...this.#watchers]) look();
  }
}
