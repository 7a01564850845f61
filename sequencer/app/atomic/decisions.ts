/**
 * At the end of a block: what becomes of each bundle of level 1 that waits, in order of their places, and who has not
 * reported what it did with an earlier one (docs/adr/0023).
 */
import { type Decided, decide } from "../../../mev/atomic/decide.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import {
  ATOMIC_DECISION_CODEC,
  atomicDetailHash,
  LegVerdict,
} from "../../../proto/codec/atomic-decision.ts";
import type {
  AtomicLegState,
  AtomicState,
  AtomicVoteState,
} from "../../../proto/codec/atomic-state.ts";
import { AtomicOutcome } from "../../../proto/codec/atomic-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { assert } from "../../../proto/errors.ts";
import type { DecisionEntry } from "../../../proto/verify/manifest.ts";
import { creditMev } from "../distribution/mev-revenue.ts";
import type { StakingContext } from "../staking/context.ts";
import { ATOMIC, ATOMIC_HEIGHTS, ATOMIC_OPEN, bundleOfKey, heightKey } from "../state/tables.ts";
import { atomicOf, closeAtomic, isAnyOpen } from "./bundles.ts";
import { decidedEvent } from "./events.ts";
import { jailExecutor, slashExecutor } from "./executors.ts";
import { hiddenBlocksMax, lowestHidden } from "./hidden.ts";

/** What a block decides about one bundle. */
export interface DecidedBundle {
  /** Of all legs: the manifest tells each. */
  readonly rollupIds: readonly Uint8Array[];
  readonly decision: DecisionEntry;
  /** Encoded `AtomicDecision`. */
  readonly detail: Uint8Array;
}

/** After everything that resolves what is hidden. Blocks in which nothing waits do nothing here. */
export function decideBundles(ctx: StakingContext): readonly DecidedBundle[] {
  if (!isAnyOpen(ctx)) return NOTHING;
  const decided: DecidedBundle[] = [];
  let hidden: ReadonlyMap<string, number> | undefined;
  // Keys ascend by place.
  for (const key of ctx.records.keys(ATOMIC_OPEN)) {
    const id = bundleOfKey(key);
    let state = atomicOf(ctx, id);
    assert(state !== undefined, "a bundle that waits has its record");
    if (state.filledHeight === 0 && !state.isSealed) {
      hidden ??= lowestHidden(ctx);
      if (isFilled(state, hidden)) {
        state = { ...state, filledHeight: Height(ctx.height) };
        ctx.records.set(ATOMIC, id, state);
      }
    }
    const found = decide(state, ctx.height);
    if (found !== undefined) decided.push(settle(ctx, id, state, found));
  }
  return decided;
}

const NOTHING: readonly DecidedBundle[] = [];

function isFilled(
  { placedHeight, legs }: AtomicState,
  hidden: ReadonlyMap<string, number>,
): boolean {
  return legs.every(({ rollupId }) => {
    const lowest = hidden.get(toHex(rollupId));
    return lowest === undefined || lowest > placedHeight;
  });
}

function settle(
  ctx: StakingContext,
  id: string,
  state: AtomicState,
  { decision, isSenderFault }: Decided,
): DecidedBundle {
  closeAtomic(ctx, id, state);
  const { outcome, reason } = decision;
  const decidedHeight = Height(ctx.height);
  const legs = state.legs.map((leg, at): AtomicLegState => {
    const decided = decision.legs[at];
    const settled = { ...leg, decided: decided?.digest ?? EMPTY_BYTES };
    if (decided === undefined || outcome !== AtomicOutcome.COMMIT) return settled;
    return { ...settled, votes: withoutLies(ctx, id, leg, decided.effectsHash) };
  });
  ctx.records.set(ATOMIC, id, { ...state, legs, decidedHeight, outcome, reason, bond: 0n });
  // A rollup learns of the decision when the block that made it is open.
  const due = ctx.height + hiddenBlocksMax(ctx) + ctx.params.atomicReportBlocks;
  ctx.records.set(ATOMIC_HEIGHTS, heightKey(due, id), true);
  const rents = rentsOf(ctx, state);
  const rent = rents.reduce((sum, one) => sum + one, 0n);
  const lost = lostBond(ctx, state.bond - rent, decision, isSenderFault);
  creditBond(ctx, state, decision.legs, { rents, lost });
  ctx.pay("atomicBonds", toHex(state.sender), state.bond - rent - lost);
  ctx.emit(decidedEvent(id, state.placedHeight, decision, { rent, lost }));
  const detail = ATOMIC_DECISION_CODEC.encode(decision);
  return {
    rollupIds: state.legs.map(({ rollupId }) => rollupId),
    decision: {
      subject: fromHex(id),
      outcome,
      height: state.placedHeight,
      detailHash: atomicDetailHash(detail),
    },
    detail,
  };
}

