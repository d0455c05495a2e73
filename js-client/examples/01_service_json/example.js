"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-01", { wsUrl });
  const conn = await client.connect();
  show("connected");
  const add = document.getElementById("go");
  add.addEventListener("click", async () => {
    const a = Number(document.getElementById("a").value);
    const b = Number(document.getElementById("b").value);
    try {
      show(`add(${a}, ${b}) = ${await conn.rpc({ timeout: 5000 }).add(a, b)}`);
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  const greet = document.getElementById("greet");
  greet.addEventListener("click", async () => {
    try {
      show(await conn.rpc({ timeout: 5000 }).greet("world"));
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  add.disabled = greet.disabled = false;
}

main().catch((error) => show(`failed: ${error.message}`));
