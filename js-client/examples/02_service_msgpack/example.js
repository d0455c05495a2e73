"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-02", { wsUrl });
  const conn = await client.connect();
  show("connected");
  const add = document.getElementById("go");
  add.addEventListener("click", async () => {
    const a = Number(document.getElementById("a").value);
    const b = Number(document.getElementById("b").value);
    try {
      show(`add(${a}, ${b}) = ${await conn.rpc({ timeout: 5000, serde: "msgpack" }).add(a, b)}`);
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  const statistics = document.getElementById("statistics");
  statistics.addEventListener("click", async () => {
    try {
      const answer = await conn.rpc({ timeout: 5000, serde: "msgpack" }).statistics([1, 2, 250]);
      show(`count ${answer.count}, mean ${answer.mean.toFixed(2)}, digest ${answer.digest.constructor.name} [${answer.digest.join(", ")}]`);
    } catch (error) {
      show(`failed: ${error.message}`);
    }
  });
  add.disabled = statistics.disabled = false;
}

main().catch((error) => show(`failed: ${error.message}`));
