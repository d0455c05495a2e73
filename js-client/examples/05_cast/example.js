"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-05", { wsUrl });
  const conn = await client.connect();
  show("connected");
  const go = document.getElementById("go");
  go.addEventListener("click", async () => {
    try {
      show(JSON.stringify(await conn.cast({ timeout: 5000 }).ping(), null, 2));
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  go.disabled = false;
}

main().catch((error) => show(`failed: ${error.message}`));
