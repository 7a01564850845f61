/** Bits that can be set and cleared: what a peer is known to have. */
import type { BitArray } from "../../proto/types.ts";

export class Bits {
  readonly size: number;
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  static from(array: BitArray): Bits {
    const bits = new Bits(array.bits);
    array.elems.forEach((elem, i) => {
      bits.#words[2 * i] = Number(elem & 0xffff_ffffn);
      if (2 * i + 1 < bits.#words.length) bits.#words[2 * i + 1] = Number(elem >> 32n);
    });
    return bits;
  }

  toArray(): BitArray {
    const elems: bigint[] = [];
    for (let i = 0; i < this.size; i += 64) {
      const [low = 0, high = 0] = this.#words.subarray(i / 32, i / 32 + 2);
      elems.push((BigInt(high) << 32n) | BigInt(low));
    }
    return { bits: this.size, elems };
  }

  has(index: number): boolean {
    return (((this.#words[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
  }

  /** False beyond `size` too: what a peer cannot hold is not missing. */
  isMissing(index: number): boolean {
    return index < this.size && !this.has(index);
  }

  clear(index: number): void {
    if (index < 0 || index >= this.size) return;
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) & ~(1 << (index & 31));
  }

  /** Ignored beyond `size`. */
  set(index: number): void {
    if (index < 0 || index >= this.size) return;
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) | (1 << (index & 31));
  }

  /** Becomes the first `size` bits of `other`. */
  assign(other: Bits): void {
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = other.#words[i] ?? 0;
  }

  /** Gains the bits of `other`, up to its own size. */
  add(other: Bits): void {
    for (let i = 0; i < this.#words.length; i++) {
      this.#words[i] = (this.#words[i] ?? 0) | (other.#words[i] ?? 0);
    }
  }

  /** How many are missing. */
  missingCount(): number {
    let count = 0;
    for (let index = 0; index < this.size; index++) if (!this.has(index)) count += 1;
    return count;
  }

  /** Becomes (this without `ours`) or `theirs`: what VoteSetBits says of one block id (spec §17.2). */
  reconcile(ours: Bits, theirs: Bits): void {
    for (let i = 0; i < this.#words.length; i++) {
      this.#words[i] = ((this.#words[i] ?? 0) & ~(ours.#words[i] ?? 0)) | (theirs.#words[i] ?? 0);
    }
  }
}
