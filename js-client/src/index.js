// What daffi.js and daffi.mjs offer.
import { DaffiClient } from "./client.js";
import { DaffiError } from "./errors.js";

export { DaffiClient, DaffiError };
export default DaffiClient;
