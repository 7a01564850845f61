/**
 * Transactions on their way from a wallet to a block. The pool checks what can be checked before
 * the sequencer is paid for carrying the bytes, posts a sender's transactions in the order of their
 * nonces, and posts again what a block had no room for, and what came before its predecessor once that
 * has been executed. It decides nothing about order: whatever the sequencer delivers is executed, whether
 * it came from here or not.
 */
import type { TypedTransaction } from "@ethereumjs/tx";
import type { Address } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { copyBytes, toHex } from "../../../proto/bytes.ts";
import { timeToMs } from "../../../proto/time.ts";
import type { Cancel, Clock } from "../../../sequencer/ports/clock.ts";
import type { Logger } from "../../../sequencer/ports/logger.ts";
import { maxCost, maxFeePerGas } from "../../evm/admission.ts";
import {
  PENDING_AGE_MS,
  PENDING_BYTES_MAX,
  PENDING_PER_SENDER_MAX,
  PENDING_TRANSACTIONS_MAX,
  POST_RETRY_MS,
  QUEUED_BYTES_MAX,
  QUEUED_TRANSACTIONS_MAX,
  RESUBMISSIONS_MAX,
} from "../../evm/limits.ts";
import { GATHERED_TOO_MUCH } from "../../driver/second-gatherer.ts";
import type { EngineSkipReason } from "../../engine-api/selection.ts";
import type { EvmMetrics } from "../../evm/metrics.ts";
import { LruMap } from "../../evm/lru.ts";
import type { DecodedTransaction } from "../../evm/payload.ts";
import { RPC_CODE, RpcError, limitExceeded, serverError } from "../../json-rpc/errors.ts";
import { LOST_KEPT } from "../status/limits.ts";
import type { Quota } from "../quota.ts";
import type { KeptTransactions } from "./kept-transactions.ts";
import type { PoolAccount, PoolBlock, PoolChain } from "./pool-chain.ts";
import { reasonOf, rejected, senderRefusal, undecodable } from "./refusals.ts";

/**
 * Has the sequencer order one payload of this rollup; resolves when it has taken it, throws with a
 * reason when it will not. Payloads should be ordered as they were handed over: where that fails, the
 * pool posts again what came too early. `isRepeat`: the place that it had was in vain.
 */
export type SubmitPort = (
  rawTransaction: Uint8Array,
  options: { readonly isRepeat: boolean },
) => Promise<void>;

/** What the pool needs to go on with what it held before the process ended. */
export interface Restoring {
  readonly kept: KeptTransactions;
  /** Settles once it is known which of them are on their way, or were ordered meanwhile. */
  readonly reconciled: Promise<void>;
  /** Whether a submission that may still be ordered carries this payload. */
  readonly isSubmitted: (rawTransaction: Uint8Array) => boolean;
}

export interface PoolQuota {
  readonly of: Quota;
  /** nweft that ordering so many bytes costs now; rejects while nobody knows. */
  readonly costOf: (bytes: number) => Promise<bigint>;
}

type PoolMetrics = Pick<EvmMetrics, "pendingTransactions" | "resubmissions" | "rpcDropped">;

export interface PendingTransaction extends DecodedTransaction {
  readonly nonce: bigint;
}

interface Entry extends PendingTransaction {
  readonly addedMs: number;
  /** wei that it may take of its sender. */
  readonly cost: bigint;
  /** How many of its nonce it has replaced. */
  readonly replaced: number;
  /** The one that it has replaced, or that one's when that has gone: pending, too, for whichever comes first is executed. */
  older: Entry | undefined;
  /** Posted at least once; false while its predecessors are missing. */
  isPosted: boolean;
  /** A block skipped it because its predecessor had not come. */
  isEarly: boolean;
  /** It had a place that was in vain. */
  isRepeat: boolean;
  /** Whose quota it counts for; undefined: nobody's. */
  readonly requester: string | undefined;
  /** Settles with the answer to the call that brought it. */
  isAccepted: Promise<unknown> | undefined;
  resubmissions: number;
}

