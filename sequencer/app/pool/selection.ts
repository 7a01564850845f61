import type { PoolAccount, PoolEntry } from "./pool-account.ts";
import { PriceHeap, paysBetter, type Priced } from "./price-heap.ts";

interface Candidate extends Priced {
  readonly entry: PoolEntry;
  readonly account: PoolAccount;
  /** Position in the account's nonces; -1 for an unordered transaction. */
  readonly position: number;
}

/** Price of a transaction at a base fee; negative when it cannot pay the base fee. */
export type PriceOf = (entry: PoolEntry) => number;

/**
 * Draws transactions for one proposal, best price first; within an account in order of
 * nonces. CheckTx may add to the pool meanwhile: what was drawn stays drawn, and whoever executes
 * it has the last word.
 */
export class Selection {
  readonly #heap = new PriceHeap<Candidate>(paysBetter);
  readonly #priceOf: PriceOf;
  #drawn: Candidate | undefined;

  constructor(
    accounts: Iterable<readonly [account: PoolAccount, nextNonce: bigint]>,
    priceOf: PriceOf,
  ) {
    this.#priceOf = priceOf;
    const candidates: Candidate[] = [];
    for (const [account, nextNonce] of accounts) {
      const head = account.ordered[0];
      if (head !== undefined && head.nonce === nextNonce) {
        const candidate = this.#candidate(account, head, 0);
        if (candidate !== undefined) candidates.push(candidate);
      }
      for (const entry of account.unordered) {
        const candidate = this.#candidate(account, entry, -1);
        if (candidate !== undefined) candidates.push(candidate);
      }
    }
    this.#heap.build(candidates);
  }

  /** The next best one; follow with `take` if it goes into the block. */
  next(): PoolEntry | undefined {
    this.#drawn = this.#heap.pop();
    return this.#drawn?.entry;
  }

  /** The last one drawn is in the block: the account's next nonce may follow. */
  take(): void {
    const drawn = this.#drawn;
    if (drawn === undefined || drawn.position < 0 || drawn.entry.nonce === undefined) return;
    const position = drawn.position + 1;
    const following = drawn.account.ordered[position];
    if (following?.nonce !== drawn.entry.nonce + 1n) return;
    const candidate = this.#candidate(drawn.account, following, position);
    if (candidate !== undefined) this.#heap.push(candidate);
  }

  #candidate(account: PoolAccount, entry: PoolEntry, position: number): Candidate | undefined {
    const price = this.#priceOf(entry);
    if (price < 0) return undefined;
    return { price, arrival: entry.arrival, entry, account, position };
  }
}
