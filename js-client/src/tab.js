// The secret of this tab: whoever knows it may take over the name of a page that is in it, as a reloading page does.
import { random32 } from "./random.js";

const KEY = "daffi-tab";
const make = () => Array.from({ length: 4 }, () => random32().toString(16).padStart(8, "0")).join("");

/** 32 hexadecimal digits, the same for all clients of a tab and after a reload; where there is no sessionStorage (a Worker,
 *  Node), one for each client, kept in its `settings`. */
export function tabSecret(settings) {
  try {
    const kept = sessionStorage[KEY];
    return /^[\da-f]{32}$/.test(kept) ? kept : (sessionStorage[KEY] = make());
  } catch {
    return (settings.tab ??= make());
  }
}
