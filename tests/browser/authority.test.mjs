// A browser that believes the certificate authority of `daffi-bridge dev`, and a thief who has its key: as whom can the thief come?
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { BUILD, start } from "./harness.mjs";

let home, browser, thief;
const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });

/** Has the first start make an authority in `home`; the folder in which it is. */
async function makeAuthority() {
  const dev = await start(join(BUILD, "daffi-bridge"), ["dev", home, "--port", "0", "--http-port", "0"], /Ctrl-C ends it/,
    { stream: "stderr", signal: "SIGINT", env: { HOME: home, XDG_DATA_HOME: home } });
  await dev.stop();
  return join(home, "daffi-bridge");
}

/** As `daffi-bridge trust` does, in Chromium's own store alone. */
function trust(authority) {
  const folder = join(home, ".pki/nssdb");
  mkdirSync(folder, { recursive: true });
  run("certutil", "-N", "-d", `sql:${folder}`, "--empty-password");
  run("certutil", "-A", "-d", `sql:${folder}`, "-t", "C,,", "-n", "development", "-i", join(authority, "ca.pem"));
}

/** A certificate for `name`, signed with the stolen key. */
function forge(authority, name) {
  const file = (ending) => join(home, `${name}.${ending}`);
  writeFileSync(file("ext"), `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth\n`);
  run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("key"), "-out", file("csr"), "-subj", "/O=thief");
  run("openssl", "x509", "-req", "-in", file("csr"), "-CA", join(authority, "ca.pem"), "-CAkey", join(authority, "ca-key.pem"), "-days", "1",
    "-extfile", file("ext"), "-out", file("pem"));
  return createSecureContext({ cert: readFileSync(file("pem")), key: readFileSync(file("key")) });
}

before(async () => {
  home = mkdtempSync(join(tmpdir(), "daffi-authority-"));
  const authority = await makeAuthority();
  trust(authority);
  const forged = Object.fromEntries(["printer.local", "bank.example"].map((name) => [name, forge(authority, name)]));
  thief = createServer({ SNICallback: (name, done) => done(null, forged[name]) }, (request, response) => response.end("the thief's page"));
  await new Promise((done) => thief.listen(0, "127.0.0.1", done));
  browser = await chromium.launch({ executablePath: process.env.DAFFI_CHROMIUM ?? "/usr/bin/chromium", env: { ...process.env, HOME: home },
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--host-resolver-rules=MAP * 127.0.0.1"] });
});
after(async () => {
  await browser?.close();
  thief?.closeAllConnections();
  thief?.close();
  rmSync(home, { recursive: true, force: true });
});

async function visit(name) {
  const page = await browser.newPage();
  const failure = await page.goto(`https://${name}:${thief.address().port}/`).then(() => null, (error) => /ERR_\w+/.exec(error.message)[0]);
  return failure ?? page.textContent("body");
}

test("as a machine of the LAN: what the authority may speak for", async () => {
  assert.equal(await visit("printer.local"), "the thief's page");
});

test("as nobody of the internet", async () => {
  assert.equal(await visit("bank.example"), "ERR_CERT_INVALID");
});
