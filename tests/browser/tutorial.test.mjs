// docs/tutorial.md, carried out word by word: its commands are typed into a shell, its files saved, its button pressed in Chromium, and what it says
// one sees has to be seen. The ports may be others, where those of the text are taken; and pip, which needs a network, finds daffi there already.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BUILD, ROOT, launchChromium, openLivePage } from "./harness.mjs";

const PYTHON = process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python");
const PATIENCE_MS = 20000;
const DOCUMENT = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");

/** What prose tells one to do or to see, beyond links, buttons, keys and quotes. */
const SENTENCES = {
  "Empty the text": (page) => page.locator("textarea").fill(""),
  "The button is green, and the words are still there": async (page) => {
    await page.waitForFunction(() => getComputedStyle(document.querySelector("button")).backgroundColor === "rgb(46, 139, 87)");
    assert.match(await page.locator("output").innerText(), /^2 × cat/);
  },
};
const STEP = new RegExp([/^```(?<language>\w+)\n(?<block>[^]*?)^```$/, /(?<quote>(?:^> .*\n)+)/, /`(?<file>[\w.]+)`:$/, /<(?<link>http[^>]*)>/, /\*\*(?<key>Ctrl-C)\*\*/,
  /\*\*(?<button>\w+)\*\*/, new RegExp(`(?<sentence>${Object.keys(SENTENCES).join("|")})`)].map(({ source }) => source).join("|"), "gm");

/** A shell as in a terminal: lines are typed, and what is said is read once, in order. */
class Terminal {
  constructor(folder, env) {
    this.output = "";
    this.read = 0;
    this.waiting = () => {};
    this.shell = spawn("bash", ["--norc", "-s"], { cwd: folder, env, detached: true });
    this.gone = new Promise((done) => this.shell.once("close", done));
    for (const stream of [this.shell.stdout, this.shell.stderr]) stream.setEncoding("utf8").on("data", (text) => { this.output += text; this.waiting(); });
  }

  /** Waits for a line like `line` behind what has been read; `…` in it is anything, and ports may be others. */
  async expect(line) {
    const source = line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*").replace(/:(8443|8080)\b/g, ":\\d+");
    const pattern = new RegExp(`^${source}$`, "m");
    const look = () => pattern.exec(this.output.slice(this.read));
    const match = look() ?? await new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`"${line}" is not there:\n${this.output.slice(this.read)}\n-- before it --\n${this.output.slice(0, this.read)}`)), PATIENCE_MS);
      this.waiting = () => {
        const found = look();
        if (found) { clearTimeout(late); done(found); }
      };
    });
    this.read += match.index + match[0].length;
    return match[0];
  }

  type(line) {
    this.shell.stdin.write(`${line}\n`);
  }

  /** Until the command has ended well; the folder in which the shell is then. */
  async finish() {
    this.type('echo "status $? in $PWD"');
    const [, status, folder] = /^status (\d+) in (.*)$/.exec(await this.expect("status … in …"));
    assert.equal(status, "0", this.output);
    return folder;
  }

  /** As the keys do: to the shell and to what runs in it. */
  signal(name) {
    process.kill(-this.shell.pid, name);
  }
}

