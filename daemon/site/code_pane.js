// The code of the call in the form, as it changes, in the language chosen.
import { writeJavaScript, writePython } from "./code.js";
import { $, announce } from "./dom.js";
import { readCall } from "./draft.js";

const HINT = "Choose a function, and the code that calls it appears here, in JavaScript and in Python.";

/**
 * @param {() => import("./draft.js").Draft} draftNow
 * @param {() => string} urlNow where the page is connected
 * @returns {() => void} shows the code of what is in the form now
 */
export function startCodePane(draftNow, urlNow) {
  function show() {
    let code = "";
    let hint = HINT;
    try {
      const call = { url: urlNow(), ...readCall(draftNow()) };
      const python = document.querySelector("input[name=language]:checked").value === "python";
      if (call.functionName !== "") code = python ? writePython(call) : writeJavaScript(call, new URL("/daffi.mjs", location.href).href);
    } catch (error) {
      hint = error.message;
    }
    $("code-shown").hidden = code === "";
    $("code-empty").hidden = code !== "";
    $("code-empty").textContent = hint;
    if ($("code").textContent === code) return;
    $("code").textContent = code;
    $("copy").textContent = "Copy";
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText($("code").textContent);
      $("copy").textContent = "Copied";
      announce("the code is copied");
    } catch { // not allowed here: it is marked, and a key away
      getSelection().selectAllChildren($("code"));
      $("copy").textContent = "Marked";
      announce("the code is marked: copy it with Control C");
    }
  }

  for (const radio of document.querySelectorAll("input[name=language]")) radio.addEventListener("change", show);
  $("copy").addEventListener("click", copy);
  show();
  return show;
}
