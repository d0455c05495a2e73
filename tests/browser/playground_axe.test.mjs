// The playground, read by axe (WCAG 2.2 A and AA, and good practice): each tab with something in it, both themes, wide and as a phone has it;
// and pages that it leads to.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, openPage, startPlayground } from "./harness.mjs";

const AXE = readFileSync(join(ROOT, "tests/node_modules/axe-core/axe.min.js"), "utf8");
const TABS = ["results", "code", "messages", "history", "saved"];
const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };

/** What axe finds, as one line a finding: how bad, which rule, where. */
async function findings(page, options = {}) {
  const violations = await page.evaluate(async (more) => (await window.axe.run(document, { resultTypes: ["violations"], ...more })).violations, options);
  return violations.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

describe("playground, accessible", () => {
  let house, browser, bridge;

  before(async () => {
    house = await startPlayground();
    ({ browser, bridge } = house);
  });
  after(() => house?.stop());

  /** The page in that theme and size, with calls made and one saved. */
  async function prepare(colorScheme, viewport) {
    const page = await openPage(browser, null, { colorScheme, viewport, bypassCSP: true });
    await page.addInitScript(AXE);
    await page.goto(`${bridge.url}/_bridge/`);
    await page.locator('.functions button[data-function="add"][data-member="calculator"]').waitFor();
    for (const [name, args, count] of [["add", "3, 4", 1], ["fail", '"kaboom"', 2]]) {
      await page.fill("#function", name);
      await page.fill("#arguments", args);
      await page.click("#go");
      await page.waitForFunction((most) => document.querySelectorAll("#results > li:not([data-outcome=pending])").length === most, count);
    }
    await page.click("#save");
    return page;
  }

  for (const [theme, size] of [["light", "wide"], ["dark", "wide"], ["light", "phone"]]) {
    const options = theme === "dark" ? { runOnly: ["color-contrast"] } : {}; // the theme changes nothing else
    test(`${theme}, ${size}: axe finds nothing, whichever tab is open`, async () => {
      const page = await prepare(theme, SIZES[size]);
      await page.evaluate(async () => (await import("/_bridge/results.js")).beginResult("rpc().slow(60)", () => {}));
      await page.locator('#results > [data-outcome="pending"] button:not([hidden])').waitFor({ state: "attached" });
      for (const tab of TABS) {
        await page.click(`#tab-${tab}`);
        assert.deepEqual(await findings(page, options), [], tab);
      }
      await page.click("#keys");
      assert.deepEqual(await findings(page, options), [], "keys");
      for (const path of ["nope", "examples/05_cast/index.html", "examples/01_service_json/index.html"]) {
        await page.goto(`${bridge.url}/_bridge/${path}`);
        assert.deepEqual(await findings(page, options), [], path);
      }
      assert.deepEqual(page.problems, []);
      await page.context().close();
    });
  }

  test("axe sees what is wrong: a field without a name, grey on grey", async () => {
    const page = await prepare("light", SIZES.wide);
    await page.evaluate(() => { document.querySelector("main").insertAdjacentHTML("beforeend", '<input><p style="color: #999; background: #aaa">grey</p>'); });
    const found = (await findings(page)).join("\n");
    assert.match(found, /critical label:/);
    assert.match(found, /serious color-contrast:/);
    await page.context().close();
  });
});
