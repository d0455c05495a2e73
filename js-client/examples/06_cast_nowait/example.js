"use strict";
// Through the bridge that serves this page. Straight to a bare Python server, change this one line:
// const wsUrl = "ws://127.0.0.1:5000";
const wsUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;

const out = document.getElementById("out");
const show = (text) => { out.textContent = text; };

async function main() {
  const client = new DaffiClient("browser-06", { wsUrl });
  const conn = await client.connect();
  show("connected");
  const text = () => document.getElementById("text").value;
  const on = (id, action) => {
    const button = document.getElementById(id);
    button.addEventListener("click", async () => {
      try {
        show(await action());
      } catch (error) {
        show(`failed: ${error.message}`);
      }
    });
    button.disabled = false;
  };
  on("all", () => {
    conn.cast_nowait({ serde: "json" }).notify(text());
    return "sent to all";
  });
  on("one", () => {
    conn.cast_nowait({ serde: "json", receiver: ["worker-B"] }).notify(text());
    return "sent to worker-B";
  });
  on("notes", async () => JSON.stringify(await conn.cast({ timeout: 5000 }).notes(), null, 2));
}

main().catch((error) => show(`failed: ${error.message}`));
