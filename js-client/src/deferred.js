// A promise and what settles it.

/** Gives `object` a promise, and the resolve() and reject() that settle it. */
export function makeDeferred(object = {}) {
  object.promise = new Promise((resolve, reject) => {
    object.resolve = resolve;
    object.reject = reject;
  });
  return object;
}
