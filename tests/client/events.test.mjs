// Events of members, by handlers and as an iterator: a scripted server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventOf } from "./peers.mjs";
import { greeted } from "./greeted.mjs";

describe("events", () => {
  test("a handler that throws does not stop the others; the returned function removes it", async (t) => {
    const { client, peer } = await greeted(t);
    const failed = t.mock.method(console, "error", () => {});
    const seen = [];
    client.addEventHandler(() => { throw new Error("mine"); });
    const remove = client.addEventHandler(({ type, member }) => seen.push(`${type} ${member}`));
    const first = eventOf(client, () => true);
    peer.event("connected", "a");
    await first;
    remove();
    remove();
    const second = eventOf(client, () => true);
    peer.event("disconnected", "a");
    await second;
    assert.deepEqual(seen, ["connected a"]);
    assert.equal(failed.mock.callCount(), 2);
  });

  test("for await over client.events(), until stop()", async (t) => {
    const { client, peer } = await greeted(t);
    const seen = [];
    const all = (async () => {
      for await (const { type, member } of client.events()) {
        seen.push(`${type} ${member}`);
        if (seen.length === 2) client.stop();
      }
    })();
    peer.event("connected", "a");
    peer.event("disconnected", "a");
    await all;
    assert.deepEqual(seen, ["connected a", "disconnected a"]);
    for await (const event of client.events()) assert.fail(String(event));
  });
});
