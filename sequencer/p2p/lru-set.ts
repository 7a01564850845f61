/** A set of strings that forgets the least recently added beyond its size. */
export class LruSet {
  readonly #max: number;
  readonly #keys = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Adds or refreshes. Returns false when it was there. */
  add(key: string): boolean {
    const isNew = !this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size > this.#max) {
      for (const oldest of this.#keys) {
        this.#keys.delete(oldest);
        break;
      }
    }
    return isNew;
  }

  delete(key: string): void {
    this.#keys.delete(key);
  }
}
