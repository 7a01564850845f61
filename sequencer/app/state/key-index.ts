import type { KeyRange } from "./records.ts";

/** Changes above which an index is merged anew: to move its end for each would take longer. */
const SPLICES_MAX = 64;
/** Above every character of a key, which is ASCII. */
const KEYS_END = "\u{7f}";

/**
 * Keys of one table in order. Lookups take time for what they find; a change for what changes, and for
 * moving the rest of an array in memory.
 */
export class KeyIndex {
  #keys: readonly string[];

  /** `keys`: ascending, unique. */
  constructor(keys: readonly string[] = []) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#keys.length;
  }

  has(key: string): boolean {
    return this.#keys[this.#firstFrom(key)] === key;
  }

  /** The keys that begin with `within`, ascending. */
  range(
    within: string,
    { after = "", max = Number.POSITIVE_INFINITY }: KeyRange,
  ): readonly string[] {
    let from = this.#firstFrom(after > within ? after : within);
    if (this.#keys[from] === after) from++;
    const end = within === "" ? this.#keys.length : this.#firstFrom(within + KEYS_END);
    return this.#keys.slice(from, Math.max(from, Math.min(end, from + max)));
  }

  /** Takes keys in (true) and out (false); those that are so already stay so. */
  update(changes: ReadonlyMap<string, boolean>): void {
    const real = [...changes].filter(([key, isThere]) => this.has(key) !== isThere);
    if (real.length === 0) return;
    // A list that was given out does not change.
    const keys = [...this.#keys];
    if (real.length <= SPLICES_MAX) {
      for (const [key, isThere] of real) {
        const at = firstFrom(keys, key);
        if (isThere) keys.splice(at, 0, key);
        else keys.splice(at, 1);
      }
      this.#keys = keys;
      return;
    }
    real.sort(([a], [b]) => (a < b ? -1 : 1));
    const merged: string[] = [];
    let at = 0;
    for (const [key, isThere] of real) {
      for (let kept = keys[at]; kept !== undefined && kept < key; kept = keys[++at]) {
        merged.push(kept);
      }
      if (isThere) merged.push(key);
      else at++;
    }
    for (; at < keys.length; at++) merged.push(keys[at] ?? "");
    this.#keys = merged;
  }

  #firstFrom(key: string): number {
    return firstFrom(this.#keys, key);
  }
}

/** Index of the first key that is not below `key`. */
function firstFrom(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
