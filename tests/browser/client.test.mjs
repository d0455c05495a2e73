// daffi.js in a real page, once through the bridge and once straight to bare Python servers: the same results.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLIENT, freePort, launchChromium, openPage, serveFolder, startBridge, startRouter, startSecureRouter, startSecureWorker, startService, startWorker } from "./harness.mjs";

let browser, site;
before(async () => {
  browser = await launchChromium();
  site = await serveFolder(CLIENT, { "/page.html": '<!DOCTYPE html><meta charset="utf-8"><title>test</title><script src="daffi.js"></script>' });
});
after(async () => { await browser?.close(); await site?.stop(); });

/** A page with `conn` to wsUrl; `options` are DaffiClient's. */
async function connected(wsUrl, options = {}) {
  const page = await openPage(browser, `${site.url}/page.html`);
  await page.evaluate(async ({ wsUrl, options }) => {
    globalThis.events = [];
    globalThis.client = new DaffiClient({ wsUrl, ...options });
    client.addEventHandler((event) => events.push(event));
    globalThis.conn = await client.connect();
    /** How a promise fails, as data. */
    globalThis.failure = async (promise) => {
      try { return { resolved: await promise }; } catch (error) {
        return { isError: error instanceof Error, name: error.name, code: error.code, message: error.message, remoteType: error.remoteType,
          remoteModule: error.remoteModule, remoteMessage: error.remoteMessage, member: error.member, method: error.method };
      }
    };
  }, { wsUrl, options });
  return page;
}

/** Both ways to a server: through a bridge that allows the page's origin, and directly. */
const WAYS = [
  { way: "through the bridge", bridged: true },
  { way: "straight to the bare server", bridged: false },
];

