"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-04", { wsUrl });
  const conn = await client.connect();
  show("connected");
  const go = document.getElementById("go");
  go.addEventListener("click", async () => {
    try {
      const reading = { sensor: "north", samples: new Uint8Array([3, 1, 4, 1, 5]) };
      const answer = await conn.rpc({ timeout: 5000, serde: "msgpack" }).summarize(reading);
      show(`${answer.sensor}: ${answer.count} samples, largest ${answer.largest}, reversed [${answer.reversed.join(", ")}]`);
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  go.disabled = false;
}

main().catch((error) => show(`failed: ${error.message}`));
