// Who is there and what they offer, live. A thousand members, or a member of a thousand functions, are narrowed by the filter rather
// than drawn: what is drawn is bounded, and what did not change stays as it is.
import { $, element } from "./dom.js";
import { plainName } from "./plain.js";
import { startRoving } from "./roving.js";

const SHOWN_MEMBERS = 200;
const SHOWN_FUNCTIONS = 40;
const SEEN_AT_ONCE = 10; // functions of one member that nobody needs a filter for
const NOBODY = "Nobody else is connected yet. Start a Python worker, and its functions appear here.";
const NOT_CONNECTED = "This page is not connected. Once it is, those who are there appear here.";

export class MemberList {
  #members = [];
  #own = "";
  #drawn = new Map(); // name → { row, chips: Map of function → button, signature }
  #settle;

  /** @param {(functionName: string, member: string) => void} onchoose */
  constructor(onchoose) {
    this.#settle = startRoving($("members"), "button");
    $("members").addEventListener("click", ({ target }) => {
      const chip = target.closest("button");
      if (chip) onchoose(chip.dataset.function, chip.dataset.member);
    });
    $("members-filter").addEventListener("input", () => this.#draw());
    $("members-filter").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "ArrowDown") return;
      const first = $("members").querySelector("button:not(:disabled)");
      if (first) event.preventDefault();
      first?.focus();
    });
  }

  /**
   * @param {{name: string, methods: readonly string[]|null}[]} members with this page among them
   * @param {string} own its name
   * @param {boolean} connected whether this page is one of them now
   */
  show(members, own, connected) {
    this.#own = own;
    this.#members = [...members].sort((a, b) => (a.name === own) - (b.name === own) || (a.name < b.name ? -1 : 1));
    const others = members.filter(({ name }) => name !== own);
    const offered = others.reduce((sum, { methods }) => sum + (methods?.length ?? 0), 0);
    $("members-count").textContent = String(members.length);
    $("members-empty").hidden = others.length > 0;
    $("members-empty").textContent = connected ? NOBODY : NOT_CONNECTED;
    $("members-filter").hidden = others.length < 2 && offered <= SEEN_AT_ONCE && $("members-filter").value === "";
    this.#draw();
  }

  #draw() {
    const sought = $("members-filter").value.trim().toLowerCase();
    const fits = (name) => name.toLowerCase().includes(sought);
    const found = sought === "" ? this.#members : this.#members.filter(({ name, methods }) => fits(name) || methods?.some(fits));
    const wanted = found.slice(0, SHOWN_MEMBERS);
    const names = new Set(wanted.map(({ name }) => name));
    for (const [name, { row }] of this.#drawn) {
      if (names.has(name)) continue;
      row.remove();
      this.#drawn.delete(name);
    }
    let at = $("members").firstElementChild;
    for (const member of wanted) {
      const before = this.#drawn.get(member.name)?.row;
      const row = this.#rowOf(member, sought, fits);
      if (before === at) at = row; // made anew, it stands in the other's place
      if (row === at) at = at.nextElementSibling;
      else $("members").insertBefore(row, at);
    }
    const more = found.length - wanted.length;
    $("members-more").textContent = more > 0 ? `${more} more: narrow them with the field above` : found.length === 0 && sought ? "nobody of that name, and no such function" : "";
    this.#settle();
    this.mark();
  }

  /** Its row, made anew when something of it has changed. */
  #rowOf({ name, methods }, sought, fits) {
    const all = [...(methods ?? [])].sort();
    const first = sought && all.length > SHOWN_FUNCTIONS ? [...all.filter(fits), ...all.filter((other) => !fits(other))] : all;
    const shown = first.slice(0, SHOWN_FUNCTIONS);
    const own = name === this.#own;
    const signature = JSON.stringify([own, all.length, shown]);
    const before = this.#drawn.get(name);
    if (before?.signature === signature) return before.row;
    const chips = new Map(shown.map((method) => {
      const chip = element("button", { type: "button", textContent: plainName(method, 60), disabled: own, tabIndex: -1 });
      Object.assign(chip.dataset, { function: method, member: name });
      chip.setAttribute("aria-pressed", "false");
      return [method, chip];
    }));
    const note = own ? " this page" : shown.length === 0 ? " offers nothing" : "";
    const rest = all.length - shown.length;
    const functions = element("div", { className: "functions" }, ...chips.values(), ...rest > 0 ? [element("span", { className: "member-note", textContent: `and ${rest} more` })] : []);
    functions.setAttribute("role", "group");
    functions.setAttribute("aria-label", `functions of ${plainName(name)}`);
    const parts = plainName(name).match(/[^-]+-*|-+/g) ?? []; // Firefox breaks no line between "-" and a digit, but anywhere in a long word
    const row = element("li", {},
      element("div", { className: "member-name" }, element("bdi", {}, ...parts.flatMap((part) => [part, element("wbr")])), element("span", { className: "member-note", textContent: note })), functions);
    this.#drawn.set(name, { row, chips, signature });
    if (before) before.row.replaceWith(row);
    return row;
  }

  /** Marks what the form would call. */
  mark() {
    const method = $("function").value;
    const receiver = $("receiver").value;
    for (const pressed of $("members").querySelectorAll("[aria-pressed=true]")) pressed.setAttribute("aria-pressed", "false");
    for (const [name, { chips }] of this.#drawn) {
      if (receiver === "" || receiver === name) chips.get(method)?.setAttribute("aria-pressed", "true");
    }
  }
}