for (const { way, bridged } of WAYS) {
  for (const kind of ["router", "service"]) {
    describe(`${kind}, ${way}`, () => {
      let server, worker, bridge, port, page;
      const member = kind === "router" ? "w1" : "service";

      before(async () => {
        port = await freePort();
        server = await (kind === "router" ? startRouter : startService)(port);
        if (kind === "router") worker = await startWorker("w1", port);
        if (bridged) bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
        page = await connected(bridged ? bridge.wsUrl : `ws://127.0.0.1:${port}`);
        await page.evaluate((name) => conn.waitForMembers(name, { timeout: 10000 }), member);
      });
      after(async () => {
        await page?.context().close();
        for (const peer of [bridge, worker, server]) await peer?.stop();
      });

      test("json values", async () => {
        const values = [null, true, false, 0, -1, 2.5, 1e300, "", "é€😀\u0000", [], {}, [[1], { a: { b: [null] } }]];
        const answers = await page.evaluate(async (list) => {
          const got = [];
          for (const value of list) got.push(await conn.rpc({ timeout: 20000 }).echo(value));
          return got;
        }, values);
        assert.deepEqual(answers, values);
      });

      test("msgpack values", async () => {
        const wrong = await page.evaluate(async () => {
          const call = (value) => conn.rpc({ timeout: 20000, serde: "msgpack" }).echo(value);
          const show = (value) => (value instanceof Date ? `Date ${value.getTime()}` : ArrayBuffer.isView(value) ? `${value.constructor.name} ${[...value]}`
            : typeof value === "bigint" ? `${value}n` : Object.is(value, -0) ? "-0" : typeof value === "number" ? String(value) : JSON.stringify(value));
          const cases = [
            [null], [undefined, null], [true], [false], [0], [127], [128], [-1], [-32], [-33], [255], [256], [65535], [65536], [2 ** 32], [-(2 ** 31) - 1],
            [Number.MAX_SAFE_INTEGER], [Number.MIN_SAFE_INTEGER], [0.5], [-1e300], [Infinity], [-Infinity], [NaN],
            [2n ** 63n], [2n ** 64n - 1n], [-(2n ** 63n)], [5n, 5], ["é€😀\u0000"], ["x".repeat(70000)], [new Uint8Array([0, 1, 255])],
            [new Uint8Array(0)], [new Float32Array([1.5]), new Uint8Array(new Float32Array([1.5]).buffer)], [new Uint8Array([7, 8, 9]).buffer, new Uint8Array([7, 8, 9])],
            [new Date(0)], [new Date(1700000000123)], [[1, [2, [3]]]], [{ a: 1, b: { c: [null, "x"] } }], [Array.from({ length: 20000 }, (_, i) => i)],
          ];
          const failed = [];
          for (const [value, expected = value] of cases) {
            const answer = await call(value);
            if (show(answer) !== show(expected)) failed.push(`${show(value)} came back as ${show(answer)}`);
          }
          return failed;
        });
        assert.deepEqual(wrong, []);
      });

      test("msgpack: Python sees what was meant", async () => {
        const seen = await page.evaluate(async () => {
          const kind = conn.rpc({ timeout: 20000, serde: "msgpack" });
          return [await kind.kind(3), await kind.kind(2.5), await kind.kind(new Uint8Array([1])), await kind.kind("x"), await kind.kind(new Map([["a", 1]])),
            (await kind.kind(new Date(1500)))[0]];
        });
        assert.deepEqual(seen, [["int", "3"], ["float", "2.5"], ["bytes", "b'\\x01'"], ["str", "'x'"], ["dict", "{'a': 1}"], "Timestamp"]);
      });

      test("raw: bytes with zeros and text, a Uint8Array back always", async () => {
        const answers = await page.evaluate(async () => {
          const raw = conn.rpc({ timeout: 20000, serde: "raw" });
          const back = async (value) => { const got = await raw.echo(value); return [got.constructor.name, [...got]]; };
          return [await back(new Uint8Array([0, 1, 0, 255, 0])), await back("é"), await back('{"args": [1]}'), await back(new Uint8Array(0)),
            await back(new Uint16Array([1, 2]).subarray(1)), DaffiClient.text(await raw.echo("grüße"))];
        });
        const utf8 = (text) => [...Buffer.from(text)];
        assert.deepEqual(answers, [["Uint8Array", [0, 1, 0, 255, 0]], ["Uint8Array", utf8("é")], ["Uint8Array", utf8('{"args": [1]}')],
          ["Uint8Array", []], ["Uint8Array", [2, 0]], "grüße"]);
      });

      test("keyword arguments", async () => {
        assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000 }).add(1, DaffiClient.kwargs({ b: 2 }))), 3);
        assert.equal(await page.evaluate(() => conn.rpc({ timeout: 20000, serde: "msgpack" }).add(1, DaffiClient.kwargs({ b: 2 }))), 3);
      });

      for (const serde of ["json", "msgpack", "raw"]) {
        test(`a worker's error over ${serde} is a readable DaffiError`, async () => {
          const error = await page.evaluate((name) => failure(conn.rpc({ timeout: 20000, serde: name }).fail("kaboom")), serde);
          assert.equal(error.isError, true);
          assert.deepEqual([error.code, error.remoteType, error.remoteModule, error.remoteMessage, error.member, error.method],
            ["remote", "ValueError", "builtins", "kaboom", member, "fail"]);
        });
      }

      test("every other code: timeout, no-such-member, no-such-method, refused serde", async () => {
        const codes = await page.evaluate(async () => [
          (await failure(conn.rpc({ timeout: 100 }).slow(0.6))).code,
          (await failure(conn.rpc({ receiver: "nobody", timeout: 20000 }).add(1, 2))).code,
          (await failure(conn.rpc({ timeout: 20000 }).nobody_has_this())).code,
          (await failure((async () => conn.rpc({ serde: "pickle" }).add(1, 2))())).name,
        ]);
        assert.deepEqual(codes, ["timeout", "no-such-member", "no-such-method", "TypeError"]);
      });

      test("an answer that is no JSON (Python's NaN) rejects that call alone", async () => {
        const [error, next] = await page.evaluate(async () => [await failure(conn.rpc({ timeout: 20000 }).not_a_number()), await conn.rpc({ timeout: 20000 }).add(1, 1)]);
        assert.equal(error.code, "protocol");
        assert.equal(next, 2);
      });

      test("streams and nowait reach the worker, in their order", async () => {
        const notes = await page.evaluate(async () => {
          const bytes = (...values) => new Uint8Array(values);
          conn.rpc_nowait().note("rpc_nowait");
          conn.cast_nowait({ serde: "msgpack" }).note("cast_nowait");
          conn.rpc_nowait({ serde: "raw" }).note(bytes(0, 1));
          conn.stream().note(function* () { yield bytes(2); yield bytes(3); }); // left alone, as in the original document
          await conn.stream({ serde: "json" }).note(async function* () { yield "stream"; yield "goes on"; });
          await conn.stream_nowait().note([bytes(4), bytes(5)]);
          const list = await conn.rpc({ timeout: 20000, serde: "msgpack" }).notes();
          return list.map((note) => (typeof note === "string" ? note : [...note]));
        });
        const chunks = (note) => Array.isArray(note) && note[0] > 1 && note[0] < 4;
        assert.deepEqual(notes.filter(chunks), [[2], [3]]);
        assert.deepEqual(notes.filter((note) => !chunks(note)), ["rpc_nowait", "cast_nowait", [0, 1], "stream", "goes on", [4], [5]]);
      });

      if (bridged) {
        test("1 MiB raw with zero bytes, and 131,072 bytes and more, as Chromium fragments them", async () => {
          const ok = await page.evaluate(async () => {
            for (const size of [131071, 131072, 131073, 1 << 20]) {
              const bytes = new Uint8Array(size).map((_, i) => (i % 7 === 0 ? 0 : i * 31));
              const back = await conn.rpc({ timeout: 20000, serde: "raw" }).echo(bytes);
              if (back.length !== size || back.some((byte, i) => byte !== bytes[i])) return `${size} came back wrong`;
            }
            return "ok";
          });
          assert.equal(ok, "ok");
        });

        test("a call past message_bytes is refused on the page, which the bridge has told of it, and the connection stays", async () => {
          const [error, next] = await page.evaluate(async () => [
            await failure(conn.rpc({ timeout: 10000, serde: "raw" }).echo(new Uint8Array(9 << 20))), await conn.rpc({ timeout: 20000 }).add(1, 2)]);
          assert.equal(error.name, "RangeError");
          assert.match(error.message, /the bridge takes 8388608 bytes/);
          assert.equal(next, 3);
        });
      } else {
        test("131,072 bytes and more are refused on the page: they would stop the server", async () => {
          const [error, next] = await page.evaluate(async () => [
            await failure(conn.rpc({ timeout: 20000, serde: "raw" }).echo(new Uint8Array(131072))), await conn.rpc({ timeout: 20000 }).add(1, 2)]);
          assert.equal(error.name, "RangeError");
          assert.equal(next, 3);
        });
      }

      test("no script error on the way", () => assert.deepEqual(page.problems, []));
    });
  }
}

