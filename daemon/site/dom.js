// The few lines that every part of the page makes its elements with. What members say becomes text nodes alone, never markup.

export const $ = (id) => document.getElementById(id);

/** An element with these properties and children; strings among the children become text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A button that does `run`. */
export function button(text, className, run) {
  const made = element("button", { type: "button", textContent: text, className });
  made.addEventListener("click", run);
  return made;
}

/** When something was, for people; the whole of it for machines. */
export function timeOf(ms) {
  const date = new Date(ms);
  return element("time", { dateTime: date.toISOString(), textContent: date.toLocaleTimeString([], { hour12: false }) });
}

/** `run`, once before the next picture however often it is asked for; a page that nobody sees waits until somebody does. */
export function everyFrame(run) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      run();
    });
  };
}

/** Says to those who listen to the page what others see. */
export function announce(text) {
  $("announced").textContent = text;
}
