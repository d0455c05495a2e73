// A client of a scripted server, as most tests of one connection begin.
import { makeClient } from "./peers.mjs";
import { startFakeServer } from "./fake_server.mjs";

/** A client that is connected to a scripted server, which has greeted it with `greeting` (see greet()), and the server's side of the connection: `peer`. */
export async function greeted(t, options = {}, greeting = {}) {
  const server = await startFakeServer(t, (peer) => peer.greet(greeting));
  const client = makeClient(t, server.url, options);
  const conn = await client.connect();
  return { server, client, conn, peer: await server.peer() };
}