/**
 * What a leg does is the same for everybody who runs it: who has voted for other effects than a quorum, and those are in
 * force, has lied. It is slashed at once, because it could keep quiet about what it did.
 */
function withoutLies(
  ctx: StakingContext,
  id: string,
  { rollupId, committee, votes, effects }: AtomicLegState,
  decided: Uint8Array,
): readonly AtomicVoteState[] {
  return votes.map((vote) => {
    const { executor, isStruck, digest } = vote;
    const said = effects.find((one) => bytesEqual(one.digest, digest));
    const member = committee[executor];
    if (isStruck || said === undefined || member === undefined) return vote;
    if (bytesEqual(said.effectsHash, decided)) return vote;
    const why = { bundleId: id, reason: "it has voted for other effects than those in force" };
    slashExecutor(ctx, toHex(rollupId), toHex(member), why);
    return { ...vote, isStruck: true };
  });
}

/**
 * What each leg pays for what it may have held, for each block since its own, whatever comes of it; together no more than
 * the bond. Gas of a leg counts as locks do: executors run no leg that asks for more than its locks stand for.
 */
function rentsOf(
  { params, height }: StakingContext,
  { bond, terms, placedHeight }: AtomicState,
): readonly bigint[] {
  const ofLock = params.atomicLockRent * BigInt(height - placedHeight);
  let left = bond;
  return terms.locks.map((locks) => {
    const due = BigInt(locks) * ofLock;
    const rent = due < left ? due : left;
    left -= rent;
    return rent;
  });
}

/**
 * Of the bond without the rents: all of it when the sender is at fault. Otherwise, of an abort, a rent for those that held locks for nothing: whoever
 * has an executor of its own could make bundles fail by silence, and hold locks of others for free.
 */
function lostBond(
  { params }: StakingContext,
  bond: bigint,
  { outcome, legs }: Decided["decision"],
  isSenderFault: boolean,
): bigint {
  if (isSenderFault) return bond;
  const isHeld = legs.some(({ verdict }) => verdict === LegVerdict.YES);
  if (outcome === AtomicOutcome.COMMIT || !isHeld) return 0n;
  return (bond * BigInt(params.atomicRentBps)) / BigInt(BASIS_POINTS);
}

/** To each rollup the rent of its leg; what is lost to those that were ready, or to all if none was. */
function creditBond(
  ctx: StakingContext,
  { proposer }: AtomicState,
  legs: Decided["decision"]["legs"],
  { rents, lost }: { readonly rents: readonly bigint[]; readonly lost: bigint },
): void {
  const ready = legs.filter(({ verdict }) => verdict === LegVerdict.YES);
  const paid = ready.length > 0 ? ready : legs;
  const count = BigInt(paid.length);
  for (const [at, leg] of legs.entries()) {
    const place = paid.indexOf(leg);
    const extra = BigInt(place) < lost % count ? 1n : 0n;
    const part = place < 0 ? 0n : lost / count + extra;
    const rent = rents[at] ?? 0n;
    creditMev(ctx, toHex(leg.rollupId), rent + part, "bond", toHex(proposer));
  }
}

/** At the end of a block: executors that voted and have not reported are jailed, and the bundles are forgotten. */
export function endReports(ctx: StakingContext): void {
  const keys = ctx.records.keys(ATOMIC_HEIGHTS, heightKey(ctx.height, ""));
  for (const key of keys) {
    const id = bundleOfKey(key);
    const state = atomicOf(ctx, id);
    assert(state !== undefined, "a bundle whose reports are due has its record");
    ctx.records.set(ATOMIC_HEIGHTS, key, undefined);
    ctx.records.set(ATOMIC, id, undefined);
    for (const { rollupId, committee, votes } of state.legs) {
      for (const { executor, isStruck, isReported } of votes) {
        const member = committee[executor];
        if (isStruck || isReported || member === undefined) continue;
        jailExecutor(ctx, toHex(rollupId), toHex(member), id);
      }
    }
  }
}
