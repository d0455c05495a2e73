// Which changes of files reach which pages of `daffi-bridge dev`: those that pages were given, or asked for in vain.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { launchChromium, makeFolder, openLivePage, startDev } from "./harness.mjs";

const html = (title, more = "") => `<!doctype html><title>${title}</title>${more}<h1>${title}</h1>`;

describe("pages of daffi-bridge dev follow their files", () => {
  let browser, dev;
  const { top, site, home, write } = makeFolder();
  const heading = (page, text) => page.waitForFunction((wanted) => document.querySelector("h1")?.textContent === wanted, text);

  before(async () => {
    browser = await launchChromium();
    dev = await startDev(site, home);
  });
  after(async () => {
    await browser?.close();
    await dev?.stop();
    rmSync(top, { recursive: true });
  });

  test("a page that is gone for a while, or its folder, or all that is served, comes back by itself", async () => {
    write("shop/index.html", html("before"));
    const page = await openLivePage(browser, `${dev.https}/shop/`);
    const there = async () => { await page.waitForFunction(() => /^404/.test(document.querySelector("p")?.textContent)); };
    const removals = { "its file": join(site, "shop/index.html"), "its folder": join(site, "shop"), "all that is served": site };
    for (const [what, path] of Object.entries(removals)) {
      rmSync(path, { recursive: true });
      if (what === "its file") await heading(page, "/shop/"); // a listing
      else await there();
      write("shop/index.html", html(`after ${what}`));
      await heading(page, `after ${what}`);
    }
    await page.goto(`${dev.https}/shop/cart.html`);
    await there();
    write("shop/cart.html", html("cart"));
    await heading(page, "cart");
    await page.context().close();
  });
});
