// What users of such clients expect, in a real page and in its Workers: the same through the bridge and straight to bare servers.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startService, startWorker } from "./harness.mjs";

let browser, site;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
});
after(async () => { await browser?.close(); await site?.stop(); });

for (const kind of ["router", "service"]) {
  for (const bridged of [true, false]) {
    describe(`${kind}, ${bridged ? "through the bridge" : "bare"}`, () => {
      const member = kind === "router" ? "w1" : "service";
      let server, worker, bridge, page, wsUrl;

      before(async () => {
        const port = await freePort();
        server = await (kind === "router" ? startRouter : startService)(port);
        if (kind === "router") worker = await startWorker("w1", port);
        if (bridged) bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
        wsUrl = bridge?.wsUrl ?? `ws://127.0.0.1:${port}`;
        page = await openPage(browser, `${site.url}/page.html`);
        await page.evaluate(async ({ url, name }) => {
          globalThis.wsUrl = url;
          globalThis.member = name;
          globalThis.client = new DaffiClient({ wsUrl: url });
          globalThis.conn = await client.connect();
          await conn.waitForMembers(name, { timeout: 10000 });
        }, { url: wsUrl, name: member });
      });
      after(async () => {
        await page?.context().close();
        for (const peer of [bridge, worker, server]) await peer?.stop();
      });

      test("an AbortSignal ends a call, a cast, a stream and a wait, under way and before", async () => {
        const codes = await page.evaluate(async () => {
          const endless = async function* () { await new Promise(() => {}); };
          const begin = [(signal) => conn.rpc({ signal }).slow(0.1), (signal) => conn.cast({ signal }).slow(0.1), (signal) => conn.stream({ signal }).echo(endless),
            (signal) => conn.stream_nowait({ signal }).echo(endless), (signal) => conn.waitForMembers("nobody", { signal })];
          const got = [];
          for (const step of begin) {
            const controller = new AbortController();
            const code = step(controller.signal).then(() => "resolved", (error) => error.code);
            controller.abort();
            got.push(await code, await step(controller.signal).then(() => "resolved", (error) => error.code));
          }
          for (const style of ["rpc_nowait", "cast_nowait"]) {
            try { conn[style]({ signal: AbortSignal.abort() }).echo(1); got.push("sent"); } catch (error) { got.push(error.code); }
          }
          return got;
        });
        assert.deepEqual(codes, Array(12).fill("aborted"));
      });

      test("states, each told by statechange, and events() until stop()", async () => {
        const told = await page.evaluate(async () => {
          const other = new DaffiClient("told", { wsUrl });
          const states = [other.state];
          other.addEventListener("statechange", (event) => states.push(event instanceof Event && event.previous === states.at(-1) && event.state === other.state ? event.state : "wrong"));
          const reader = client.events();
          await other.connect();
          let first;
          for await (const event of reader) { if (event.member === "told") { first = event; break; } }
          const rest = [];
          const reading = (async () => { for await (const event of other.events()) rest.push(event); return "ended"; })();
          other.stop();
          return { states, first, ended: await reading };
        });
        assert.deepEqual(told, { states: ["idle", "connecting", "connected", "closed"], first: { type: "connected", member: "told" }, ended: "ended" });
      });

      test("members() with their functions; kwargs", async () => {
        const [found, sum] = await page.evaluate(async () => [conn.members().find(({ name }) => name === member),
          await conn.rpc({ timeout: 20000 }).add(DaffiClient.kwargs({ a: 1, b: 2 }))]);
        assert.equal(found.name, member);
        assert.ok(found.methods.includes("add") && found.methods.includes("echo"));
        assert.equal(sum, 3);
      });

      test("a stream's window is what holds its source back", async () => {
        const times = await page.evaluate(async () => {
          const pulled = [];
          await conn.stream({ serde: "json", window: 2, timeout: 10000 }).slow(function* () {
            for (let at = 0; at < 4; at++) { pulled.push(performance.now()); yield 0.4; }
          });
          return pulled.map((time) => time - pulled[0]);
        });
        assert.ok(times[1] < 350 && times[2] >= 350 && times[3] >= 700, times.join(" "));
      });

      test("proxies can be awaited, logged, resolved with, made JSON of, and compared", async () => {
        const seen = await page.evaluate(async () => {
          const failed = [];
          for (const style of ["rpc", "rpc_nowait", "cast", "cast_nowait", "stream", "stream_nowait"]) {
            const proxy = conn[style]();
            const check = (what, holds) => { if (!holds) failed.push(`${style}: ${what}`); };
            check("await", await proxy === proxy);
            check("Promise.resolve", await Promise.resolve(proxy) === proxy);
            check("JSON", JSON.stringify([proxy]) === "[{}]");
            check("text", `${proxy}` === `[object Daffi ${style}]`);
            check("symbols", proxy[Symbol.iterator] === undefined && proxy[Symbol.toPrimitive] === undefined && proxy[Symbol.asyncIterator] === undefined);
            console.log(proxy, [proxy]);
          }
          return failed;
        });
        assert.deepEqual(seen, []);
        assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000 }).add(1, 1)), 2);
      });

      test("values and signals of an iframe, and bytes that are shared or may grow", async () => {
        const got = await page.evaluate(async () => {
          const frame = document.body.appendChild(document.createElement("iframe"));
          const make = (code) => frame.contentWindow.eval(code);
          const packed = await conn.rpc({ serde: "msgpack", timeout: 20000 }).echo([make("new Date(5)"), make("new Map([[1, 'one']])"), make("new Uint8Array([7])"), make("({ a: [1] })")]);
          const aborted = await conn.rpc({ signal: make("AbortSignal.abort()") }).echo(1).catch((error) => error.code);
          frame.remove();
          const texts = [];
          for (const buffer of [new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, new ArrayBuffer(40, { maxByteLength: 80 })]) {
            const bytes = new Uint8Array(buffer, 0, 40).fill(104);
            const answers = [await conn.rpc({ serde: "raw", timeout: 20000 }).echo(bytes), await conn.rpc({ serde: "msgpack", timeout: 20000 }).echo(bytes), bytes];
            texts.push(...answers.map((answer) => DaffiClient.text(answer)));
          }
          return [packed[0].getTime(), packed[1].get(1), [...packed[2]], packed[3], aborted, texts];
        });
        assert.deepEqual(got, [5, "one", [7], { a: [1] }, "aborted", Array(6).fill("h".repeat(40))]);
      });

      for (const [type, load] of [["classic", 'importScripts("SITE/daffi.js");'], ["module", 'import { DaffiClient } from "SITE/daffi.mjs";']]) {
        test(`a ${type} Worker holds a client, with app.wasm from beside the script`, async () => {
          const answer = await page.evaluate(({ code, how }) => new Promise((done, failed) => {
            const thread = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: how });
            thread.onmessage = ({ data }) => done(data);
            thread.onerror = (error) => failed(new Error(error.message ?? "the Worker could not be loaded"));
          }), { how: type, code: `${load.replace("SITE", site.url)}
            (async () => { const client = new DaffiClient({ wsUrl: "${wsUrl}" }); const conn = await client.connect(); await conn.waitForMembers("${member}");
              const bytes = await conn.rpc({ serde: "msgpack", timeout: 20000 }).echo(new Uint8Array([1, 2]));
              postMessage([await conn.rpc({ timeout: 20000 }).add(3, 4), [...bytes]]); client.stop(); })().catch((error) => postMessage(String(error)));` });
          assert.deepEqual(answer, [7, [1, 2]]);
        });
      }

      test("no script error on the way", () => assert.deepEqual(page.problems, []));
    });
  }
}

