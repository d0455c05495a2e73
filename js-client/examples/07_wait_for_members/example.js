"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-07", { wsUrl });
  const conn = await client.connect();
  show("waiting for py-worker …");
  await conn.waitForMembers("py-worker");
  show("py-worker is there");
  const go = document.getElementById("go");
  go.addEventListener("click", async () => {
    const number = Number(document.getElementById("number").value);
    try {
      show(`process(${number}) = ${await conn.rpc({ receiver: "py-worker", timeout: 5000 }).process(number)}`);
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  go.disabled = false;
}

main().catch((error) => show(`failed: ${error.message}`));
