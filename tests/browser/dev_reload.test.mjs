// Which changes of files reach which pages of `daffi-bridge dev`: those that pages were given, or asked for in vain.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { launchChromium, makeFolder, openLivePage, openPage, serveFolder, startDev } from "./harness.mjs";

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

  const colour = (page, wanted) => page.waitForFunction((text) => getComputedStyle(document.querySelector("h1")).color === text, wanted);
  /** Until it is loaded anew. */
  const mark = (page) => page.evaluate(() => { window.kept = "kept"; });
  const isMarked = (page) => page.evaluate(() => window.kept === "kept");

  test("what a worker writes beside the pages concerns none of them; what a bundler writes for them does", async () => {
    write("app/index.html", html("app", '<link rel="stylesheet" href="app.css"><script type="module" src="dist/bundle.js"></script>'));
    write("app/app.css", "h1 { color: rgb(1, 1, 1) }");
    write("app/dist/bundle.js", "window.bundle = 1");
    const page = await openLivePage(browser, `${dev.https}/app/`);
    await page.waitForFunction(() => window.bundle === 1);
    await mark(page);
    for (const name of ["worker.log", "app/app.db", "app/app.db-journal", "app/__pycache__/worker.pyc", "app/dist/bundle.js.map"]) write(name, "written");
    write("app/app.css", "h1 { color: rgb(2, 2, 2) }");
    await colour(page, "rgb(2, 2, 2)");
    assert.equal(await isMarked(page), true);
    rmSync(join(site, "app/dist"), { recursive: true });
    await page.waitForFunction(() => window.kept === undefined && document.readyState === "complete");
    write("app/dist/bundle.js", "window.bundle = 2");
    await page.waitForFunction(() => window.bundle === 2);
    await page.context().close();
  });

  test("what another site's page loads concerns none of them", async () => {
    write("own/index.html", html("own", '<link rel="stylesheet" href="own.css">'));
    write("own/own.css", "h1 { color: rgb(1, 1, 1) }");
    const page = await openLivePage(browser, `${dev.https}/own/`);
    await mark(page);
    const other = await serveFolder(top, { "/page.html": `<!doctype html><img src="${dev.https}/own/worker.png"><script src="${dev.https}/own/worker.py"></script>` });
    const stranger = await openPage(browser, `${other.url}/page.html`); // which is there when both have been answered
    for (const name of ["own/worker.png", "own/worker.py"]) write(name, "written");
    write("own/own.css", "h1 { color: rgb(2, 2, 2) }");
    await colour(page, "rgb(2, 2, 2)");
    assert.equal(await isMarked(page), true);
    for (const one of [page, stranger]) await one.context().close();
    await other.stop();
  });

  test("a stylesheet that changes again before it was there leaves one link", async () => {
    write("style/index.html", html("style", '<link rel="stylesheet" href="./l%6Fok%20%C3%A9.css?v=1"><link rel="stylesheet" href="other.css">'));
    write("style/look é.css", "h1 { color: rgb(1, 1, 1) }");
    write("style/other.css", "h2 { color: red }");
    const page = await openLivePage(browser, `${dev.https}/style/`);
    await mark(page);
    const held = [];
    const isHeld = new Promise((done) => {
      page.route(/daffi-dev=/, (route) => { // nothing is there before it has been asked for twice
        held.push(route);
        done();
      });
    });
    write("style/look é.css", "h1 { color: rgb(2, 2, 2) }");
    await isHeld;
    const again = page.waitForRequest(/daffi-dev=/);
    write("style/look é.css", "h1 { color: rgb(3, 3, 3) }");
    await again;
    await page.unroute(/daffi-dev=/);
    for (const route of held) await route.continue().catch(() => {}); // the first one nobody waits for
    await colour(page, "rgb(3, 3, 3)");
    await page.waitForFunction(() => document.querySelectorAll("link[rel=stylesheet]").length === 2);
    write("style/look é.css", "h1 { color: rgb(4, 4, 4) }");
    await colour(page, "rgb(4, 4, 4)");
    await page.waitForFunction(() => document.querySelectorAll("link[rel=stylesheet]").length === 2);
    assert.equal(await isMarked(page), true);
    await page.context().close();
  });

  test("a stylesheet that is disabled stays so, and is new once it is enabled", async () => {
    write("themes/index.html", html("themes", '<link rel="stylesheet" href="light.css"><link rel="stylesheet" href="dark.css">'));
    write("themes/light.css", "h1 { color: rgb(1, 1, 1) }");
    write("themes/dark.css", "h1 { color: rgb(1, 1, 1) }");
    const page = await openLivePage(browser, `${dev.https}/themes/`);
    await mark(page);
    await page.evaluate(() => { document.querySelectorAll("link")[1].disabled = true; });
    for (const shade of [2, 3]) {
      write("themes/dark.css", `h1 { color: rgb(0, 0, ${shade}) }`);
      write("themes/light.css", `h1 { color: rgb(${shade}, 0, 0) }`);
      await colour(page, `rgb(${shade}, 0, 0)`);
      await page.waitForFunction(() => document.querySelectorAll("link[rel=stylesheet]").length === 2);
    }
    await page.evaluate(() => { document.querySelectorAll("link")[1].disabled = false; });
    await colour(page, "rgb(0, 0, 3)");
    assert.equal(await isMarked(page), true);
    await page.context().close();
  });

  test("a stylesheet that no link of the page names, imported or of a shadow root, loads it anew", async () => {
    const shadow = `<div></div><script>document.querySelector("div").attachShadow({ mode: "open" }).innerHTML = '<link rel="stylesheet" href="inner.css">'</script>`;
    write("parts/index.html", html("parts", `<link rel="stylesheet" href="all.css">${shadow}`));
    write("parts/all.css", '@import "part.css"');
    for (const name of ["part.css", "inner.css"]) write(`parts/${name}`, "h1 { color: rgb(1, 1, 1) }");
    const page = await openLivePage(browser, `${dev.https}/parts/`);
    await colour(page, "rgb(1, 1, 1)");
    for (const [name, shade] of [["part.css", "rgb(2, 2, 2)"], ["inner.css", "rgb(2, 2, 2)"]]) {
      await mark(page);
      write(`parts/${name}`, `h1 { color: ${shade} }`);
      await page.waitForFunction(() => window.kept === undefined && document.readyState === "complete");
      await colour(page, shade);
    }
    await page.context().close();
  });
});
