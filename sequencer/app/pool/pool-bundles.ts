/**
 * What a pool knows of bundles that wait, beside what all transactions have in common: which is the newest of its
 * replacement key, and what its sender has cancelled before a block says so. It makes no difference in which
 * order versions and cancellations come (spec/mev.md A4, B9).
 */
import { keyFault, nonceFault } from "../../../mev/bundle/replacement.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { BUNDLE_AHEAD_MAX, type CancelBundles } from "../../../proto/codec/mev-tx.ts";
import { type AnyBundle, failed } from "../bundles/faults.ts";
import { type Failure, failure } from "../codes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import {
  BUNDLE_VERSIONS_KEPT_MAX,
  CANCELS_KEPT_MAX,
  POOL_BUNDLES_PER_ACCOUNT_MAX,
  POOL_BUNDLES_PER_BLOCK_MAX,
} from "../limits.ts";
import type { PoolEntry } from "./pool-account.ts";

/** Something that counts until a height, itself included. */
interface Kept {
  readonly value: bigint;
  readonly untilHeight: number;
}

export class PoolBundles {
  /** Pending bundles by `versionKey`: one each. */
  readonly #pending = new Map<string, PoolEntry>();
  /** How many bundles of an account wait, and how many have come since the last block. */
  readonly #waiting = new Map<string, number>();
  readonly #taken = new Map<string, number>();
  /** Highest sequence seen, by `versionKey`: an older version stays away although the newest one has left. */
  readonly #newest = new Map<string, Kept>();
  /** Sequences that were cancelled, by `versionKey`; cancel nonces, by account. */
  readonly #cancelledKeys = new Map<string, Kept>();
  readonly #cancelledNonces = new Map<string, Kept>();
  #count = 0;
  #forgotten = 0;

  /** Bundles that wait. */
  get count(): number {
    return this.#count;
  }

  /** Bundles of one account that wait. */
  waitingOf(account: string): number {
    return this.#waiting.get(account) ?? 0;
  }

  /** Cancellations that were forgotten before their height because there were too many, since the last call. */
  takeForgotten(): number {
    const forgotten = this.#forgotten;
    this.#forgotten = 0;
    return forgotten;
  }

  /** Why a bundle is refused because of what else has come; undefined for other transactions. */
  fault(tx: DecodedTx): Failure | undefined {
    const bundle = bundleIn(tx);
    if (bundle === undefined) return undefined;
    return this.#cancelFault(tx, bundle) ?? this.#versionFault(tx, bundle) ?? this.#countFault(tx);
  }

  /** The older version that it takes the place of. */
  replacedBy(tx: DecodedTx): PoolEntry | undefined {
    const key = versionKeyOf(tx);
    return key === undefined ? undefined : this.#pending.get(key);
  }

