// Who is there: the registry inside app.wasm, and who waits for somebody to appear in it.
export class Members {
  #host;
  #watchers = new Set();

  /** `host` has the core, which it may replace or lack: then nobody is there. */
  constructor(host) {
    this.#host = host;
  }

  has(name) {
    return this.#host.core?.findMember(name) >= 0;
  }

  exposes(name, method) {
    const index = this.#host.core.findMember(name);
    return index >= 0 && this.#host.core.memberExposes(index, method);
  }

  /** [{ name, methods }]: a snapshot, oneself included where the server lists one. */
  list() {
    return this.#host.core?.listMembers() ?? [];
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
    const handshake = this.#host.core.readHandshake(payload, replace);
    if (handshake.error === null && !replace) this.changed();
    return handshake;
  }

  /** An EVENTS payload. */
  hear(payload) {
    const event = this.#host.core.readEvent(payload);
    // A Router announces who exposes nothing by this event alone.
    if (event.type === "connected") this.add(event.member);
    else this.changed();
    return event;
  }

  /** A member of which no more than its name is known. */
  add(name) {
    if (!this.has(name)) this.#host.core.addMember(name);
    this.changed();
  }

  changed() {
    for (const look of [...this.#watchers]) look();
  }
}
