// A long list as one stop of the Tab key: arrows move within it, so that nobody has to press Tab a thousand times to get past.

/**
 * Up and down move between rows, left and right within one, Home and End to the first and last row.
 * @param {HTMLElement} list whose children are the rows
 * @param {string} items selector of what may have the focus
 * @returns {() => void} to be called when rows have come or gone
 */
export function startRoving(list, items) {
  let stop = null;

  function settle(item) {
    if (stop && stop !== item) stop.tabIndex = -1;
    stop = item;
    if (stop) stop.tabIndex = 0;
  }

  const itemsOf = (row) => (row ? [...row.querySelectorAll(items)].filter((item) => !item.disabled) : []);

  /** The nearest row in that direction which has items. */
  function beside(row, step) {
    for (let next = row[step]; next; next = next[step]) if (itemsOf(next).length > 0) return next;
    return null;
  }

  list.addEventListener("focusin", ({ target }) => { if (target.matches(items)) settle(target); });
  list.addEventListener("keydown", (event) => {
    const item = event.target.closest(items);
    if (!item || event.target !== item || event.ctrlKey || event.altKey || event.metaKey) return;
    let row = item;
    while (row.parentElement !== list) row = row.parentElement;
    const here = itemsOf(row);
    const at = here.indexOf(item);
    const inRow = (other) => { const there = itemsOf(other); return there[Math.min(at, there.length - 1)]; };
    const next = {
      ArrowRight: () => here[at + 1] ?? itemsOf(beside(row, "nextElementSibling"))[0],
      ArrowLeft: () => here[at - 1] ?? itemsOf(beside(row, "previousElementSibling")).at(-1),
      ArrowDown: () => inRow(beside(row, "nextElementSibling")),
      ArrowUp: () => inRow(beside(row, "previousElementSibling")),
      Home: () => list.querySelector(`${items}:not(:disabled)`),
      End: () => [...list.querySelectorAll(`${items}:not(:disabled)`)].at(-1),
    }[event.key]?.();
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  return () => {
    if (!stop?.isConnected || stop.disabled || !list.contains(stop)) settle(list.querySelector(`${items}:not(:disabled)`));
  };
}