describe("members, casts and losses, through the bridge", () => {
  let router, bridge, port;
  const workers = new Map();
  before(async () => {
    port = await freePort();
    router = await startRouter(port);
    for (const name of ["a", "b", "c"]) workers.set(name, await startWorker(name, port));
    bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", site.url]);
  });
  after(async () => { for (const peer of [bridge, ...workers.values(), router]) await peer?.stop(); });

  test("round-robin, cast, cast to some", async () => {
    const page = await connected(bridge.wsUrl);
    const result = await page.evaluate(async () => {
      await conn.waitForMembers(["a", "b", "c"], { timeout: 10000 });
      const turns = [];
      for (let i = 0; i < 6; i++) turns.push(await conn.rpc({ timeout: 20000 }).whoami());
      return { turns, all: await conn.cast({ timeout: 20000 }).whoami(), some: JSON.parse(JSON.stringify(await conn.cast({ timeout: 20000, receiver: ["a", "nobody"] }).whoami())) };
    });
    assert.deepEqual([...result.turns].sort(), ["a", "a", "b", "b", "c", "c"]);
    assert.deepEqual(result.all, { a: "a", b: "b", c: "c" });
    assert.equal(result.some.a, "a");
    assert.equal(result.some.nobody.code, "no-such-member");
    await page.context().close();
  });

  test("two browsers share a worker and do not meet", async () => {
    const pages = [await connected(bridge.wsUrl), await connected(bridge.wsUrl)];
    const sums = await Promise.all(pages.map((page, at) => page.evaluate(async (base) => {
      await conn.waitForMembers("a", { timeout: 10000 });
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => conn.rpc({ timeout: 10000 }).add(base, i)));
      return answers.every((answer, i) => answer === base + i);
    }, at * 1000)));
    assert.deepEqual(sums, [true, true]);
    for (const page of pages) await page.context().close();
  });

  test("a worker that dies is told of, and its return too", async () => {
    const page = await connected(bridge.wsUrl);
    await page.evaluate(() => conn.waitForMembers("c", { timeout: 10000 }));
    await workers.get("c").kill();
    await page.waitForFunction(() => events.some((event) => event.type === "disconnected" && event.member === "c"));
    assert.equal((await page.evaluate(() => failure(conn.rpc({ receiver: "c", timeout: 20000 }).whoami()))).code, "no-such-member");
    workers.set("c", await startWorker("c", port));
    await page.waitForFunction(() => events.some((event) => event.type === "connected" && event.member === "c"));
    assert.equal(await page.evaluate(() => conn.rpc({ receiver: "c", timeout: 20000 }).whoami()), "c");
    await page.context().close();
  });

  test("a Router that dies: pending calls reject at once, and autoreconnect comes back with it", async () => {
    const page = await connected(bridge.wsUrl, { autoreconnect: true, reconnectDelay: 200 });
    await page.evaluate(async () => {
      await conn.waitForMembers("a", { timeout: 10000 });
      globalThis.pending = failure(conn.rpc().slow(30));
    });
    for (const worker of workers.values()) await worker.kill();
    workers.clear();
    await router.kill();
    assert.equal((await page.evaluate(() => pending)).code, "disconnected");
    router = await startRouter(port);
    workers.set("a", await startWorker("a", port));
    assert.equal(await page.evaluate(async () => {
      await conn.waitForMembers("a", { timeout: 20000 });
      return conn.rpc({ receiver: "a", timeout: 20000 }).whoami();
    }), "a");
    await page.context().close();
  });

  test("aborted: an AbortSignal ends a call, before it is sent and while it waits", async () => {
    const page = await connected(bridge.wsUrl);
    const codes = await page.evaluate(async () => {
      await conn.waitForMembers("a", { timeout: 10000 });
      const controller = new AbortController();
      const waiting = failure(conn.rpc({ signal: controller.signal }).slow(0.3));
      controller.abort();
      return [(await waiting).code, (await failure(conn.rpc({ signal: controller.signal }).add(1, 2))).code, await conn.rpc({ timeout: 20000 }).add(1, 2)];
    });
    assert.deepEqual(codes, ["aborted", "aborted", 3]);
    await page.context().close();
  });

  test("evicted: another peer took the name at the Router; pending calls reject, no reconnect", async () => {
    const page = await connected(bridge.wsUrl, { autoreconnect: true, reconnectDelay: 50 });
    const name = await page.evaluate(async () => {
      await conn.waitForMembers("a", { timeout: 10000 });
      globalThis.pending = failure(conn.rpc().slow(5));
      return client.name;
    });
    const thief = await startWorker(name, port);
    assert.equal((await page.evaluate(() => pending)).code, "evicted");
    assert.equal((await page.evaluate(() => failure(conn.rpc().add(1, 2)))).code, "evicted");
    assert.equal(await page.evaluate(() => events.filter((event) => event.member === client.name).at(-1).type), "evicted");
    await thief.kill();
    await page.context().close();
  });

  test("closed: after stop() calls and connect() reject", async () => {
    const page = await connected(bridge.wsUrl);
    const codes = await page.evaluate(async () => {
      const pending = failure(conn.rpc().slow(30));
      client.stop();
      client.stop();
      return [(await pending).code, (await failure(conn.rpc().add(1, 2))).code, (await failure(client.connect())).code];
    });
    assert.deepEqual(codes, ["closed", "closed", "closed"]);
    await page.context().close();
  });
});

