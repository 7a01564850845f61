import type { Lane } from "../../../mev/lanes.ts";
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
 * Draws transactions for one proposal, lane by lane in the order of the block, best price first; within an
 * account in order of nonces. What stands behind a nonce of a later lane waits for the next block. CheckTx
 * may add to the pool meanwhile: what was drawn stays drawn, and whoever executes it has the last word.
 */
export class Selection {
  readonly #lanes = new Map<Lane, PriceHeap<Candidate>>();
  readonly #priceOf: PriceOf;
  #drawn: Candidate | undefined;

  constructor(
    accounts: Iterable<readonly [account: PoolAccount, nextNonce: bigint]>,
    priceOf: PriceOf,
  ) {
    this.#priceOf = priceOf;
    const candidates = new Map<Lane, Candidate[]>();
    const add = (account: PoolAccount, entry: PoolEntry, position: number): void => {
      const candidate = this.#candidate(account, entry, position);
      if (candidate === undefined) return;
      const { lane } = entry.tx.laneUse;
      const list = candidates.get(lane);
      if (list === undefined) candidates.set(lane, [candidate]);
      else list.push(candidate);
    };
    for (const [account, nextNonce] of accounts) {
      const head = account.ordered[0];
      if (head !== undefined && head.nonce === nextNonce) add(account, head, 0);
      for (const entry of account.unordered) add(account, entry, -1);
    }
    for (const [lane, list] of candidates) this.#heapOf(lane).build(list);
  }

  /** The next best one of a lane; follow with `take` if it goes into the block. */
  next(lane: Lane): PoolEntry | undefined {
    this.#drawn = this.#lanes.get(lane)?.pop();
    return this.#drawn?.entry;
  }

  /** The last one drawn is in the block: the account's next nonce may follow, in this lane or a later one. */
  take(): void {
    const drawn = this.#drawn;
    if (drawn === undefined || drawn.position < 0 || drawn.entry.nonce === undefined) return;
    const position = drawn.position + 1;
    const following = drawn.account.ordered[position];
    if (following?.nonce !== drawn.entry.nonce + 1n) return;
    const candidate = this.#candidate(drawn.account, following, position);
    if (candidate !== undefined) this.#heapOf(following.tx.laneUse.lane).push(candidate);
  }

  #heapOf(lane: Lane): PriceHeap<Candidate> {
    let heap = this.#lanes.get(lane);
    if (heap === undefined) this.#lanes.set(lane, (heap = new PriceHeap(paysBetter)));
    return heap;
  }

  #candidate(account: PoolAccount, entry: PoolEntry, position: number): Candidate | undefined {
    const price = this.#priceOf(entry);
    if (price < 0) return undefined;
    return { price, arrival: entry.arrival, entry, account, position };
  }
}
