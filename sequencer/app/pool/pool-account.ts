import type { DecodedTx } from "../execution/decoded-tx.ts";

/** A transaction in the pool. */
export interface PoolEntry {
  readonly tx: DecodedTx;
  /** Nonce; undefined for an unordered transaction. */
  readonly nonce: bigint | undefined;
  /** nweft that it may take from its account at most: size * max fee + value. */
  readonly cost: bigint;
  /** A duty of a validator, for which it pays nothing. */
  readonly isFree: boolean;
  /** The state held something for its fee when it came. */
  readonly hasHold: boolean;
  /** Order of arrival. */
  readonly arrival: number;
  /** Height of the last committed block when it came. */
  readonly addedHeight: number;
  /** When it came, of a monotonic clock, ms. */
  readonly addedMs: number;
}

/** Pending transactions of one account. */
export class PoolAccount {
  /** Ascending by nonce, each nonce once. */
  readonly ordered: PoolEntry[] = [];
  readonly unordered = new Set<PoolEntry>();
  /** Those for whose fee something was held. */
  readonly holding = new Set<PoolEntry>();
  /** Sum of the costs. */
  cost = 0n;
  /** How many are free. */
  freeCount = 0;

  get size(): number {
    return this.ordered.length + this.unordered.size;
  }

  withNonce(nonce: bigint): PoolEntry | undefined {
    const entry = this.ordered[this.positionOf(nonce)];
    return entry?.nonce === nonce ? entry : undefined;
  }

  add(entry: PoolEntry): void {
    this.cost += entry.cost;
    if (entry.isFree) this.freeCount++;
    if (entry.hasHold) this.holding.add(entry);
    if (entry.nonce === undefined) this.unordered.add(entry);
    else this.ordered.splice(this.positionOf(entry.nonce), 0, entry);
  }

  remove(entry: PoolEntry): void {
    this.cost -= entry.cost;
    if (entry.isFree) this.freeCount--;
    this.holding.delete(entry);
    if (entry.nonce === undefined) this.unordered.delete(entry);
    else this.ordered.splice(this.positionOf(entry.nonce), 1);
  }

  /** How many of `ordered` follow one another without a gap from `nextNonce` on. */
  readyCount(nextNonce: bigint): number {
    // Nonces ascend without repeats, so all before the first gap have nonce = nextNonce + index.
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ordered[middle]?.nonce === nextNonce + BigInt(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where a nonce stands in `ordered`, or would. */
  positionOf(nonce: bigint): number {
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.ordered[middle]?.nonce;
      if (at !== undefined && at < nonce) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
