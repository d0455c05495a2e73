// A call as it stands in the form: what one types, saves, and finds again. A draft becomes a call when its fields can be read.
import { readArguments, readKeywords } from "./values.js";

export const SERDES = ["json", "msgpack", "raw"];
export const STYLES = ["rpc", "cast", "rpc_nowait"];
export const KEPT_TEXT = 8192; // characters of a field that is kept
const LONGEST = { functionName: 255, receiver: 255, args: KEPT_TEXT, kwargs: KEPT_TEXT, timeout: 20 };

/**
 * @typedef {{style: string, serde: string, functionName: string, receiver: string, args: string, kwargs: string, timeout: string}} Draft
 */

/**
 * Takes a draft out of something that may be anything: a file, or what an older page stored.
 * @returns {Draft|null}
 */
export function readDraft(value) {
  if (value === null || typeof value !== "object" || !SERDES.includes(value.serde) || !STYLES.includes(value.style)) return null;
  const draft = { style: value.style, serde: value.serde };
  for (const [field, longest] of Object.entries(LONGEST)) {
    const text = value[field] ?? "";
    if (typeof text !== "string" || text.length > longest) return null;
    draft[field] = text;
  }
  return draft.functionName === "" ? null : draft;
}

/** Why a draft is not kept whole; null where it is. */
export function whyNotKept(draft) {
  if (draft.functionName.trim() === "") return "it names no function";
  const long = Object.keys(LONGEST).find((field) => draft[field].length > LONGEST[field]);
  return long ? `its ${long === "args" ? "arguments have" : `${long} has`} more than ${LONGEST[long]} characters` : null;
}

/**
 * The call that a draft asks for.
 * @param {Draft} draft
 * @throws {Error} a sentence when a field can't be read
 */
export function readCall({ style, serde, functionName, receiver, args, kwargs, timeout }) {
  const options = { serde, timeout: timeout === "" ? null : Number(timeout) };
  if (receiver) options.receiver = receiver;
  return { style, functionName: functionName.trim(), options, args: readArguments(args, serde), keywords: serde === "raw" ? null : readKeywords(kwargs) };
}

/** On one line, as one would write it. */
export function titleOf({ style, serde, functionName, receiver, args, kwargs }) {
  const named = serde !== "raw" && kwargs.trim() ? kwargs.trim() : "";
  const given = [serde === "raw" ? JSON.stringify(args) : args.trim(), named].filter(Boolean).join(", ");
  return `${style}(${receiver}).${functionName.trim()}(${given})`;
}
