// A list that outlives the page: in this browser's localStorage, shared by its tabs. What is read from there is checked like anything
// that comes from elsewhere; where nothing can be kept the list lives as long as the page, and says so.

export class Kept {
  list = [];
  /** Why it is not kept; null where it is. */
  fault = null;
  #key;
  #most;
  #read;
  #onchange;

  /**
   * @param {string} key of localStorage
   * @param {number} most entries; older ones go
   * @param {(value: unknown) => object|null} read an entry out of what was stored; null where it is none
   * @param {() => void} onchange
   */
  constructor(key, most, read, onchange) {
    this.#key = key;
    this.#most = most;
    this.#read = read;
    this.#onchange = onchange;
    this.#load();
    addEventListener("storage", (event) => {
      if (event.key !== key && event.key !== null) return;
      this.#load();
      onchange();
    });
  }

  #load() {
    try {
      const stored = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      this.list = (Array.isArray(stored) ? stored : []).slice(0, this.#most).map(this.#read).filter(Boolean);
      this.fault = null;
    } catch (error) {
      this.fault = error.message;
    }
  }

  /** The list is `next` from now on, newest first. */
  replace(next) {
    this.list = next.slice(0, this.#most);
    try {
      if (this.list.length > 0) localStorage.setItem(this.#key, JSON.stringify(this.list));
      else localStorage.removeItem(this.#key);
      this.fault = null;
    } catch (error) {
      this.fault = error.message;
    }
    this.#onchange();
  }

  add(entry) {
    this.replace([entry, ...this.list]);
  }

  remove(entry) {
    this.replace(this.list.filter((other) => other !== entry));
  }
}
