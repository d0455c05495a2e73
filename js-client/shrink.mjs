// Makes a script smaller without changing what it does: no comments, no idle white space, short names for what only the script
// itself can see (module-level names, locals, #private members). Property names stay, so nothing that reaches the outside changes.
//
// It reads tokens, not a syntax tree, and relies on a few habits of src/ (a break of them shows at once in the tests, which all
// run on the result): no labels, no `with`, no `eval`; an object literal never follows `=>`, `)` or `case x:` directly; globals that
// begin with a small letter are listed below; each top-level statement ends before the next begins in column one.
const KEYWORDS = new Set(("async await break case catch class const continue default delete do else extends false finally for function get if in " +
  "instanceof let new null of return set static super switch this throw true try typeof undefined var void while yield").split(" "));
const GLOBALS = new Set("atob crypto console fetch setTimeout clearTimeout queueMicrotask globalThis require module import".split(" "));
const TOKEN = /\s+|\/\/[^\n]*|\/\*[^]*?\*\/|#?[\w$]+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|=>|\?\.(?!\d)|\?\?=?|\.\.\.|[-+*%&|^<>=!]+|[^]/gy;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\]|\\.)*\])+\/\w*/y;

/** Whether a `/` or `{` behind this token begins a value rather than goes on after one. */
const beforeValue = (token) => token === undefined || /^(?:[([,=:?&|!;{}<>+*~^%-]|return|typeof|case|in|of|const|let|await|yield|throw)/.test(token) || token === "...";

/** The tokens of `text`; a template is a nested list: texts and lists of tokens in turn. */
function tokenize(text) {
  const tokens = [];
  let at = 0;
  const readUntil = (list, end) => {
    let depth = 0;
    while (at < text.length) {
      if (text[at] === "`") {
        list.push(readTemplate());
        continue;
      }
      const last = list.at(-1);
      REGEX.lastIndex = TOKEN.lastIndex = at;
      const found = (text[at] === "/" && !/[/*]/.test(text[at + 1]) && beforeValue(last) && REGEX.exec(text)) || TOKEN.exec(text);
      const [token] = found;
      if (end && token === "}" && depth-- === 0) return;
      if (token === "{") depth++;
      at += token.length;
      if (/^\s/.test(token)) {
        if (token.includes("\n")) list.newline = true;
      } else if (!/^\/[/*]/.test(token)) {
        list.push(token);
      }
    }
  };
  const readTemplate = () => {
    const parts = [];
    let start = ++at;
    for (; text[at] !== "`"; at++) {
      if (text[at] === "\\") at++;
      if (!text.startsWith("${", at)) continue;
      parts.push(text.slice(start, at));
      at += 2;
      const inner = [];
      readUntil(inner, true);
      parts.push(inner);
      start = at + 1;
    }
    parts.push(text.slice(start, at++));
    return parts;
  };
  readUntil(tokens, false);
  return tokens;
}

/** a, b, … z, aa, … without keywords. */
function shortNames(first) {
  let count = 0;
  return () => {
    for (;;) {
      let name = "";
      for (let rest = count++; rest >= 0; rest = Math.floor(rest / 26) - 1) name = String.fromCharCode(97 + rest % 26) + name;
      if (first) name = name[0].toUpperCase() + name.slice(1);
      if (!KEYWORDS.has(name) && !GLOBALS.has(name)) return name;
    }
  };
}

function namesFor(next) {
  const names = new Map();
  return (name) => names.get(name) ?? (names.set(name, next()), names.get(name));
}

/** What each name becomes, walked once through all tokens. `keep` are module-level names that stay. */
class Renamer {
  #module; // module-level names
  #keep;
  #moduleName = namesFor(shortNames(true));
  #local = null; // of this top-level statement, or of this class member
  #private = null; // of this class
  #stack = []; // what each open bracket is: "(", "[", block, object, class
  #previous = undefined;
  #before = undefined; // the token in front of that

  constructor(moduleNames, keep) {
    this.#module = new Set(moduleNames);
    this.#keep = new Set(keep);
  }

  walk(tokens) {
    const out = [];
    tokens.forEach((token, index) => {
      if (Array.isArray(token)) {
        const depth = this.#stack.length;
        out.push(token.map((part) => (Array.isArray(part) ? this.#inside(part) : part)));
        this.#stack.length = depth;
        this.#step("\"");
      } else {
        out.push(...this.#take(token, tokens[index + 1]));
      }
    });
    return out;
  }

  #inside(tokens) {
    this.#stack.push("(");
    this.#step("(");
    return this.walk(tokens);
  }

  #step(token) {
    this.#before = this.#previous;
    this.#previous = token;
  }

  #take(token, next) {
    const top = this.#stack.at(-1);
    if (top === undefined && this.#previous !== undefined && /^[;}]$/.test(this.#previous)) this.#local = null;
    const atMember = top === "class" && (/^[{;}]$/.test(this.#previous) || /^(?:static|get|set|async|\*)$/.test(this.#previous));
    if (atMember && /^[{;}]$/.test(this.#previous)) this.#local = null;
    this.#local ??= namesFor(shortNames(false));
    let result = [token];
    if (/^#/.test(token)) result = [`#${this.#private(token)}`];
    else if (/^[A-Za-z_$]/.test(token)) result = this.#name(token, next, top, atMember);
    if (token === "{") this.#open();
    else if (token === "(" || token === "[") this.#stack.push(token);
    else if (/^[)\]}]$/.test(token)) this.#stack.pop();
    this.#step(token);
    return result;
  }

  #open() {
    const classHead = this.#classHead;
    this.#classHead = false;
    if (classHead) this.#private = namesFor(shortNames(false));
    this.#stack.push(classHead ? "class" : beforeValue(this.#previous) && !/^(?:=>|[;{}])$/.test(this.#previous) ? "object" : "block");
  }

  #classHead = false;

  #name(token, next, top, atMember) {
    if (token === "class" && this.#previous !== ".") this.#classHead = true;
    if (this.#previous === "." || this.#previous === "?." || atMember) return [token];
    const atKey = top === "object" && (/^[{,]$/.test(this.#previous) || /^(?:get|set|async|\*)$/.test(this.#previous));
    if (atKey && (next === ":" || next === "(")) return [token];
    const short = this.#variable(token);
    return atKey && short !== token && /^[,}=]$/.test(next) ? [token, ":", short] : [short];
  }

  #variable(token) {
    if (KEYWORDS.has(token) || GLOBALS.has(token) || this.#keep.has(token)) return token;
    if (this.#module.has(token)) return this.#moduleName(token);
    return /^[a-z]/.test(token) ? this.#local(token) : token;
  }
}

/** One text of tokens: a space where two would grow together, nowhere else. */
function join(tokens) {
  let text = "";
  for (const token of tokens) {
    const piece = Array.isArray(token) ? `\`${token.map((part) => (Array.isArray(part) ? `\${${join(part)}}` : part)).join("")}\`` : token;
    const touch = /[\w$#]$/.test(text) && /^[\w$#]/.test(piece);
    const grow = /[-+/]$/.test(text) && text.at(-1) === piece[0];
    text += touch || grow ? ` ${piece}` : piece;
  }
  return text.replace(/;}/g, "}");
}

/** `text` smaller. `moduleNames` are declared at its top; those in `keep` stay as they are. */
export function shrink(text, moduleNames, keep) {
  return join(new Renamer(moduleNames, keep).walk(tokenize(text)));
}