describe("what can't be reached", () => {
  const failing = async (wsUrl) => {
    const page = await openPage(browser, `${site.url}/page.html`);
    const error = await page.evaluate(async (url) => {
      try { await new DaffiClient({ wsUrl: url }).connect(); return "connected"; } catch (e) { return { code: e.code, message: e.message, isError: e instanceof Error }; }
    }, wsUrl);
    await page.context().close();
    return error;
  };

  test("nobody listens: unreachable", async () => {
    assert.equal((await failing(`ws://127.0.0.1:${await freePort()}`)).code, "unreachable");
  });

  test("the bridge is there, its upstream is not: a reason one can read", async () => {
    const upstream = await freePort();
    const bridge = await startBridge(`tcp://127.0.0.1:${upstream}`, ["--allow-origin", site.url]);
    try {
      const error = await failing(bridge.wsUrl);
      assert.equal(error.code, "refused");
      assert.match(error.message, /upstream/);
    } finally {
      await bridge.stop();
    }
  });

  test("another site's page does not get in", async () => {
    const port = await freePort();
    const router = await startRouter(port);
    const bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["--allow-origin", "https://elsewhere.example"]);
    try {
      assert.equal((await failing(bridge.wsUrl)).code, "unreachable");
    } finally {
      await bridge.stop();
      await router.stop();
    }
  });
});