/** Skipped for these, the same bytes may find a place in a later block. */
const WORTH_ANOTHER_TRY: ReadonlySet<string> = new Set<EngineSkipReason | typeof GATHERED_TOO_MUCH>(
  [
    "NONCE_TOO_HIGH",
    "BLOCK_GAS_EXHAUSTED",
    "BLOCK_BYTES_EXHAUSTED",
    "BLOCK_SIGNATURES_EXHAUSTED",
    "DELEGATION_HELD_BACK",
    GATHERED_TOO_MUCH,
  ],
);
/** geth's price bump: a replacement must offer this much more, percent. */
const REPLACEMENT_BUMP_PERCENT = 10n;
/** Replacements of one nonce: each is ordered, and only one of them executed. */
const REPLACEMENTS_MAX = 4;

export class PendingPool {
  readonly #chain: PoolChain;
  readonly #submit: SubmitPort;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: PoolMetrics;
  readonly #kept: KeptTransactions | undefined;
  readonly #quota: PoolQuota | undefined;
  readonly #catchingUp: () => string | undefined;
  /** Whether a submission that may still be ordered carries a payload; until `restore` says, none is known to. */
  #isSubmitted: Restoring["isSubmitted"] = () => false;
  /** By hash, in order of arrival. */
  readonly #byHash = new Map<string, Entry>();
  /** By sender and nonce: the newest of that nonce. */
  readonly #bySender = new Map<string, Map<bigint, Entry>>();
  readonly #listeners = new Set<(transaction: PendingTransaction) => void>();
  /** By sender: when those that could not be submitted are tried again. */
  readonly #retries = new Map<string, Cancel>();
  readonly #lostReasons = new LruMap<string, string>(LOST_KEPT);
  #bytes = 0;
  /** Those whose predecessor has not come, and their bytes. */
  readonly #queued = new Set<Entry>();
  #queuedBytes = 0;
  readonly #queuedMax: number;
  /** How many blocks were told of. */
  #blocks = 0;
  readonly #stop: () => void;

  constructor(dependencies: {
    readonly chain: PoolChain;
    readonly submit: SubmitPort;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: PoolMetrics;
    /** Left out: what waits is lost with the process. */
    readonly kept?: KeptTransactions | undefined;
    /** What one requester may have of the pool and of the gateway's money; left out: all of it. */
    readonly quota?: PoolQuota | undefined;
    /** Transactions that may wait for predecessors; default: QUEUED_TRANSACTIONS_MAX. */
    readonly queuedMax?: number | undefined;
    /** How far the state is behind the order, in words: nothing new is taken meanwhile; left out: it never is. */
    readonly catchingUp?: (() => string | undefined) | undefined;
  }) {
    this.#chain = dependencies.chain;
    this.#submit = dependencies.submit;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
    this.#metrics = dependencies.metrics;
    this.#kept = dependencies.kept;
    this.#quota = dependencies.quota;
    this.#queuedMax = dependencies.queuedMax ?? QUEUED_TRANSACTIONS_MAX;
    this.#catchingUp = dependencies.catchingUp ?? (() => undefined);
    this.#stop = this.#chain.onBlock((event) => this.#onBlock(event));
  }

