// Of `daffi-bridge dev`: loads this page anew when its files change, takes over changed stylesheets in place, and tells the terminal of errors.
"use strict";
(() => {
  const { protocol, host, origin } = location; // addresses are whole: a page's <base> may name another site
  const RETRY_MS = 500;
  const EDITION = document.currentScript.src.replace(/^[^?]*/, ""); // with its question mark
  const REPORT_MAX = 1500; // characters: an address has a bound
  const IS_LISTING = "listing" in document.currentScript.dataset;
  let lost = false;
  const loading = new Set(); // links that are to take another's place

  function isLinkTo(path, link) {
    try {
      const { origin: site, pathname } = new URL(link.href);
      return site === origin && decodeURIComponent(pathname) === decodeURIComponent(path);
    } catch {
      return false; // no address, or no text in it
    }
  }

  /** Takes over the stylesheet at `path`. False where no link of this page names it: it is imported, or a shadow root's. */
  function renewStyle(path) {
    let found = false;
    for (const link of document.querySelectorAll("link[rel~=stylesheet][href]")) {
      if (!isLinkTo(path, link)) continue;
      found = true;
      if (loading.delete(link)) { // it has changed again before that was there
        link.onload = link.onerror = null;
        link.remove();
        continue;
      }
      const url = new URL(link.href);
      url.searchParams.set("daffi-dev", Date.now());
      if (link.disabled) {
        link.href = url; // which is not loaded before it is enabled
        continue;
      }
      const next = link.cloneNode();
      loading.add(next);
      next.href = url;
      next.onload = next.onerror = () => { // not before: the page would flash
        loading.delete(next);
        next.onload = next.onerror = null;
        link.remove();
      };
      link.after(next);
    }
    return found;
  }

  // Files changed while this page was on its way. Once for each edition: a page that a service worker keeps would be loaded for ever.
  function catchUp() {
    const key = "daffi-dev-stale";
    try {
      if (sessionStorage.getItem(key) === EDITION) return;
      sessionStorage.setItem(key, EDITION);
    } catch {
      return; // no storage for such a page: rather a change missed
    }
    location.reload();
  }

  function hear(word) {
    if (word.startsWith("css ") && renewStyle(word.slice(4))) return;
    if (word === "listing" && !IS_LISTING) return;
    if (word === "stale") catchUp();
    else location.reload();
  }

  function listen() {
    const socket = new WebSocket(`${protocol.replace("http", "ws")}//${host}/_bridge/dev/live${EDITION}`);
    socket.onopen = () => {
      if (lost) location.reload(); // the server was started anew: what it gives may be new, too
    };
    socket.onmessage = ({ data }) => hear(data);
    socket.onclose = () => {
      lost = true;
      setTimeout(listen, RETRY_MS);
    };
  }

  const FRAMES_MAX = 6;
  const CLIENTS = /\/daffi(\.standalone)?\.m?js(\?[^:]*)?:\d+/; // a frame of the client's own, whichever server it is from

  /** Where in the page's own code the error was made, or is waited for. Chromium's stacks begin with the message. */
  function framesOf(error) {
    const lines = String(error?.stack ?? "").split("\n");
    const marked = lines.filter((line) => /^\s+at /.test(line));
    return (marked.length > 0 ? marked : lines).filter((line) => !CLIENTS.test(line)).slice(0, FRAMES_MAX).join("\n");
  }

  function describe(error, fallback) {
    const text = String(error?.message ?? fallback ?? error);
    return error?.name && error.name !== "Error" && error.message !== undefined ? `${error.name}: ${text}` : text;
  }

  /** What an element could not load. Of a module it may as well be what that imports: the event does not tell. */
  function missing(element) {
    const address = element.src || element.href;
    if (element.type !== "module") return address;
    if (address) return `${address}, or what it imports`;
    const imported = [...element.textContent.matchAll(/(?:\bfrom|\bimport)\s*["']([^"']+)["']/g)].map(([, name]) => name);
    return `what a <script type="module"> of this page imports: ${imported.join(", ")}`;
  }

  function report(kind, error, fallback, place) {
    const text = [`${kind}: ${describe(error, fallback)}`, place, framesOf(error)].filter(Boolean).join("\n").slice(0, REPORT_MAX);
    fetch(`${origin}/_bridge/dev/report?${encodeURIComponent(`${location.pathname}\n${text}`)}`, { keepalive: true, headers: { "Daffi-Dev": "report" } }).catch(() => {});
  }

  addEventListener("error", ({ error, message, filename, lineno, colno, target }) => {
    if (target !== window && target?.nodeType) report("not loaded", null, missing(target));
    else report("error", error, message, `${filename}:${lineno}:${colno}`);
  }, true);
  addEventListener("unhandledrejection", ({ reason }) => report("unhandled rejection", reason, String(reason)));
  listen();
})();
