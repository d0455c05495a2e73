// rpc(options).anything(…): an object of which every property is a remote function.
const LOCAL = new Set(["then", "toJSON", "toString", "valueOf"]);

/** `call(method, args)` is what each property does. Safe to await, to log and to pass through Promise.resolve. */
export function makeMethods(style, call) {
  const target = Object.freeze({ __proto__: null, [Symbol.toStringTag]: `Daffi ${style}` });
  const shown = () => `[object Daffi ${style}]`;
  return new Proxy(target, {
    get(_, method) {
      if (typeof method === "symbol") return target[method];
      if (LOCAL.has(method)) return method === "toString" ? shown : undefined;
      return (...args) => call(method, args);
    },
  });
}
