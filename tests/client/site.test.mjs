// What of the playground needs no page.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { showNumber } from "../../daemon/site/charts.js";

describe("numbers beside the charts", () => {
  const shown = { 0: "0 ms", 0.05: "0.050 ms", 1.26: "1.3 ms", 75.2: "75 ms", 99.4: "99 ms", 99.5: "100 ms", 99.97: "100 ms", 100.2: "100 ms", 1234.5: "1,235 ms" };
  for (const [value, text] of Object.entries(shown)) test(`${value}: ${text}`, () => assert.equal(showNumber(Number(value), "ms"), text));
  test("none yet", () => assert.equal(showNumber(null, "ms"), "–"));
});