  /** A bundle, or anything else, has come into the pool. */
  added(entry: PoolEntry): void {
    const { tx } = entry;
    const bundle = bundleIn(tx);
    if (bundle === undefined) return;
    this.#count++;
    count(this.#waiting, tx.sender, 1);
    count(this.#taken, tx.sender, 1);
    const key = versionKeyOf(tx);
    if (key === undefined || bundle.replacement === undefined) return;
    this.#pending.set(key, entry);
    const { sequence: value } = bundle.replacement;
    keep(this.#newest, key, { value, untilHeight: bundle.maxHeight }, BUNDLE_VERSIONS_KEPT_MAX);
  }

  /** It has left. */
  removed(entry: PoolEntry): void {
    const { tx } = entry;
    if (bundleIn(tx) === undefined) return;
    this.#count--;
    count(this.#waiting, tx.sender, -1);
    const key = versionKeyOf(tx);
    if (key !== undefined && this.#pending.get(key) === entry) this.#pending.delete(key);
  }

  /** A cancellation has come into the pool of which nothing but a block is left to wait for: it counts here at once. */
  cancel(
    sender: string,
    { key, sequence, untilHeight, cancelNonce }: CancelBundles,
    height: number,
  ): void {
    const [map, of, kept] =
      key.length === 0
        ? // A bundle of now does not last longer.
          [
            this.#cancelledNonces,
            sender,
            { value: cancelNonce, untilHeight: height + BUNDLE_AHEAD_MAX },
          ]
        : [this.#cancelledKeys, versionKey(sender, key), { value: sequence, untilHeight }];
    this.#forgotten += keep(map, of, kept, CANCELS_KEPT_MAX);
  }

  /** Why one that waits is void by what its sender has cancelled here. */
  cancelledFault(tx: DecodedTx): Failure | undefined {
    const bundle = bundleIn(tx);
    return bundle === undefined ? undefined : this.#cancelFault(tx, bundle);
  }

  /** After the block at `height`. */
  advance(height: number): void {
    this.#taken.clear();
    for (const map of [this.#newest, this.#cancelledKeys, this.#cancelledNonces]) {
      for (const [key, { untilHeight }] of map) if (untilHeight <= height) map.delete(key);
    }
  }

  #cancelFault(tx: DecodedTx, { replacement, cancelNonce }: AnyBundle): Failure | undefined {
    const below = this.#cancelledNonces.get(tx.sender);
    const byNonce = below && nonceFault(below.value, cancelNonce);
    if (byNonce !== undefined || replacement === undefined) return failed(byNonce);
    const cancelled = this.#cancelledKeys.get(versionKey(tx.sender, replacement.key));
    if (cancelled === undefined) return undefined;
    const { value: sequence, untilHeight } = cancelled;
    return failed(
      keyFault({ sequence, isUsed: false, untilHeight: Height(untilHeight) }, replacement),
    );
  }

  #versionFault(tx: DecodedTx, { replacement }: AnyBundle): Failure | undefined {
    const key = versionKeyOf(tx);
    if (replacement === undefined || key === undefined) return undefined;
    const { sequence } = replacement;
    const newest = this.#newest.get(key)?.value ?? -1n;
    // The newest one may come again when it has left; another one of its sequence may not push it out.
    if (sequence > newest || (sequence === newest && !this.#pending.has(key))) return undefined;
    return failure("BUNDLE_SUPERSEDED", `sequence ${newest} of its key has come, got ${sequence}`);
  }

  #countFault(tx: DecodedTx): Failure | undefined {
    const isReplacement = this.replacedBy(tx) !== undefined;
    if (!isReplacement && this.waitingOf(tx.sender) >= POOL_BUNDLES_PER_ACCOUNT_MAX) {
      return failure("POOL_ACCOUNT_FULL", `at most ${POOL_BUNDLES_PER_ACCOUNT_MAX} bundles wait`);
    }
    // A replacement need not pay more, so that something else has to bound them.
    if ((this.#taken.get(tx.sender) ?? 0) < POOL_BUNDLES_PER_BLOCK_MAX) return undefined;
    return failure(
      "POOL_ACCOUNT_FULL",
      `at most ${POOL_BUNDLES_PER_BLOCK_MAX} bundles between two blocks; send it after the next one`,
    );
  }
}

/** First block that may hold the transaction, if a bundle says so; 0: any. */
export function firstHeightOf(tx: DecodedTx): number {
  const { action } = tx.tx.body;
  return action.kind === "bid" ? action.minHeight : (bundleIn(tx)?.minHeight ?? 0);
}

function bundleIn({ tx }: DecodedTx): AnyBundle | undefined {
  const { action } = tx.body;
  return action.kind === "bundle" || action.kind === "sealedBundle" ? action : undefined;
}

function versionKeyOf(tx: DecodedTx): string | undefined {
  const replacement = bundleIn(tx)?.replacement;
  return replacement && versionKey(tx.sender, replacement.key);
}

function versionKey(sender: string, key: Uint8Array): string {
  return `${sender}/${toHex(key)}`;
}

function count(map: Map<string, number>, key: string, by: number): void {
  const sum = (map.get(key) ?? 0) + by;
  if (sum === 0) map.delete(key);
  else map.set(key, sum);
}

/** Keeps the higher value and the later height; how many others were dropped for it, the oldest first. */
function keep(map: Map<string, Kept>, key: string, kept: Kept, countMax: number): number {
  const before = map.get(key);
  map.delete(key);
  map.set(key, {
    value: before !== undefined && before.value > kept.value ? before.value : kept.value,
    untilHeight: Math.max(before?.untilHeight ?? 0, kept.untilHeight),
  });
  let dropped = 0;
  for (const oldest of map.keys()) {
    if (map.size <= countMax) break;
    map.delete(oldest);
    dropped++;
  }
  return dropped;
}
