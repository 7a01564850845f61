import { Lane } from "../../../mev/lanes.ts";
import type { CancelBundles } from "../../../proto/codec/mev-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import type { TxTerms } from "../execution/action-rules.ts";
import {
  actionFault,
  actionValue,
  canBeLate,
  costlyActionFault,
  feeHoldOf,
  lateFault,
  voidFault,
} from "../execution/actions.ts";
import { admissionFault, isFree } from "../execution/apply-tx.ts";
import { effectiveTip } from "../execution/base-fee.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import {
  MEASURED_TXS_PER_BLOCK,
  POOL_FREE_PER_ACCOUNT_MAX,
  POOL_PARKED_PER_ACCOUNT_MAX,
  POOL_WAIT_BLOCKS_MAX,
} from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import type { ChainTerms, CommittedState } from "../state/committed-state.ts";
import type { Digest } from "../state-tree/node.ts";
import type { PoolLimits } from "../weft-application.ts";
import { PoolAccount, type PoolEntry } from "./pool-account.ts";
import { firstHeightOf, PoolBundles } from "./pool-bundles.ts";
import { type Priced, PriceHeap, paysWorse } from "./price-heap.ts";
import { Selection } from "./selection.ts";

/** A pending transaction, and how long this node has had it. */
export interface WaitingTx {
  readonly tx: DecodedTx;
  readonly agoMs: number;
}

export interface PoolDependencies {
  readonly committed: CommittedState;
  readonly metrics: AppMetrics;
  /** A monotonic clock, ms: how long something waits. Default: it stands still. */
  readonly nowMs?: () => number;
  /** Told about every transaction that leaves the pool without a block. */
  readonly onDropped: (tx: DecodedTx, why: Failure) => void;
}

interface EvictionCandidate extends Priced {
  readonly entry: PoolEntry;
}

/** Price of what waits for a nonce or a height, or cannot pay the base fee: dropped first, never drawn. */
const UNREADY_PRICE = -1;
const UNREADY_TIP = -1n;
const NONE: readonly PoolEntry[] = [];
/** Price of what is free: never dropped for something that pays. */
const FREE_PRICE = Number.POSITIVE_INFINITY;

/**
 * Pending transactions: bounded by bytes, count and account; drawn by price and nonce; when full, what
 * pays least is dropped, never silently. Signatures are the caller's business. Synchronous throughout,
 * so nothing can slip between a check and the insertion it decides (prior art: Astria #2131).
 */
export class Pool {
  readonly #limits: PoolLimits;
  readonly #committed: CommittedState;
  readonly #metrics: AppMetrics;
  readonly #onDropped: (tx: DecodedTx, why: Failure) => void;
  readonly #nowMs: () => number;
  readonly #entries = new Map<Digest, PoolEntry>();
  /** Those of them that are free: a few for each validator. */
  readonly #free = new Set<PoolEntry>();
  readonly #accounts = new Map<string, PoolAccount>();
  readonly #byExpiry = new Map<number, Set<PoolEntry>>();
  readonly #byAddedHeight = new Map<number, Set<PoolEntry>>();
  readonly #bundles = new PoolBundles();
  /** Those that only some blocks may hold: what is sealed, commits, bundles. */
  readonly #placed = new Set<PoolEntry>();
  readonly #evictable = new PriceHeap<EvictionCandidate>(paysWorse);
  #isEvictableCurrent = false;
  #termsOf: ChainTerms | undefined;
  #txTerms: TxTerms | undefined;
  #bytes = 0;
  #arrivals = 0;

  constructor(
    limits: PoolLimits,
    { committed, metrics, onDropped, nowMs = () => 0 }: PoolDependencies,
  ) {
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#committed = committed;
    this.#metrics = metrics;
    this.#onDropped = onDropped;
  }

  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(id: Digest): DecodedTx | undefined {
    return this.#entries.get(id)?.tx;
  }

