import { type Lane, LANES } from "../../../mev/lanes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { PoolAccount, PoolEntry } from "./pool-account.ts";
import { PriceHeap } from "./price-heap.ts";

interface Candidate {
  /** nweft per byte beyond the base fee: rounded, and exact. */
  readonly price: number;
  readonly tip: bigint;
  readonly entry: PoolEntry;
  readonly account: PoolAccount;
  /** Position in the account's nonces; -1 for an unordered transaction. */
  readonly position: number;
}

export interface SelectionSource {
  /** Accounts with something pending, each with its next nonce. */
  readonly accounts: Iterable<readonly [account: PoolAccount, nextNonce: bigint]>;
  /** By address. */
  readonly accountOf: (address: string) => PoolAccount | undefined;
  /** nweft per byte beyond the base fee; negative: it cannot pay that. Of one that is free nobody asks. */
  readonly tipOf: (entry: PoolEntry) => bigint;
}

/** Price of what is free: drawn first. */
const FREE_PRICE = Number.POSITIVE_INFINITY;
/** Integers up to here are exact as a number, and equal only if they are. */
const EXACT_PRICE_MAX = Number.MAX_SAFE_INTEGER;

/**
 * Draws transactions for one proposal, lane by lane in the order of the block: who pays most for a byte
 * first, among equals the smaller id (P10; when it came decides nothing); within an account in order of
 * nonces. What stands behind a nonce of a later lane waits for the next block. CheckTx may add to the pool
 * meanwhile: what was drawn stays drawn, and whoever executes it has the last word.
 */
export class Selection {
  readonly #lanes = new Map<Lane, PriceHeap<Candidate>>();
  readonly #source: SelectionSource;
  #drawn: Candidate | undefined;

  constructor(source: SelectionSource) {
    this.#source = source;
    const candidates = new Map<Lane, Candidate[]>();
    const add = (account: PoolAccount, entry: PoolEntry, position: number): void => {
      const candidate = this.#candidate(account, entry, position);
      if (candidate === undefined) return;
      const { lane } = entry.tx;
      const list = candidates.get(lane);
      if (list === undefined) candidates.set(lane, [candidate]);
      else list.push(candidate);
    };
    for (const [account, nextNonce] of source.accounts) {
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
    this.#follow(drawn.account, drawn.position, drawn.entry.nonce);
  }

  /**
   * A transaction is in the block that was not drawn: the account's next nonce may follow. It may be drawn
   * yet, and is then not valid any more.
   */
  placed({ sender, tx }: DecodedTx): void {
    const account = this.#source.accountOf(sender);
    const { replay } = tx.body;
    if (account === undefined || replay.kind !== "nonce") return;
    this.#follow(account, account.positionOf(replay.value + 1n) - 1, replay.value);
  }

  /** Makes the nonce after `nonce`, which stands behind `position`, a candidate. */
  #follow(account: PoolAccount, position: number, nonce: bigint): void {
    const following = account.ordered[position + 1];
    if (following?.nonce !== nonce + 1n) return;
    const candidate = this.#candidate(account, following, position + 1);
    if (candidate !== undefined) this.#heapOf(following.tx.lane).push(candidate);
  }

  #heapOf(lane: Lane): PriceHeap<Candidate> {
    let heap = this.#lanes.get(lane);
    if (heap === undefined) this.#lanes.set(lane, (heap = new PriceHeap(isDrawnBefore)));
    return heap;
  }

  #candidate(account: PoolAccount, entry: PoolEntry, position: number): Candidate | undefined {
    if (entry.isFree) return { price: FREE_PRICE, tip: 0n, entry, account, position };
    const tip = this.#source.tipOf(entry);
    if (tip < 0n) return undefined;
    return { price: Number(tip), tip, entry, account, position };
  }
}

/** Up to `limit` items, in the order in which a proposal would take them. */
export function drawItems(selection: Selection, limit: number): readonly Uint8Array[] {
  const items: Uint8Array[] = [];
  for (const lane of LANES) {
    for (let entry = selection.next(lane); entry !== undefined; entry = selection.next(lane)) {
      if (items.length >= limit) return items;
      items.push(entry.tx.item);
      selection.take();
    }
  }
  return items;
}

/** The order of `comparePriced` in mev/ordering/priority.ts, on what is compared fastest. */
function isDrawnBefore(a: Candidate, b: Candidate): boolean {
  // Rounding keeps the order, and may make prices equal that are not.
  if (a.price !== b.price) return a.price > b.price;
  if (a.price > EXACT_PRICE_MAX && a.tip !== b.tip) return a.tip > b.tip;
  return a.entry.tx.idKey < b.entry.tx.idKey;
}
