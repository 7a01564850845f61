import type { BitArray } from "../../proto/types.ts";

/** A fixed number of bits that only ever get set; converts to the wire's BitArray. */
export class BitSet {
  readonly size: number;
  readonly #words: Uint32Array;
  #count = 0;
  #cached: BitArray | undefined;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  /** Number of bits set. */
  get count(): number {
    return this.#count;
  }

  has(index: number): boolean {
    return (((this.#words[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
  }

  /** Sets a bit below `size`; true when it was not set before. */
  set(index: number): boolean {
    if (this.has(index)) return false;
    const word = index >>> 5;
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (index & 31));
    this.#count += 1;
    this.#cached = undefined;
    return true;
  }

  /** The bits as of now; the same object until another bit is set. */
  toBitArray(): BitArray {
    this.#cached ??= { bits: this.size, elems: this.#elems() };
    return this.#cached;
  }

  #elems(): bigint[] {
    const elems: bigint[] = [];
    for (let word = 0; word < this.#words.length; word += 2) {
      const low = BigInt(this.#words[word] ?? 0);
      const high = BigInt(this.#words[word + 1] ?? 0);
      elems.push((high << 32n) | low);
    }
    return elems;
  }
}

/** All bits zero. */
export function zeroBits(bits: number): BitArray {
  return { bits, elems: Array.from({ length: Math.ceil(bits / 64) }, () => 0n) };
}
