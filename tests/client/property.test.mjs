// Random values of each serde to a real Python echo and back, straight and through the bridge: what comes is what went.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { DaffiClient, startBridge, startService } from "./peers.mjs";
import { Values, randomFrom, same, takeSeed } from "./random_values.mjs";
import WebSocket from "ws";

const COUNT = 2000; // of each serde, each way
const AT_A_TIME = 20;

let service, bridge;
before(async () => {
  service = await startService();
  bridge = await startBridge(service.port);
});
after(async () => {
  await bridge?.stop();
  await service?.stop();
});

for (const way of ["straight", "through the bridge"]) {
  describe(way, () => {
    for (const serde of ["json", "msgpack", "raw"]) {
      test(`${COUNT} values of ${serde}`, { timeout: 60000 }, async (t) => {
        const client = new DaffiClient({ wsUrl: way === "straight" ? service.url : bridge.url, WebSocket });
        t.after(() => client.stop());
        const { echo } = (await client.connect()).rpc({ serde, timeout: 20000 });
        const values = new Values(randomFrom(takeSeed(t)));
        for (let done = 0; done < COUNT; done += AT_A_TIME) {
          await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
            const { send, back } = values[serde]();
            const got = await echo(send);
            if (!same(got, back)) assert.deepEqual(got, back);
            assert.ok(same(got, back), `${inspect(send, { depth: 9 })} came back as ${inspect(got, { depth: 9 })}`);
          }));
        }
      });
    }
  });
}
