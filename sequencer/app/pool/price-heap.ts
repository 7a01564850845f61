/** What the pool drops by: price, then order of arrival. */
export interface Priced {
  /** nweft per byte beyond the base fee; a number, since no rule depends on it. */
  readonly price: number;
  readonly arrival: number;
}

/** A binary heap with the best element, by `isBetter`, on top. */
export class PriceHeap<T> {
  readonly #isBetter: (a: T, b: T) => boolean;
  #elements: T[] = [];

  constructor(isBetter: (a: T, b: T) => boolean) {
    this.#isBetter = isBetter;
  }

  /** Replaces everything; linear in the number of elements. Takes the array over. */
  build(elements: T[]): void {
    this.#elements = elements;
    for (let at = (elements.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  push(element: T): void {
    const elements = this.#elements;
    let at = elements.length;
    elements.push(element);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = elements[above];
      if (parent === undefined || !this.#isBetter(element, parent)) break;
      elements[at] = parent;
      at = above;
    }
    elements[at] = element;
  }

  pop(): T | undefined {
    const elements = this.#elements;
    const top = elements[0];
    const last = elements.pop();
    if (last !== undefined && elements.length > 0) {
      elements[0] = last;
      this.#sink(0);
    }
    return top;
  }

  #sink(start: number): void {
    const elements = this.#elements;
    const element = elements[start];
    if (element === undefined) return;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      const left = elements[child];
      if (left === undefined) break;
      const right = elements[child + 1];
      let best = left;
      if (right !== undefined && this.#isBetter(right, left)) {
        best = right;
        child++;
      }
      if (!this.#isBetter(best, element)) break;
      elements[at] = best;
      at = child;
    }
    elements[at] = element;
  }
}

/** What is dropped first: who pays less, and among equals the later one. */
export function paysWorse(a: Priced, b: Priced): boolean {
  return a.price < b.price || (a.price === b.price && a.arrival > b.arrival);
}
