// Listens in on the WebSockets of a client: all that they carry, in both directions, passes as it does without.

/**
 * A class to hand to `new DaffiClient` as its WebSocket.
 * @param {(direction: "in"|"out", data: ArrayBuffer|Uint8Array|string) => void} onframe is told of each WebSocket message,
 *   before the client reads it and after it is sent. The bytes are the client's: whoever keeps some copies them.
 */
export function tappedWebSocket(onframe) {
  const tell = (direction, data) => {
    try {
      onframe(direction, data);
    } catch (error) { // the client is not to suffer from who listens
      console.error(error);
    }
  };
  return class extends WebSocket {
    constructor(url) {
      super(url);
      this.addEventListener("message", ({ data }) => tell("in", data));
    }

    send(data) {
      super.send(data);
      tell("out", data);
    }
  };
}