  close(): void {
    this.#stop();
    for (const retry of this.#retries.values()) retry.cancel();
    this.#retries.clear();
    this.#listeners.clear();
    this.#byHash.clear();
    this.#bySender.clear();
  }

  get size(): number {
    return this.#byHash.size;
  }

  get(hash: Uint8Array): PendingTransaction | undefined {
    return this.#byHash.get(toHex(hash));
  }

  /** Those that were posted, in order of arrival: as many as a block of so much gas has room for. */
  posted(gasLimit: bigint): readonly PendingTransaction[] {
    const found: PendingTransaction[] = [];
    let gas = 0n;
    for (const entry of this.#byHash.values()) {
      if (!entry.isPosted) continue;
      gas += entry.transaction.gasLimit;
      if (gas > gasLimit) break;
      found.push(entry);
    }
    return found;
  }

  /** The nonce after the sender's unbroken run of pending ones. */
  nextNonce(sender: Address, confirmed: bigint): bigint {
    const entries = this.#bySender.get(sender.toString());
    let nonce = confirmed;
    while (entries?.has(nonce) === true) nonce += 1n;
    return nonce;
  }

  /** Called with each transaction that was taken; returns what ends it. */
  onTransaction(listener: (transaction: PendingTransaction) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a wallet's transaction; resolves with its hash once the sequencer has it (or at once, when
   * it waits for a predecessor). One that is pending or executed already is answered with its hash too: whoever had no
   * answer asks again. Throws what geth would say about it. `requester`: who pays for its quota.
   */
  async add(raw: Uint8Array, requester?: string): Promise<Uint8Array> {
    const payload = this.#chain.decoder.decode(copyBytes(raw));
    if (payload.kind === "skip") throw undecodable(payload.reason, this.#chain.common);
    const { decoded } = payload;
    const key = toHex(decoded.hash);
    if (this.#byHash.has(key)) return this.#repeated(key, decoded.hash);
    let blocks = this.#blocks;
    let account = await this.#chain.account(decoded.sender);
    if (await this.#isExecuted(decoded, account)) return decoded.hash;
    await this.#check(decoded, account);
    await this.#checkDelegated(decoded);
    const cost = await this.#orderCost(requester, decoded.raw.length);
    while (blocks !== this.#blocks) {
      // A block that came meanwhile may have executed it, or its predecessor, or spent the money.
      blocks = this.#blocks;
      account = await this.#chain.account(decoded.sender);
      if (await this.#isExecuted(decoded, account)) return decoded.hash;
      await this.#check(decoded, account);
    }
    // Checked once more after waiting: two calls may have brought the same bytes.
    if (this.#byHash.has(key)) return this.#repeated(key, decoded.hash);
    this.#checkPlace(decoded, account);
    this.#takeQuota(requester, cost);
    const entry = this.#insert(decoded, this.#clock.monotonicMs(), requester);
    this.#queue(entry);
    const isKept = this.#keep(key, entry);
    for (const listener of this.#listeners) listener(entry);
    // Side by side: the journal has it before the wallet is told.
    entry.isAccepted = Promise.all([this.#postReady(decoded.sender, account.nonce, entry), isKept]);
    try {
      await entry.isAccepted;
    } catch (cause) {
      // Nothing of it was ordered.
      if (requester !== undefined && !this.#byHash.has(key)) {
        this.#quota?.of.spend(requester, -cost);
      }
      throw cause;
    }
    return decoded.hash;
  }

  /** Durable when it resolves. */
  async #keep(key: string, entry: Entry): Promise<void> {
    const { raw, requester } = entry;
    try {
      await this.#kept?.add(key, { raw, acceptedMs: timeToMs(this.#clock.now()), requester });
    } catch (cause) {
      // What is on its way already may be executed all the same.
      if (!entry.isPosted) this.#remove(entry);
      throw rejected(cause);
    }
  }

  /** For bytes that are pending already: what became, or becomes, of the first call that brought them. */
  async #repeated(key: string, hash: Uint8Array): Promise<Uint8Array> {
    await this.#byHash.get(key)?.isAccepted;
    return hash;
  }

  /** nweft that the order of it costs, where that matters. */
  async #orderCost(requester: string | undefined, bytes: number): Promise<bigint> {
    const quota = this.#quota;
    if (requester === undefined || quota?.of.isPaid(requester) !== true) return 0n;
    try {
      return await quota.costOf(bytes);
    } catch (cause) {
      throw rejected(cause);
    }
  }

  #takeQuota(requester: string | undefined, cost: bigint): void {
    if (requester === undefined) return;
    const refusal = this.#quota?.of.take(requester, cost);
    if (refusal === undefined) return;
    this.#metrics.rpcDropped.inc({ what: "quota" });
    throw limitExceeded(refusal);
  }

  /**
   * Takes up what was accepted before the process ended: all of it is pending at once, and what is neither executed
   * nor on its way is posted as soon as that is known.
   */
  async restore({ kept, reconciled, isSubmitted }: Restoring): Promise<void> {
    this.#isSubmitted = isSubmitted;
    // Their age begins anew: what a long stop has made old is not given up before anybody looked what became of it.
    const addedMs = this.#clock.monotonicMs();
    for (const { raw, requester } of await kept.load()) {
      const payload = this.#chain.decoder.decode(raw);
      if (payload.kind === "skip") continue; // another genesis than when it was accepted
      const entry = this.#insert(payload.decoded, addedMs, requester);
      if (requester !== undefined) this.#quota?.of.hold(requester);
      entry.isPosted = true; // for all we know
    }
    void reconciled.then(async () => {
      for (const entry of this.#byHash.values()) {
        if (entry.isPosted && !isSubmitted(entry.raw)) {
          entry.isPosted = false;
          entry.isRepeat = true;
          this.#queue(entry);
        }
      }
      for (const sender of this.#bySender.keys()) await this.#tryToCatchUp(sender);
    });
  }

  /** Whether its sender could pay for it now, and its nonce is not used; throws what geth would say. Nothing is kept. */
  async checkSender(decoded: DecodedTransaction): Promise<void> {
    await this.#check(decoded, await this.#chain.account(decoded.sender));
  }

  async #isExecuted(
    { transaction, hash }: DecodedTransaction,
    { nonce }: PoolAccount,
  ): Promise<boolean> {
    return transaction.nonce < nonce && (await this.#chain.isIncluded(hash));
  }

  async #check(decoded: DecodedTransaction, account: PoolAccount): Promise<void> {
    this.#checkFresh();
    const { transaction, sender } = decoded;
    const terms = { account, next: await this.#chain.next(), common: this.#chain.common };
    const refusal = senderRefusal(transaction, sender, terms);
    if (refusal !== undefined) throw refusal;
  }

  /** Against an old state used nonces look unused: the order of such a transaction would be paid for, and the block skip it. */
  #checkFresh(): void {
    const behind = this.#catchingUp();
    if (behind === undefined) return;
    this.#metrics.rpcDropped.inc({ what: "catching_up" });
    throw new RpcError(
      RPC_CODE.RESOURCE_UNAVAILABLE,
      `the rollup is ${behind}; until then nonces and balances here are old ones: take them again and send then (GET /readyz says when)`,
    );
  }

  /** Money of an account with code may go without a transaction of its own: one of it waits at a time, as geth has it. */
  async #checkDelegated({ transaction, sender }: DecodedTransaction): Promise<void> {
    const entries = this.#bySender.get(sender.toString());
    if (entries === undefined || entries.has(transaction.nonce)) return;
    if (!(await this.#chain.hasCode(sender))) return;
    throw serverError("in-flight transaction limit reached for delegated accounts");
  }

  #checkPlace({ transaction, sender }: DecodedTransaction, account: PoolAccount): void {
    this.#expire();
    const entries = this.#bySender.get(sender.toString());
    const rival = entries?.get(transaction.nonce);
    if (rival !== undefined) {
      const price = maxFeePerGas(rival.transaction);
      const bump = (price * REPLACEMENT_BUMP_PERCENT) / 100n;
      // Of a few wei a tenth is nothing.
      if (maxFeePerGas(transaction) < price + (bump > 0n ? bump : 1n)) {
        throw serverError("replacement transaction underpriced");
      }
      if (rival.replaced >= REPLACEMENTS_MAX) {
        throw serverError(
          `replacement transaction refused: ${REPLACEMENTS_MAX} of this nonce were replaced already`,
        );
      }
    }
    this.#checkFunds(transaction, entries, account);
    // Those cost nothing to send: they must not take the room of those that can be ordered.
    const isQueued = transaction.nonce > this.nextNonce(sender, account.nonce);
    if (
      isQueued &&
      (this.#queued.size >= this.#queuedMax || this.#queuedBytes >= QUEUED_BYTES_MAX)
    ) {
      this.#metrics.rpcDropped.inc({ what: "pool_queued" });
      throw limitExceeded("too many transactions wait for their predecessors; send those first");
    }
    const isFull =
      this.#byHash.size >= PENDING_TRANSACTIONS_MAX || this.#bytes >= PENDING_BYTES_MAX;
    if (isFull || (entries?.size ?? 0) >= PENDING_PER_SENDER_MAX) {
      this.#metrics.rpcDropped.inc({ what: isFull ? "pool" : "pool_sender" });
      throw limitExceeded(
        isFull ? "txpool is full" : `more than ${PENDING_PER_SENDER_MAX} pending transactions`,
      );
    }
  }

  /** Whether its sender can pay for it after all that waits before it: the order of what it cannot is paid for in vain. */
  #checkFunds(
    transaction: TypedTransaction,
    entries: ReadonlyMap<bigint, Entry> | undefined,
    { nonce, balance }: PoolAccount,
  ): void {
    let queued = 0n;
    for (const entry of entries?.values() ?? []) {
      if (entry.nonce >= nonce && entry.nonce !== transaction.nonce) queued += entry.cost;
    }
    const cost = maxCost(transaction, this.#chain.common);
    if (queued + cost <= balance) return;
    throw serverError(
      `insufficient funds for gas * price + value: balance ${balance}, queued cost ${queued}, tx cost ${cost}, overshot ${queued + cost - balance}`,
    );
  }

  #insert(decoded: DecodedTransaction, addedMs: number, requester: string | undefined): Entry {
    const { nonce } = decoded.transaction;
    const rival = this.#bySender.get(decoded.sender.toString())?.get(nonce);
    const entry: Entry = {
      ...decoded,
      nonce,
      addedMs,
      cost: maxCost(decoded.transaction, this.#chain.common),
      replaced: rival === undefined ? 0 : rival.replaced + 1,
      older: rival,
      isPosted: false,
      isEarly: false,
      isRepeat: false,
      requester,
      isAccepted: undefined,
      resubmissions: 0,
    };
    this.#byHash.set(toHex(decoded.hash), entry);
    this.#bytes += entry.raw.length;
    const sender = decoded.sender.toString();
    const entries = this.#bySender.get(sender) ?? new Map<bigint, Entry>();
    entries.set(nonce, entry);
    this.#bySender.set(sender, entries);
    this.#metrics.pendingTransactions.set(this.#byHash.size);
    return entry;
  }

  #queue(entry: Entry): void {
    if (this.#queued.has(entry)) return;
    this.#queued.add(entry);
    this.#queuedBytes += entry.raw.length;
  }

  #unqueue(entry: Entry): void {
    if (this.#queued.delete(entry)) this.#queuedBytes -= entry.raw.length;
  }

  #remove(entry: Entry): void {
    if (!this.#byHash.delete(toHex(entry.hash))) return;
    this.#bytes -= entry.raw.length;
    this.#unqueue(entry);
    this.#kept?.remove(toHex(entry.hash));
    if (entry.requester !== undefined) this.#quota?.of.release(entry.requester);
    this.#takeOut(entry);
    this.#metrics.pendingTransactions.set(this.#byHash.size);
  }

  /** The one that it had replaced has its place again. */
  #takeOut(entry: Entry): void {
    const { nonce, older } = entry;
    const sender = entry.sender.toString();
    const entries = this.#bySender.get(sender);
    const newest = entries?.get(nonce);
    if (newest !== entry) {
      for (const one of sameNonce(newest)) if (one.older === entry) one.older = older;
    } else if (older !== undefined) entries?.set(nonce, older);
    else entries?.delete(nonce);
    if (entries?.size === 0) this.#bySender.delete(sender);
  }

  /** Posts what is next in line for `sender`; fails when `awaited` is among it and refused. */
  async #postReady(sender: Address, confirmed: bigint, awaited?: Entry): Promise<void> {
    const entries = this.#bySender.get(sender.toString());
    const ready: Promise<void>[] = [];
    let isPredecessorUnderWay = false;
    for (let nonce = confirmed; ; nonce += 1n) {
      const entry = entries?.get(nonce);
      if (entry === undefined) break;
      if (entry.isPosted) {
        isPredecessorUnderWay = true;
        continue;
      }
      // The node that holds the predecessor may be slow to propose it, or gone until its submission expires:
      // till then every block would skip this one again, paid for each time, until it is given up.
      if (entry.isEarly && isPredecessorUnderWay) break;
      this.#unqueue(entry);
      if (entry.resubmissions > 0) {
        this.#metrics.resubmissions.inc();
        void this.#payAgain(entry);
      }
      entry.isPosted = true;
      const posted = this.#post(entry, entry !== awaited);
      if (entry === awaited) ready.push(posted);
    }
    await Promise.all(ready);
  }

  /** Its place was in vain, and paid for. */
  async #payAgain({ requester, raw }: Entry): Promise<void> {
    // While the price is unknown nothing is submitted either.
    const cost = await this.#orderCost(requester, raw.length).catch(() => 0n);
    if (requester !== undefined) this.#quota?.of.spend(requester, cost);
  }

  /** `isPromised`: its wallet was told that it is accepted, so that it is tried again; else the failure is its answer. */
  async #post(entry: Entry, isPromised: boolean): Promise<void> {
    try {
      await this.#submit(entry.raw, { isRepeat: entry.isRepeat });
    } catch (cause) {
      if (isPromised) {
        entry.isPosted = false;
        this.#logger.warn("an accepted transaction could not be submitted yet", {
          hash: toHex(entry.hash),
          reason: reasonOf(cause),
        });
        this.#tryLater(entry.sender);
        return;
      }
      this.#remove(entry);
      // While this one stood in its place, a block may have skipped it.
      if (entry.older?.isPosted === false) this.#tryLater(entry.sender);
      throw rejected(cause);
    }
  }

