// What daffi.js costs a page, in a real Chromium: a bare WebSocket that is echoed, daffi.js through the bridge, straight to the
// same C echo peer, and on a bare Python Router; one page, runs in turn, so that a machine whose speed drifts slows all alike.
//
//   node tests/bench/browser/run.mjs [--quick] [--runs 9] [--seconds 0.5]
//
// DAFFI_BUILD is the build to measure (build/release). Prints a Markdown table. Ratios are medians of the ratios run by run.
import { cpus, release } from "node:os";
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

process.env.DAFFI_BUILD ??= "build/release";
const { BUILD, CLIENT, freePort, launchChromium, openPage, serveFolder, start, startBridge, startRouter, startWorker } =
  await import("../../browser/harness.mjs");

const MIB = 1048576;
const FAR = 500; // calls at a time
const LATE_MS = 60000;

function readArguments(args) {
  const read = { runs: 9, seconds: 0.5 };
  while (args.length > 0) {
    const name = args.shift().replace(/^--/, "");
    if (name === "quick") Object.assign(read, { runs: 1, seconds: 0.1 });
    else if (name in read && args.length > 0) read[name] = Number(args.shift());
    else throw new Error(`unknown or unfinished argument --${name}; known are --quick, --runs N, --seconds N`);
  }
  return read;
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const shown = (rate) => (rate < 1000 ? rate.toFixed(1) : String(Math.round(rate)));

/** Works by the names of the rates they give: [function of page.mjs, server, its further arguments]. */
const WORKS = {
  "one bare least": ["besideBare", "bridge", "raw"],
  "json jsonBare jsonLeast": ["besideBare", "bridge", "json"],
  "msgpack msgpackBare msgpackLeast": ["besideBare", "bridge", "msgpack"],
  "direct directBare directLeast": ["besideBare", "peer", "raw"],
  "python pythonBare pythonLeast": ["besideBare", "python", "raw"],
  bareFar: ["bareEchoes", "bridge", FAR],
  far: ["calls", "bridge", "raw", FAR],
  farJson: ["calls", "bridge", "json", FAR],
  pythonFar: ["calls", "python", "raw", FAR],
  bareLarge: ["bareEchoes", "bridge", 1, MIB],
  strings: ["stringEchoes", "bridge", MIB],
  large: ["calls", "bridge", "raw", 1, MIB],
};

/** Rows of the table: what, whose rate, against whose, and what is to be reached. */
const ROWS = [
  ["one call after another, raw", "one", "bare", "bare WebSocket, same bridge", 0.95],
  ["one call after another, raw", "one", "least", "the least with a promise and copies of one's own"],
  ["one call after another, json", "json", "jsonBare", "bare WebSocket, same bridge"],
  ["one call after another, msgpack", "msgpack", "msgpackBare", "bare WebSocket, same bridge"],
  ["one call after another, raw, no bridge", "direct", "directBare", "bare WebSocket, same peer", 0.95],
  ["one call after another, raw, Python Router", "python", "pythonBare", "bare WebSocket, same Router", 0.95],
  [`${FAR} at a time, raw`, "far", "bare", "bare WebSocket, one after another", 10],
  [`${FAR} at a time, json`, "farJson", "bare", "bare WebSocket, one after another"],
  [`${FAR} at a time, raw`, "far", "bareFar", `bare WebSocket, ${FAR} in flight`],
  [`${FAR} at a time, raw`, "far", "pythonFar", "daffi.js, Python Router, no bridge"],
  ["1 MiB raw", "large", "bareLarge", "bare WebSocket, 1 MiB, bytes as they are"],
  ["1 MiB raw", "large", "strings", "bare WebSocket, 1 MiB, bytes through strings", 3],
];

/** What `work` gives, or an error that names it: a lost answer must not be waited for. */
async function inTime(name, work) {
  let timer;
  const late = new Promise((_, failed) => { timer = setTimeout(() => failed(new Error(`${name} did not end: an answer was lost`)), LATE_MS); });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function measureAll(page, servers, { runs, seconds }) {
  const rates = Object.fromEntries(Object.keys(WORKS).flatMap((names) => names.split(" ")).map((name) => [name, []]));
  const run = (names, time) => {
    const [work, server, ...more] = WORKS[names];
    const { url, member } = servers[server];
    return inTime(names, page.evaluate(async ([fn, given]) => (await import("/bench/page.mjs"))[fn](...given), [work, [url, member, time, ...more]]));
  };
  for (const names in WORKS) await run(names, 0.1);
  for (let turn = 0; turn < runs; turn++) {
    for (const names in WORKS) {
      const measured = [await run(names, seconds)].flat();
      names.split(" ").forEach((name, index) => rates[name].push(measured[index]));
    }
  }
  return rates;
}

function tableOf(rates, { memory, version, runs, seconds }) {
  const machine = `${cpus().length} cores, ${cpus()[0].model}, Linux ${release().split("-")[0]}, Chromium ${version}`;
  const size = (file) => `${(statSync(join(CLIENT, file)).size / 1000).toFixed(1)} KB, ${(statSync(join(CLIENT, `${file}.br`)).size / 1000).toFixed(1)} with brotli`;
  return [`${machine}; median of ${runs} interleaved runs of ${seconds} s.`, "",
    "| in a page | a second | beside it | a second | ratio | to reach |", "| --- | --- | --- | --- | --- | --- |",
    ...ROWS.map(([what, ours, theirs, beside, bar]) => {
      const ratio = median(rates[ours].map((rate, turn) => rate / rates[theirs][turn])).toFixed(2);
      return `| ${what} | ${shown(median(rates[ours]))} | ${beside} | ${shown(median(rates[theirs]))} | ${ratio} | ${bar ? `≥ ${bar} ${ratio >= bar ? "✓" : "✗"}` : ""} |`;
    }),
    "", `What a page loads: daffi.js ${size("daffi.js")}; app.wasm ${size("app.wasm")}; app.wasm's memory at the start ${memory / 1024} KiB.`].join("\n");
}

const options = readArguments(process.argv.slice(2));
const open = []; // what has to end, the newest first
try {
  const peer = await start(join(BUILD, "tests/bench/bench_echo_peer"), [], /^ready \S*?:(\d+)$/m);
  open.unshift(peer.stop);
  const script = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "page.mjs"), "utf8");
  const site = await serveFolder(CLIENT, { "/page.html": "<!DOCTYPE html><meta charset=\"utf-8\"><title>bench</title><script src=\"daffi.js\"></script>",
    "/bench/page.mjs": script });
  open.unshift(site.stop);
  const bridge = await startBridge(`tcp://127.0.0.1:${peer.match[1]}`, ["--allow-origin", site.url, "--log-level", "warning"]);
  open.unshift(bridge.stop);
  const port = await freePort();
  const router = await startRouter(port);
  open.unshift(router.stop);
  const worker = await startWorker("w1", port);
  open.unshift(worker.stop);
  const browser = await launchChromium();
  open.unshift(() => browser.close());
  const page = await openPage(browser, `${site.url}/page.html`);
  const servers = { bridge: { url: bridge.wsUrl, member: "echo" }, peer: { url: `ws://127.0.0.1:${peer.match[1]}/`, member: "echo" },
    python: { url: `ws://127.0.0.1:${port}/`, member: "w1" } };
  const memory = await page.evaluate(async (url) => (await import("/bench/page.mjs")).memoryAtStart(url), bridge.wsUrl);
  const rates = await measureAll(page, servers, options);
  console.log(tableOf(rates, { ...options, memory, version: browser.version() }));
  console.log(`\nbench: ${ROWS.length} passed, 0 failed`);
} finally {
  for (const end of open) await end();
}