test("20 MB both ways, with message_bytes raised", { timeout: 120000 }, async () => {
  const { writeFileSync, mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const folder = mkdtempSync(join(tmpdir(), "daffi-large-"));
  const port = await freePort();
  const router = await startRouter(port);
  const worker = await startWorker("w1", port);
  const configuration = join(folder, "bridge.json");
  writeFileSync(configuration, JSON.stringify({ limits: { message_bytes: 33554431 } }));
  const bridge = await startBridge(`tcp://127.0.0.1:${port}`, ["-c", configuration, "--allow-origin", site.url]);
  try {
    const page = await connected(bridge.wsUrl);
    const result = await page.evaluate(async () => {
      await conn.waitForMembers("w1", { timeout: 10000 });
      const bytes = new Uint8Array(20_000_000);
      for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 2654435761) >>> 13;
      const back = await conn.rpc({ timeout: 60000, serde: "raw" }).echo(bytes);
      return back.length === bytes.length && back.every((byte, i) => byte === bytes[i]);
    });
    assert.equal(result, true);
    await page.context().close();
  } finally {
    for (const peer of [bridge, worker, router]) await peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a Worker thread of the page can hold a client", async () => {
  const port = await freePort();
  const service = await startService(port);
  const page = await openPage(browser, `${site.url}/page.html`);
  try {
    const answer = await page.evaluate(({ url, base }) => new Promise((done, failed) => {
      const source = `importScripts("${base}/daffi.js");
        (async () => { const client = new DaffiClient({ wsUrl: "${url}" }); const conn = await client.connect();
          postMessage(await conn.rpc({ timeout: 20000 }).add(3, 4)); client.stop(); })().catch((error) => postMessage(String(error)));`;
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      worker.onmessage = (message) => done(message.data);
      worker.onerror = (error) => failed(new Error(error.message));
    }), { url: `ws://127.0.0.1:${port}`, base: site.url });
    assert.equal(answer, 7);
  } finally {
    await page.context().close();
    await service.stop();
  }
});

test("wss straight to a bare Router with TLS", async () => {
  const port = await freePort();
  const router = await startSecureRouter(port);
  const worker = await startSecureWorker("w1", port);
  try {
    const page = await connected(`wss://127.0.0.1:${port}/`);
    const answers = await page.evaluate(async () => {
      await conn.waitForMembers("w1", { timeout: 10000 });
      const bytes = new Uint8Array(100000).map((_, index) => index);
      const back = await conn.rpc({ timeout: 10000, serde: "raw" }).echo(bytes);
      return [await conn.rpc({ timeout: 10000 }).add(3, 4), await conn.rpc({ timeout: 10000, serde: "msgpack" }).echo("ü"), back.length === bytes.length && back.every((byte, i) => byte === bytes[i])];
    });
    assert.deepEqual(answers, [7, "ü", true]);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  } finally {
    for (const peer of [worker, router]) await peer.stop();
  }
});
