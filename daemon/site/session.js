// This page as a member: its client, its connection, and what is to be said of both.
import { tappedWebSocket } from "./tap.js";

export class Session {
  /** @type {DaffiClient|null} */
  client = null;
  /** What calls are made with; null until the first connection is there. */
  connection = null;
  #WebSocket;
  #hooks;

  /**
   * @param {{onstate: (state: "connecting"|"open"|"failed", text: string) => void, onmembers: () => void,
   *   onevent: (type: string, member: string) => void, onframe: (direction: "in"|"out", data) => void}} hooks
   */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#WebSocket = tappedWebSocket(hooks.onframe);
  }

  get members() {
    return this.connection ? this.connection.members() : [];
  }

  /** Leaves the bridge it is at, and goes to the one at that address. */
  async connect(wsUrl) {
    this.client?.stop();
    this.connection = null;
    this.client = null;
    const { onstate, onmembers, onevent } = this.#hooks;
    onstate("connecting", "connecting …");
    onmembers();
    let mine;
    try {
      mine = new globalThis.DaffiClient({ wsUrl, autoreconnect: true, reconnectDelay: 500, WebSocket: this.#WebSocket });
    } catch (error) {
      return void onstate("failed", error.message);
    }
    this.client = mine;
    mine.addEventHandler(({ type, member }) => {
      if (this.client !== mine) return;
      onevent(type, member);
      if (member === mine.name) {
        if (type === "connected") onstate("open", `connected as ${mine.name}`);
        else onstate(type === "evicted" ? "failed" : "connecting", type === "evicted" ? "another page took this name" : "connection lost, coming back …");
      }
      onmembers();
    });
    try {
      const opened = await mine.connect();
      if (this.client !== mine) return;
      this.connection = opened;
      onstate("open", `connected as ${mine.name}`);
    } catch (error) {
      if (this.client === mine) onstate("failed", error.message);
    }
    if (this.client === mine) onmembers();
  }
}
