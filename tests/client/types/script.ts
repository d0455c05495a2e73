/// <reference path="node_modules/daffi-client/daffi.d.ts" />
// A classic script: the global that daffi.js sets.
const client = new DaffiClient({ wsUrl: "ws://127.0.0.1:5000" });
client.connect().then(async (conn: DaffiClient.Connection) => {
  const sum: number = await conn.rpc({ timeout: 5000 }).add(3, 4);
  console.log(sum, DaffiClient.DaffiError, DaffiClient.text(new Uint8Array(1)));
});
