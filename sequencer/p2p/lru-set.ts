/** A set of strings that forgets those added longest ago beyond its size: an eighth of them at once. */
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
    if (this.#keys.size > this.#max) this.#forgetSome();
    return isNew;
  }

  delete(key: string): void {
    this.#keys.delete(key);
  }

  /** One walk drops an eighth: an iterator steps over everything that was deleted before its start. */
  #forgetSome(): void {
    let surplus = this.#keys.size - this.#max + (this.#max >> 3);
    for (const oldest of this.#keys) {
      if (surplus-- <= 0) break;
      this.#keys.delete(oldest);
    }
  }
}
