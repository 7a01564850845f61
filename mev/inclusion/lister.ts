/**
 * What an honest validator lists and withdraws in its extension. Policy, not a rule: nobody can see what
 * it holds. Arrival decides the order, so that who waits longest is heard first.
 */
import { bytesEqual } from "../../proto/bytes.ts";
import {
  LISTED_TXS_MAX,
  type ListedTx,
  WITHDRAWN_TXS_MAX,
} from "../../proto/codec/weft-extension.ts";
import { itemBlockBytes } from "../lanes.ts";
import { type DueTx, type Listed, listingKey, listingPrefix } from "./keys.ts";
import { listingWindow, type TallyView } from "./tally.ts";

/** Of the transactions of a list, those of one rollup, while others wait: this part. */
const ROLLUP_PART = 4;
/** Transactions that are looked at for one list: those behind them wait longer than the bound says in any case. */
const LOOKED_AT_MAX = 8_192;
/** Longest wait that an extension can say, ms. */
const AGO_MS_MAX = 0xffff_ffff;

/** A transaction of the pool that a block could hold. */
export interface HeldTx extends Listed {
  /** Since this node first saw it, ms. */
  readonly agoMs: number;
  /** Rollups that it is for, in hex; none: those of no rollup count as one. */
  readonly rollupKeys: readonly string[];
}

export interface ListerLimits {
  /** Consensus address of the lister, 20 bytes. */
  readonly validator: Uint8Array;
  /** Height that is voted on. */
  readonly height: number;
  /** Bytes that OBLIGATED takes of a block: nothing larger is listed. */
  readonly roomBytes: number;
  /** Most transactions of a list; what fits the extension may be less. */
  readonly countMax?: number;
  /** Whether there is room to keep its body. */
  readonly canKeep: (held: HeldTx) => boolean;
}

/**
 * Of what the pool holds, oldest first, what to list, the most wanted first. Leaves out what the state says
 * this validator lists already, what could not stand in OBLIGATED, and of one rollup what would take more
 * than a quarter while others wait. What was said in the last vote is said again until the state has it: the
 * proposer may leave lists out, and one height later is too late for what the bound promises. Reads no more of
 * `held` than it needs.
 */
export function chooseListed(
  held: Iterable<HeldTx>,
  tally: Pick<TallyView, "listing" | "powers">,
  { validator, height, roomBytes, countMax = LISTED_TXS_MAX, canKeep }: ListerLimits,
): readonly ListedTx[] {
  const forgottenFrom = height - listingWindow(tally.powers.count);
  /** Whether listing it says something new. */
  function wants(one: Listed): boolean {
    const listing = tally.listing(listingKey(one));
    if (listing === undefined) return true;
    const isOwn = (address: Uint8Array): boolean => bytesEqual(address, validator);
    if (listing.withdrawn.some(isOwn) || !listing.listers.some(isOwn)) return true;
    // Forgotten with the block that is voted on: the next one opens it anew.
    return listing.dueHeight === 0 && listing.firstHeight <= forgottenFrom;
  }
  const chosen: HeldTx[] = [];
  const surplus: HeldTx[] = [];
  const ofRollup = new Map<string, number>();
  const perRollupMax = Math.max(1, Math.floor(countMax / ROLLUP_PART));
  let lookedAt = 0;
  for (const one of held) {
    if (chosen.length >= countMax || ++lookedAt > LOOKED_AT_MAX) break;
    if (itemBlockBytes(one.size) > roomBytes) continue;
    const keys = one.rollupKeys.length === 0 ? NO_ROLLUP : one.rollupKeys;
    const isSurplus = keys.some((key) => (ofRollup.get(key) ?? 0) >= perRollupMax);
    // The cheap questions first: a pool may be full of one rollup.
    if (isSurplus && surplus.length >= countMax) continue;
    if (!wants(one) || !canKeep(one)) continue;
    if (isSurplus) {
      surplus.push(one);
      continue;
    }
    for (const key of keys) ofRollup.set(key, (ofRollup.get(key) ?? 0) + 1);
    chosen.push(one);
  }
  return [...chosen, ...surplus]
    .slice(0, countMax)
    .map(({ id, size, agoMs }) => ({ id, size, receivedAgoMs: saturated(agoMs) }));
}

const NO_ROLLUP: readonly string[] = [""];

/**
 * Ids of what is due by `untilHeight` that this validator cannot put into a block, and has not said so yet;
 * ascending. `can`: whether it holds the transaction and its state would take it.
 */
export function chooseWithdrawn(
  tally: Pick<TallyView, "listing" | "due">,
  validator: Uint8Array,
  untilHeight: number,
  can: (due: DueTx) => boolean,
): readonly Uint8Array[] {
  const ids = new Map<string, Uint8Array>();
  for (const due of tally.due()) {
    if (due.dueHeight > untilHeight || ids.size >= WITHDRAWN_TXS_MAX) break;
    const listing = tally.listing(listingKey(due));
    if (listing === undefined || can(due)) continue;
    if (listing.withdrawn.some((address) => bytesEqual(address, validator))) continue;
    ids.set(listingPrefix(due.id), due.id);
  }
  return [...ids].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, id]) => id);
}

function saturated(ms: number): number {
  return Math.min(AGO_MS_MAX, Math.max(0, Math.floor(ms)));
}