  #onBlock({ included, skipped, isComplete, waiting = [] }: PoolBlock): void {
    this.#blocks += 1;
    if (!isComplete) this.#postUntold(waiting);
    const touched = new Set<string>(isComplete ? [] : this.#bySender.keys());
    for (const { hash, sender } of included) {
      const entry = this.#byHash.get(toHex(hash));
      touched.add(`0x${toHex(sender)}`);
      if (entry !== undefined) this.#remove(entry);
    }
    for (const { payload, reason: why } of this.#byHash.size === 0 ? [] : skipped) {
      const entry = this.#byHash.get(toHex(keccak_256(payload)));
      if (entry === undefined) continue;
      if (WORTH_ANOTHER_TRY.has(why) && entry.resubmissions < RESUBMISSIONS_MAX) {
        again(entry, why === "NONCE_TOO_HIGH");
      } else this.#lost(entry, why);
      touched.add(entry.sender.toString());
    }
    this.#expire();
    for (const sender of touched) void this.#tryToCatchUp(sender);
  }

  /** After a block that was not told whole: what no submission carries may have been skipped there. */
  #postUntold(waiting: readonly Uint8Array[]): void {
    const later = new Set(waiting.map((raw) => toHex(keccak_256(raw))));
    for (const [hash, entry] of this.#byHash) {
      if (!entry.isPosted || later.has(hash) || this.#isSubmitted(entry.raw)) continue;
      // Executed, it goes when the state is asked, before anything is posted.
      if (entry.resubmissions < RESUBMISSIONS_MAX) again(entry, false);
    }
  }