  /** Why a transaction would be refused now, or undefined. Changes nothing. */
  fault(tx: DecodedTx): Failure | undefined {
    if (this.#entries.has(tx.idKey)) return failure("TX_KNOWN", "it is in the pool");
    return this.#stateFault(tx) ?? this.#accountFault(tx);
  }

  /** What `add` would say, room included. Changes nothing. `isSigned`: its signature holds. */
  verdict(tx: DecodedTx, isSigned: boolean): Failure | undefined {
    const fault = this.fault(tx) ?? (isSigned ? costlyActionFault(this.#committed, tx) : undefined);
    if (fault !== undefined) return fault;
    const victims = this.#victimsFor(this.#entryOf(tx), this.#allReplacedBy(tx));
    return victims === undefined ? this.#fullFault() : undefined;
  }

  /** Lets go of everything; returns how many that were. */
  clear(): number {
    const { count } = this;
    const why = failure("POOL_EVICTED", "the operator flushed the pool");
    for (const entry of this.#entries.values()) this.#drop(entry, why);
    this.#isEvictableCurrent = false;
    this.report();
    return count;
  }

  /**
   * Takes a transaction whose signature holds, or says why not. `report` afterwards.
   * @param checkedAt next height of the state at which `fault` had nothing against it, if it was asked
   */
  add(tx: DecodedTx, checkedAt?: number): Failure | undefined {
    const fault =
      (checkedAt === this.#committed.nextHeight() ? this.#poolFault(tx) : this.fault(tx)) ??
      costlyActionFault(this.#committed, tx);
    if (fault !== undefined) return fault;
    const entry = this.#entryOf(tx);
    const replaced = this.#allReplacedBy(tx);
    const victims = this.#victimsFor(entry, replaced);
    if (victims === undefined) {
      return this.#fullFault();
    }
    const older = this.#bundles.replacedBy(tx);
    for (const one of replaced) {
      this.#drop(one, failure(one === older ? "BUNDLE_SUPERSEDED" : "POOL_REPLACED"));
    }
    for (const victim of victims) this.#drop(victim, failure("POOL_EVICTED"));
    this.#insert(entry);
    const { action } = tx.tx.body;
    if (action.kind === "cancelBundles") this.#cancelBundles(tx.sender, action);
    return undefined;
  }

  /** Tells the metrics how full the pool is. */
  report(): void {
    this.#metrics.poolTransactions.set(this.count);
    this.#metrics.poolBytes.set(this.#bytes);
    this.#metrics.poolFree.set(this.#free.size);
    this.#metrics.poolBundles.set(this.#bundles.count);
    this.#metrics.poolCancelsForgotten.inc(undefined, this.#bundles.takeForgotten());
  }

  /** What a pending transaction waits for, if it cannot be in the next block. */
  waitsFor(tx: DecodedTx): string | undefined {
    const { baseFeePerByte } = this.#committed.requireTerms();
    const entry = this.#entries.get(tx.idKey);
    if (entry === undefined) return undefined;
    const next = this.nextNonce(tx.sender);
    if (entry.nonce !== undefined && entry.nonce > next) {
      return `waiting for the account's nonce ${next}`;
    }
    const first = firstHeightOf(tx);
    if (first > this.#committed.nextHeight()) return `waiting for block ${first}`;
    const { maxFeePerByte } = tx.tx.body.fee;
    if (entry.isFree || maxFeePerByte >= baseFeePerByte) return undefined;
    return `waiting for a base fee of at most ${maxFeePerByte}, it is ${baseFeePerByte}`;
  }

  /** The first nonce of the account that is neither used nor pending. */
  nextNonce(address: string): bigint {
    const { nonce } = this.#committed.account(address);
    return nonce + BigInt(this.#accounts.get(address)?.readyCount(nonce) ?? 0);
  }

  /** nweft that the pending transactions of an account may take. */
  pendingCost(address: string): bigint {
    return this.#accounts.get(address)?.cost ?? 0n;
  }

  /** Draws for a proposal on top of the committed state. */
  select(): Selection {
    const { baseFeePerByte } = this.#committed.requireTerms();
    return new Selection({
      accounts: this.#accountsWithNonces(),
      accountOf: (address) => this.#accounts.get(address),
      tipOf: ({ tx }) =>
        this.#isEarly(tx) ? UNREADY_TIP : effectiveTip(tx.tx.body.fee, baseFeePerByte),
    });
  }

  /**
   * What has been here since before the last block and may stand in the next one as its account's first, by
   * its nonce and price; oldest first. What has room of its own in every block (CONTROL) is left out.
   */
  *waiting(): Iterable<WaitingTx> {
    const { lastBlock } = this.#committed.requireTerms();
    if (lastBlock === undefined) return;
    const nowMs = this.#nowMs();
    // In order of arrival, as they were inserted.
    for (const entry of this.#entries.values()) {
      const { tx, nonce, addedHeight, addedMs } = entry;
      if (addedHeight >= lastBlock.height) break;
      if (tx.lane === Lane.CONTROL || this.#price(entry) === UNREADY_PRICE) continue;
      if (nonce !== undefined && nonce !== this.#committed.account(tx.sender).nonce) continue;
      yield { tx, agoMs: nowMs - addedMs };
    }
  }

  /**
   * After a commit: lets go of what the block held, and looks again at the accounts that it touched and
   * at what has run out of time. Nothing else can have changed.
   */
  advance(included: Iterable<DecodedTx>, touchedAccounts: Iterable<string>, height: number): void {
    const nowMs = this.#nowMs();
    const held: PoolEntry[] = [];
    for (const tx of included) {
      const entry = this.#entries.get(tx.idKey);
      if (entry === undefined) continue;
      held.push(entry);
      this.#remove(entry);
    }
    const stride = Math.ceil(held.length / MEASURED_TXS_PER_BLOCK);
    for (let at = 0; at < held.length; at += stride) this.#measure(held[at], height, nowMs);
    for (const address of touchedAccounts) this.#revisit(address);
    for (const [expiry, entries] of this.#byExpiry) {
      // The next block is at height + 1, and valid is height + 1 < expiry.
      if (expiry > height + 1) continue;
      for (const entry of entries) this.#drop(entry, failure("UNORDERED_EXPIRED", `at ${expiry}`));
    }
    this.#bundles.advance(height);
    for (const entry of this.#placed) {
      const late = lateFault(this.#committed, entry.tx, height + 1);
      if (late !== undefined) this.#drop(entry, late);
    }
    for (const entry of this.#byAddedHeight.get(height - POOL_WAIT_BLOCKS_MAX) ?? []) {
      this.#drop(entry, failure("POOL_TIMED_OUT", `${POOL_WAIT_BLOCKS_MAX} blocks`));
    }
    // Nothing was paid for it to wait for better times, and a block with it would be refused.
    for (const entry of this.#free) {
      const fault = this.#stateFault(entry.tx);
      if (fault !== undefined) this.#drop(entry, fault);
    }
    this.#isEvictableCurrent = false;
    this.report();
  }

  /** After a change of parameters: lets go of what no block may hold under the new ones. */
  reconsider(): void {
    for (const entry of this.#entries.values()) {
      const fault = admissionFault(this.#committed, entry.tx, this.#terms());
      if (fault?.code === "TX_TOO_LARGE") this.#drop(entry, fault);
    }
  }

  /** How long something waited that the block at `height` holds. */
  #measure(entry: PoolEntry | undefined, height: number, nowMs: number): void {
    if (entry === undefined) return;
    const { tx, addedMs, addedHeight } = entry;
    const seconds = (nowMs - addedMs) / 1_000;
    this.#metrics.inclusionDelaySeconds.observe(seconds, { lane: tx.lane.toString() });
    this.#metrics.inclusionDelayBlocks.observe(height - addedHeight);
  }

  #fullFault(): Failure {
    return failure("POOL_FULL", `${this.count} transactions, ${this.#bytes} bytes`);
  }

  /** The part of `fault` that other transactions change, not blocks. */
  #poolFault(tx: DecodedTx): Failure | undefined {
    if (this.#entries.has(tx.idKey)) return failure("TX_KNOWN", "it is in the pool");
    return this.#accountFault(tx);
  }

  #stateFault(tx: DecodedTx): Failure | undefined {
    const terms = this.#terms();
    const fault = admissionFault(this.#committed, tx, terms);
    // A gap may close; how wide it may be is decided with the account.
    if (fault !== undefined && fault.code !== "NONCE_GAP") return fault;
    const { fee } = tx.tx.body;
    if (fee.maxFeePerByte < terms.baseFeePerByte && !isFree(this.#committed, tx)) {
      return failure(
        "FEE_TOO_LOW",
        `max_fee_per_byte is ${fee.maxFeePerByte}, the base fee ${terms.baseFeePerByte}`,
      );
    }
    const { balance } = this.#committed.account(tx.sender);
    const ofAction = actionFault(this.#committed, tx, terms, balance - maxFee(tx));
    // It has no other fault, and may wait for its block.
    const mayWait = ofAction?.code === "BUNDLE_EARLY" || ofAction?.code === "BID_EARLY";
    return mayWait ? undefined : ofAction;
  }

  #accountFault(tx: DecodedTx): Failure | undefined {
    const account = this.#accounts.get(tx.sender);
    const { replay, fee } = tx.tx.body;
    const { nonce, balance } = this.#committed.account(tx.sender);
    const ofBundle = this.#bundles.fault(tx);
    if (ofBundle !== undefined) return ofBundle;
    const older = this.#bundles.replacedBy(tx);
    const replaced = this.#replacedBy(tx);
    if (replaced !== undefined && replaced !== older && !outbids(fee, replaced.tx.tx.body.fee)) {
      const { maxFeePerByte, tipPerByte } = replaced.tx.tx.body.fee;
      return failure(
        "POOL_UNDERPRICED",
        `the pending one has max_fee_per_byte ${maxFeePerByte}, tip_per_byte ${tipPerByte}`,
      );
    }
    if (replay.kind === "nonce" && replaced === undefined) {
      const ready = account?.readyCount(nonce) ?? 0;
      const next = nonce + BigInt(ready);
      const parked = (account?.ordered.length ?? 0) - ready;
      const isTooFar = replay.value >= nonce + BigInt(this.#limits.perAccountMax);
      if (isTooFar || (replay.value > next && parked >= POOL_PARKED_PER_ACCOUNT_MAX)) {
        return failure("NONCE_GAP", `the next nonce is ${next}, got ${replay.value}`);
      }
    }
    const isReplacement = replaced !== undefined || older !== undefined;
    if (!isReplacement && (account?.size ?? 0) >= this.#limits.perAccountMax) {
      return failure("POOL_ACCOUNT_FULL", `at most ${this.#limits.perAccountMax}`);
    }
    if (isFree(this.#committed, tx) && (account?.freeCount ?? 0) >= POOL_FREE_PER_ACCOUNT_MAX) {
      return failure("POOL_ACCOUNT_FULL", `at most ${POOL_FREE_PER_ACCOUNT_MAX} free ones`);
    }
    const cost = this.#costOf(tx);
    const freed = this.#allReplacedBy(tx);
    const pending = freed.reduce((sum, one) => sum - one.cost, account?.cost ?? 0n);
    const missing = pending + cost - balance;
    if (missing <= 0n || missing <= this.#heldWith(tx, account, freed)) return undefined;
    return failure(
      "INSUFFICIENT_FUNDS",
      `the balance is ${balance} nweft; pending transactions may take ${pending}, this one ${cost}`,
    );
  }

  /** nweft that the state holds for the fees of what its account would have pending with this transaction. */
  #heldWith(tx: DecodedTx, account: PoolAccount | undefined, freed: readonly PoolEntry[]): bigint {
    const counted = new Set<string>();
    let sum = this.#heldFor(tx, counted);
    for (const entry of account?.holding ?? NONE) {
      if (!freed.includes(entry)) sum += this.#heldFor(entry.tx, counted);
    }
    return sum;
  }

  /** nweft of the fee for which something is held that is not `counted` yet. */
  #heldFor(tx: DecodedTx, counted: Set<string>): bigint {
    const hold = feeHoldOf(this.#committed, tx);
    if (hold === undefined || counted.has(hold.key)) return 0n;
    counted.add(hold.key);
    const fee = maxFee(tx);
    return hold.amount < fee ? hold.amount : fee;
  }

  /** Of the same nonce, and an older version of the same bundle. */
  #allReplacedBy(tx: DecodedTx): readonly PoolEntry[] {
    const replaced = this.#replacedBy(tx);
    const older = this.#bundles.replacedBy(tx);
    if (replaced === undefined) return older === undefined ? NONE : [older];
    return older === undefined || older === replaced ? [replaced] : [replaced, older];
  }

  #replacedBy(tx: DecodedTx): PoolEntry | undefined {
    const { replay } = tx.tx.body;
    if (replay.kind !== "nonce") return undefined;
    return this.#accounts.get(tx.sender)?.withNonce(replay.value);
  }

  #costOf(tx: DecodedTx): bigint {
    return maxFee(tx) + actionValue(tx.tx.body.action, this.#committed.requireTerms().params);
  }

  #entryOf(tx: DecodedTx): PoolEntry {
    const { replay } = tx.tx.body;
    return {
      tx,
      nonce: replay.kind === "nonce" ? replay.value : undefined,
      cost: this.#costOf(tx),
      isFree: isFree(this.#committed, tx),
      hasHold: feeHoldOf(this.#committed, tx) !== undefined,
      arrival: this.#arrivals++,
      addedHeight: this.#committed.requireTerms().lastBlock?.height ?? 0,
      addedMs: this.#nowMs(),
    };
  }

  /** What has to go for `entry` to fit; undefined when that pays as much as it does. */
  #victimsFor(entry: PoolEntry, replaced: readonly PoolEntry[]): readonly PoolEntry[] | undefined {
    let count = this.count + 1 - replaced.length;
    let bytes = this.#bytes + entry.tx.item.length;
    for (const { tx } of replaced) bytes -= tx.item.length;
    const { countMax, bytesMax } = this.#limits;
    if (count <= countMax && bytes <= bytesMax) return [];
    if (!this.#isEvictableCurrent) this.#rebuildEvictable();
    const price = this.#standingPrice(entry);
    const victims = new Set<PoolEntry>();
    const popped: EvictionCandidate[] = [];
    while (count > countMax || bytes > bytesMax) {
      const candidate = this.#evictable.pop();
      if (candidate === undefined) break;
      if (this.#entries.get(candidate.entry.tx.idKey) !== candidate.entry) continue;
      popped.push(candidate);
      if (candidate.price >= price) break;
      // An account does not pay for its own nonces to be dropped from behind.
      if (candidate.entry.tx.sender === entry.tx.sender) continue;
      const victim = this.#lastOf(candidate.entry, victims);
      if (victim === undefined) continue;
      victims.add(victim);
      count--;
      bytes -= victim.tx.item.length;
    }
    for (const candidate of popped) this.#evictable.push(candidate);
    return count > countMax || bytes > bytesMax ? undefined : [...victims];
  }

  /** Dropping a nonce would strand those behind it, so the account's last one goes instead. */
  #lastOf(entry: PoolEntry, taken: ReadonlySet<PoolEntry>): PoolEntry | undefined {
    if (entry.nonce === undefined) return taken.has(entry) ? undefined : entry;
    return this.#accounts.get(entry.tx.sender)?.ordered.findLast((last) => !taken.has(last));
  }

  #rebuildEvictable(): void {
    const candidates: EvictionCandidate[] = [];
    for (const [account, nextNonce] of this.#accountsWithNonces()) {
      const ready = account.readyCount(nextNonce);
      // What stands behind a cheap nonce is worth no more than that nonce.
      let worth = Number.POSITIVE_INFINITY;
      for (const [at, entry] of account.ordered.entries()) {
        worth = at < ready ? Math.min(worth, this.#price(entry)) : UNREADY_PRICE;
        candidates.push({ price: worth, arrival: entry.arrival, entry });
      }
      for (const entry of account.unordered) {
        candidates.push({ price: this.#price(entry), arrival: entry.arrival, entry });
      }
    }
    this.#evictable.build(candidates);
    this.#isEvictableCurrent = true;
  }

  *#accountsWithNonces(): Iterable<readonly [PoolAccount, bigint]> {
    for (const [address, account] of this.#accounts) {
      yield [account, account.ordered.length > 0 ? this.#committed.account(address).nonce : 0n];
    }
  }

  /** Price of a transaction that is not in the pool yet, or has just come. */
  #standingPrice(entry: PoolEntry): number {
    const isParked = entry.nonce !== undefined && entry.nonce > this.nextNonce(entry.tx.sender);
    return isParked ? UNREADY_PRICE : this.#price(entry);
  }

  /** Whether only blocks after the next one may hold it. */
  #isEarly(tx: DecodedTx): boolean {
    return firstHeightOf(tx) > this.#committed.nextHeight();
  }

  /** The sender's own word counts before a block holds it. */
  #cancelBundles(sender: string, action: CancelBundles): void {
    this.#bundles.cancel(sender, action, this.#committed.nextHeight());
    const account = this.#accounts.get(sender);
    for (const entry of [...(account?.ordered ?? []), ...(account?.unordered ?? [])]) {
      const fault = this.#bundles.cancelledFault(entry.tx);
      if (fault !== undefined) this.#drop(entry, fault);
    }
  }

  #price({ tx, isFree: isForNothing }: PoolEntry): number {
    if (isForNothing) return FREE_PRICE;
    if (this.#isEarly(tx)) return UNREADY_PRICE;
    const { baseFeePerByte } = this.#committed.requireTerms();
    const tip = effectiveTip(tx.tx.body.fee, baseFeePerByte);
    return tip < 0n ? UNREADY_PRICE : Number(tip);
  }

  #insert(entry: PoolEntry): void {
    const { tx, addedHeight } = entry;
    if (this.#isEvictableCurrent) {
      const price = this.#standingPrice(entry);
      this.#evictable.push({ price, arrival: entry.arrival, entry });
    }
    this.#entries.set(tx.idKey, entry);
    if (entry.isFree) this.#free.add(entry);
    this.#bytes += tx.item.length;
    let account = this.#accounts.get(tx.sender);
    if (account === undefined) {
      account = new PoolAccount();
      this.#accounts.set(tx.sender, account);
    }
    account.add(entry);
    this.#bundles.added(entry);
    const { replay } = tx.tx.body;
    if (replay.kind === "unordered") addTo(this.#byExpiry, replay.expiryHeight, entry);
    addTo(this.#byAddedHeight, addedHeight, entry);
    if (canBeLate(tx)) this.#placed.add(entry);
  }

  #remove(entry: PoolEntry): void {
    const { tx, addedHeight } = entry;
    this.#entries.delete(tx.idKey);
    this.#free.delete(entry);
    this.#bytes -= tx.item.length;
    const account = this.#accounts.get(tx.sender);
    assert(account !== undefined, "every pending transaction belongs to an account");
    account.remove(entry);
    this.#bundles.removed(entry);
    if (account.size === 0) this.#accounts.delete(tx.sender);
    const { replay } = tx.tx.body;
    if (replay.kind === "unordered") removeFrom(this.#byExpiry, replay.expiryHeight, entry);
    removeFrom(this.#byAddedHeight, addedHeight, entry);
    this.#placed.delete(entry);
  }

  #drop(entry: PoolEntry, why: Failure): void {
    this.#remove(entry);
    this.#metrics.poolEvicted.inc({ code: why.code });
    this.#onDropped(entry.tx, why);
  }

  /** Nonce or balance of the account may have changed. */
  #revisit(address: string): void {
    const account = this.#accounts.get(address);
    if (account === undefined) return;
    const { nonce, balance } = this.#committed.account(address);
    const isUsed = (entry: PoolEntry) => entry.nonce !== undefined && entry.nonce < nonce;
    for (const entry of account.ordered.filter(isUsed)) {
      this.#drop(entry, failure("NONCE_USED", `the account's next nonce is ${nonce}`));
    }
    if (this.#bundles.waitingOf(address) > 0) this.#dropVoid(account);
    if (account.cost <= balance) return;
    // The last ones go, from the first one on that it cannot pay.
    const entries = [...account.unordered, ...account.ordered];
    const counted = new Set<string>();
    let left = balance;
    const firstUnpaid = entries.findIndex((entry) => {
      left -= entry.cost - (entry.hasHold ? this.#heldFor(entry.tx, counted) : 0n);
      return left < 0n;
    });
    if (firstUnpaid < 0) return;
    for (const entry of entries.slice(firstUnpaid).reverse()) {
      const detail = `the balance is ${balance} nweft, ${account.cost} are pending`;
      this.#drop(entry, failure("INSUFFICIENT_FUNDS", detail));
    }
  }

  /** The block has cancelled bundles of the account, or holds one of their keys. */
  #dropVoid(account: PoolAccount): void {
    for (const entry of [...account.ordered, ...account.unordered]) {
      const fault = voidFault(this.#committed, entry.tx);
      if (fault !== undefined) this.#drop(entry, fault);
    }
  }

  /** The same object until the next block. */
  #terms(): TxTerms {
    const chain = this.#committed.requireTerms();
    if (this.#termsOf !== chain) {
      const { params, baseFeePerByte } = chain;
      this.#termsOf = chain;
      this.#txTerms = { height: this.#committed.nextHeight(), params, baseFeePerByte };
    }
    assert(this.#txTerms !== undefined, "made with the first block's terms");
    return this.#txTerms;
  }
}

/** Most that a transaction may pay in fees: the base fee can rise up to its maximum. */
function maxFee(tx: DecodedTx): bigint {
  return BigInt(tx.item.length) * tx.tx.body.fee.maxFeePerByte;
}

interface Bid {
  readonly maxFeePerByte: bigint;
  readonly tipPerByte: bigint;
}

/** At least 10% more in both, and more in one. */
function outbids(bid: Bid, old: Bid): boolean {
  return (
    bid.maxFeePerByte * 10n >= old.maxFeePerByte * 11n &&
    bid.tipPerByte * 10n >= old.tipPerByte * 11n &&
    (bid.maxFeePerByte > old.maxFeePerByte || bid.tipPerByte > old.tipPerByte)
  );
}

function addTo(index: Map<number, Set<PoolEntry>>, key: number, entry: PoolEntry): void {
  const entries = index.get(key);
  if (entries === undefined) index.set(key, new Set([entry]));
  else entries.add(entry);
}

function removeFrom(index: Map<number, Set<PoolEntry>>, key: number, entry: PoolEntry): void {
  const entries = index.get(key);
  entries?.delete(entry);
  if (entries?.size === 0) index.delete(key);
}