/** As many editors save: a new file in the place of the old one. */
function save(path, text) {
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

/** What a diff makes of a text; what it takes away or leaves has to be there once. */
function patch(text, diff) {
  const lines = diff.trimEnd().split("\n");
  const side = (signs) => lines.filter((line) => signs.includes(line[0])).map((line) => `${line.slice(1)}\n`).join("");
  const parts = text.split(side(" -"));
  assert.equal(parts.length, 2, `no place for\n${diff}`);
  return parts.join(side(" +"));
}

let home, terminal, browser;
before(async () => {
  home = mkdtempSync(join(tmpdir(), "daffi-tutorial-"));
  const programs = join(home, "bin");
  mkdirSync(programs);
  symlinkSync(join(BUILD, "daffi-bridge"), join(programs, "daffi-bridge"));
  // The new venv sees what that of the tests has; to put pip into it as well would take five seconds.
  writeFileSync(join(programs, "python3"), `#!/bin/sh\nexec "${PYTHON}" "$@" --without-pip\n`, { mode: 0o755 });
  writeFileSync(join(programs, "pip"), '#!/bin/sh\nexec python -m pip "$@"\n', { mode: 0o755 });
  const packages = execFileSync(PYTHON, ["-c", "import daffi, os; print(os.path.dirname(os.path.dirname(daffi.__file__)))"], { encoding: "utf8" }).trim();
  terminal = new Terminal(home, { ...process.env, HOME: home, XDG_DATA_HOME: join(home, "data"), PATH: `${programs}:${process.env.PATH}`, PYTHONPATH: packages,
    PIP_NO_INDEX: "1", PIP_DISABLE_PIP_VERSION_CHECK: "1" });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  if (terminal?.shell.exitCode === null) terminal.signal("SIGKILL"); // the worker goes with the daemon
  await terminal?.gone;
  rmSync(home, { recursive: true, force: true });
});

test("the tutorial does what it says", { timeout: 120000 }, async () => {
  let folder, file, page;
  const done = new Map();

  async function runConsole(block) {
    for (const [, command, output] of block.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
      terminal.type(command);
      for (const line of output.split("\n").filter((line) => line !== "" && line !== "…")) await terminal.expect(line);
      if (!command.startsWith("daffi-bridge dev")) folder = await terminal.finish();
    }
  }

  async function open(link) {
    const [scheme] = link.split(":");
    const [, port] = new RegExp(`^listening ${scheme}://\\S+:(\\d+)$`, "m").exec(terminal.output);
    page = await openLivePage(browser, link.replace(/:\d+/, `:${port}`));
  }

  const actions = {
    block: async (text, { language }) => {
      if (language === "console") await runConsole(text);
      else if (language === "text") for (const line of text.trimEnd().split("\n")) await terminal.expect(line);
      else save(join(folder, file), language === "diff" ? patch(readFileSync(join(folder, file), "utf8"), text) : text);
    },
    quote: (text) => page.waitForFunction((said) => document.querySelector("output").innerText === said, text.trimEnd().replace(/^> |\\$/gm, ""), { timeout: PATIENCE_MS }),
    file: (name) => { file = name; },
    link: open,
    key: async () => { terminal.signal("SIGINT"); await terminal.finish(); },
    button: (name) => page.getByRole("button", { name, exact: true }).click(),
    sentence: (text) => SENTENCES[text](page),
  };
  const steps = DOCUMENT.slice(DOCUMENT.indexOf("\n## 1."), DOCUMENT.indexOf("\n## What next"));
  for (const { groups } of steps.matchAll(STEP)) {
    const [kind, text] = Object.entries(groups).find(([name, value]) => name in actions && value !== undefined);
    done.set(kind, (done.get(kind) ?? 0) + 1);
    await actions[kind](text, groups);
  }
  for (const kind of Object.keys(actions)) assert.ok(done.get(kind) > 0, `the tutorial has no ${kind}`);
  assert.equal(done.get("sentence"), Object.keys(SENTENCES).length);
  assert.deepEqual(page.problems, []);
  terminal.shell.stdin.end();
  assert.equal(await terminal.gone, 0);
});

test("the tutorial's worker, started by hand, looks for the bridge where it usually is", () => {
  const [, worker] = /^`worker\.py`:\n\n```python\n([^]*?)^```$/m.exec(DOCUMENT);
  const folder = mkdtempSync(join(home, "by-hand-"));
  writeFileSync(join(folder, "worker.py"), worker);
  writeFileSync(join(folder, "daffi.py"), // stands in for the real one, which would need the port
    "class Client:\n    def __init__(self, *, host, port, **_):\n        print(host, port)\n    def connect(self): pass\n    def join(self): pass\n\ndef callback(function): return function\n");
  const { DAFFI_HOST, DAFFI_PORT, ...env } = process.env;
  assert.equal(execFileSync(PYTHON, ["worker.py"], { cwd: folder, env, encoding: "utf8" }), "127.0.0.1 8080\nready\n");
});