  /** Once for all of its transactions; what is too old by then is given up. */
  #tryLater(sender: Address): void {
    const key = sender.toString();
    if (this.#retries.has(key)) return;
    const retry = this.#clock.after(POST_RETRY_MS, () => {
      this.#retries.delete(key);
      this.#expire();
      void this.#tryToCatchUp(key);
    });
    this.#retries.set(key, retry);
  }

  async #tryToCatchUp(sender: string): Promise<void> {
    try {
      await this.#catchUp(sender);
    } catch (error) {
      // Only order is lost here: what was overtaken goes when it is too old.
      this.#logger.warn("pending transactions could not be compared with the state", {
        error: String(error),
      });
    }
  }

  /** Forgets what the sender's nonce has overtaken, and posts what has become next. */
  async #catchUp(sender: string): Promise<void> {
    const entries = this.#bySender.get(sender);
    const [first] = entries?.values() ?? [];
    if (entries === undefined || first === undefined) return;
    const account = await this.#chain.account(first.sender);
    for (const newest of entries.values()) {
      if (newest.nonce >= account.nonce) continue;
      for (const entry of sameNonce(newest)) this.#remove(entry);
    }
    await this.#postReady(first.sender, account.nonce);
  }

  /** Why a transaction that was accepted is not pending any more without being executed; undefined if it is none. */
  lostReason(hash: Uint8Array): string | undefined {
    return this.#lostReasons.get(toHex(hash));
  }

  #lost(entry: Entry, why: unknown): void {
    this.#remove(entry);
    this.#lostReasons.set(toHex(entry.hash), reasonOf(why));
    this.#metrics.rpcDropped.inc({ what: "pending_transaction" });
    this.#logger.warn("pending transaction was not included", {
      hash: toHex(entry.hash),
      reason: reasonOf(why),
    });
  }

  #expire(): void {
    const oldest = this.#clock.monotonicMs() - PENDING_AGE_MS;
    for (const entry of this.#byHash.values()) {
      if (entry.addedMs > oldest) return;
      this.#lost(entry, "not seen in a block in time");
    }
  }
}

/** Its place was in vain: it is to be posted once more. */
function again(entry: Entry, isEarly: boolean): void {
  entry.resubmissions += 1;
  entry.isPosted = false;
  entry.isRepeat = true;
  entry.isEarly = isEarly;
}

/** From the newest on. */
function* sameNonce(newest: Entry | undefined): Generator<Entry> {
  for (let entry = newest; entry !== undefined; entry = entry.older) yield entry;
}