for (const [lacks, policy, wanted] of [
  ["connect-src", "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'", /^unreachable: ws:\/\/127\.0\.0\.1:1\/ .*Content-Security-Policy.*connect-src/],
  ["'wasm-unsafe-eval'", "script-src 'self'; connect-src *", /^unreachable: app\.wasm could not be loaded.*'wasm-unsafe-eval'(?!.*wasmUrl)/],
]) {
  test(`a Content-Security-Policy without ${lacks}: said at once`, async (t) => {
    const made = { headers: { "Content-Security-Policy": `default-src 'none'; ${policy}` }, body: `<!DOCTYPE html><title>strict</title><script src="daffi.js"></script>` };
    const strict = await serveFolder(CLIENT, { "/strict.html": made });
    t.after(strict.stop);
    const page = await openPage(browser, `${strict.url}/strict.html`);
    t.after(() => page.context().close());
    const told = await page.evaluate(() => Promise.race([new DaffiClient({ wsUrl: "ws://127.0.0.1:1/", wasmUrl: "app.wasm" }).connect().catch((error) => `${error.code}: ${error.message}`),
      new Promise((late) => setTimeout(late, 5000, "nothing in 5 s"))]));
    assert.match(told, wanted);
  });
}

test("a certificate that the browser does not trust: the upgrade is refused, and the client says unreachable", async () => {
  const port = await freePort();
  const service = await startService(port);
  const bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
  try {
    const connect = async (options) => {
      const page = await openPage(browser, `${site.url}/page.html`, options);
      const outcome = await page.evaluate((url) => new DaffiClient({ wsUrl: url }).connect().then(() => "connected", (error) => error.code), bridge.wsUrl);
      await page.context().close();
      return outcome;
    };
    assert.deepEqual([await connect({ ignoreHTTPSErrors: false }), await connect({ ignoreHTTPSErrors: true })], ["unreachable", "connected"]);
  } finally {
    await bridge.stop();
    await service.stop();
  }
});
