// How long a client waits before it tries again: the figures, without waiting.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ROOT } from "./peers.mjs";

// Of the source: what is built has no export of it.
const source = readFileSync(join(ROOT, "js-client/src/backoff.js"));
const { backoffDelay } = await import(`data:text/javascript;base64,${source.toString("base64")}`);

describe("backoffDelay", () => {
  test("doubled after each failure, up to 60 s", () => {
    const delays = Array.from({ length: 8 }, (_, failures) => backoffDelay(2000, failures, 1));
    assert.deepEqual(delays, [2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
    assert.equal(backoffDelay(100, 9, 1), 51200);
    assert.equal(backoffDelay(100, 10, 1), 60000);
  });

  test("however many failures there were, and however long the first wait is", () => {
    assert.equal(backoffDelay(2000, 5000, 1), 60000);
    assert.equal(backoffDelay(1e9, 0, 1), 60000);
    assert.equal(backoffDelay(Infinity, 0, 1), 60000);
    assert.equal(backoffDelay(0.5, 3, 1), 4);
  });

  test("times a random factor from 0.8 to 1, also at the cap", () => {
    const random = [0, 0.25, 0.5, 0.75, 1];
    assert.deepEqual(random.map((value) => Math.round(backoffDelay(1000, 0, value))), [800, 850, 900, 950, 1000]);
    assert.deepEqual(random.map((value) => Math.round(backoffDelay(1000, 20, value))), [48000, 51000, 54000, 57000, 60000]);
  });

  test("by itself it takes another one each time, of Math.random", (t) => {
    const given = [0, 0.5, 0.999];
    t.mock.method(Math, "random", () => given.shift());
    assert.deepEqual([1, 2, 3].map(() => Math.round(backoffDelay(1000, 0))), [800, 900, 1000]);
  });
});
