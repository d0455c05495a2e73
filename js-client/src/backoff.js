// How long to wait before the next try.
const DELAY_MAX = 60000;

/** `failures` so far, 0 for the first try: the base, doubled each time up to 60 s, times 0.8 to 1. */
export function backoffDelay(base, failures, random = Math.random()) {
  return Math.min(base * 2 ** failures, DELAY_MAX) * (0.8 + 0.2 * random);
}
