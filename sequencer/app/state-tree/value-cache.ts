/** Bytes that an entry costs beside its key and value. */
const ENTRY_OVERHEAD_BYTES = 100;

/**
 * Values by key, least recently used out first, bounded by bytes. Absence is cached too: `undefined`
 * is a value here.
 */
export class ValueCache {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Uint8Array | undefined>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  getOrLoad(key: string, load: () => Uint8Array | undefined): Uint8Array | undefined {
    const cached = this.#entries.get(key);
    if (cached !== undefined || this.#entries.has(key)) {
      this.#entries.delete(key);
      this.#entries.set(key, cached);
      return cached;
    }
    const value = load();
    this.set(key, value);
    return value;
  }

  set(key: string, value: Uint8Array | undefined): void {
    if (this.#entries.has(key)) {
      this.#bytes -= cost(key, this.#entries.get(key));
      this.#entries.delete(key);
    }
    this.#entries.set(key, value);
    this.#bytes += cost(key, value);
    if (this.#bytes <= this.#bytesMax) return;
    // One walk drops an eighth: a map's iterator steps over everything deleted before its start.
    const target = this.#bytesMax - (this.#bytesMax >> 3);
    for (const [oldest, dropped] of this.#entries) {
      if (this.#bytes <= target) break;
      this.#entries.delete(oldest);
      this.#bytes -= cost(oldest, dropped);
    }
  }
}

function cost(key: string, value: Uint8Array | undefined): number {
  return key.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
}
