// JSON as it came, indented: each token as it stood on the wire, so that no digit is lost and nothing is put in order.

const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/gs;
const DEEPEST = 200;

/** At most about `most` characters; JSON that is cut off is indented up to there. */
export function indentJson(json, most) {
  let text = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  let opened = false; // what is empty stays on its line
  for (const [token] of json.matchAll(TOKEN)) {
    if (text.length > most) return `${text.slice(0, most)}\n… cut here, after ${most} characters`;
    if (token === "{" || token === "[") {
      if (opened) text += line();
      text += token;
      depth++;
      opened = true;
      continue;
    }
    if (token === "}" || token === "]") {
      depth = Math.max(0, depth - 1);
      text += opened ? token : line() + token;
    } else {
      text += (opened ? line() : "") + token;
      if (token === ":") text += " ";
      if (token === ",") text += line();
    }
    opened = false;
  }
  return text.length > most ? `${text.slice(0, most)}\n… cut here, after ${most} characters` : text;
}
