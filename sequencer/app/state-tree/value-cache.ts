/** Bytes that an entry costs beside its key and value. */
const ENTRY_OVERHEAD_BYTES = 100;

/** A stored null: the key is known to have no value. */
type Cached = Uint8Array | null;

/**
 * Values by key, absence included, bounded by bytes. Two generations: what is used moves to the young
 * one; when that holds half of the bound it becomes the old one, and the old one is forgotten. A hit
 * costs one look-up and moves nothing.
 */
export class ValueCache {
  readonly #generationBytesMax: number;
  #young = new Map<string, Cached>();
  #old = new Map<string, Cached>();
  #youngBytes = 0;

  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2;
  }

  getOrLoad(key: string, load: (key: string) => Uint8Array | undefined): Uint8Array | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young ?? undefined;
    const old = this.#old.get(key);
    const value = old === undefined ? load(key) : (old ?? undefined);
    this.set(key, value);
    return value;
  }

  set(key: string, value: Uint8Array | undefined): void {
    const replaced = this.#young.get(key);
    if (replaced !== undefined) this.#youngBytes -= cost(key, replaced);
    const cached = value ?? null;
    this.#young.set(key, cached);
    this.#youngBytes += cost(key, cached);
    if (this.#youngBytes <= this.#generationBytesMax) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

function cost(key: string, value: Cached): number {
  return key.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
}
