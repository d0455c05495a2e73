// CommonJS: the class itself, with the others at it.
import DaffiClient = require("daffi-client");
import { DaffiError } from "daffi-client";

const client: DaffiClient = new DaffiClient({ wsUrl: "ws://127.0.0.1:5000" });
const { DaffiClient: same } = DaffiClient;
const options: DaffiClient.CallOptions = { serde: "json" };
client.connect().then((conn: DaffiClient.Connection) => conn.rpc(options).add(1, 2)).catch((error: unknown) => {
  if (error instanceof DaffiError || error instanceof DaffiClient.DaffiError) console.log(error.code);
});
export const other = new same("page", { wsUrl: "ws://127.0.0.1:5000" });
