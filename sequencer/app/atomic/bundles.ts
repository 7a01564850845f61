/**
 * Atomic bundles in the state: placed with their block, opened or dropped when they were sealed (docs/adr/0023). `id`: of
 * the bundle, 64 lower-case hex characters.
 */
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import {
  ATOMIC_OPEN_MAX,
  type AtomicCountState,
  type AtomicState,
} from "../../../proto/codec/atomic-state.ts";
import type { Bundle, SealedBundle } from "../../../proto/codec/mev-tx.ts";
import type { ParamsState, RollupState } from "../../../proto/codec/weft-state.ts";
import { assert } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import type { ActionReader } from "../execution/action-rules.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { policyAt } from "../state/rollup-policy.ts";
import {
  ATOMIC,
  ATOMIC_COUNTS,
  ATOMIC_OPEN,
  ATOMIC_SENDERS,
  atomicOpenKey,
  atomicSenderKey,
  numberKey,
} from "../state/tables.ts";
import { droppedEvent, preparedEvent } from "./events.ts";
import { committeeOf } from "./executors.ts";
import { ATOMIC_OPEN_TOTAL_MAX, ATOMIC_SENDER_OPEN_MAX } from "./limits.ts";

type AnyBundle = Pick<Bundle | SealedBundle, "legs" | "atomic">;

export function atomicOf(
  { records }: Pick<StakingReader, "records">,
  id: string,
): AtomicState | undefined {
  return records.get(ATOMIC, id);
}

/** nweft that a bundle of level 1 holds for its locks, their rent for the blocks of votes included; 0 for others. */
export function atomicBond(
  { atomic }: Pick<AnyBundle, "atomic">,
  { atomicLockBond, atomicLockRent }: Pick<ParamsState, "atomicLockBond" | "atomicLockRent">,
): bigint {
  if (atomic === undefined) return 0n;
  const { locks, voteBlocks } = atomic;
  const count = locks.reduce((sum, of) => sum + of, 0);
  return BigInt(count) * (atomicLockBond + atomicLockRent * BigInt(voteBlocks));
}

/**
 * Why the block at hand may not hold a bundle with these terms; none of level 0 has such a fault. `sender`: account, 40
 * lower-case hex characters.
 */
export function atomicFault(
  state: ActionReader,
  { legs, atomic }: AnyBundle,
  { height, sender }: { readonly height: number; readonly sender: string },
): Failure | undefined {
  if (atomic === undefined) return undefined;
  for (const { rollupId } of legs) {
    const id = toHex(rollupId);
    const rollup = state.rollup(id);
    if (rollup === undefined) return failure("ATOMIC_ROLLUP", `${id} is not registered`);
    const { executorQuorum, executorKeys, atomicPartners } = policyAt(rollup, Height(height));
    if (executorQuorum === 0) {
      return failure("ATOMIC_ROLLUP", takesNoPart(rollup));
    }
    const stranger = strangerTo(atomicPartners, id, legs);
    if (stranger !== undefined) {
      return failure("ATOMIC_PARTNER", `${rollup.name} does not name ${toHex(stranger)}`);
    }
    const open = openCount(state.staking, id);
    if (open >= ATOMIC_OPEN_MAX) return failure("ATOMIC_FULL", `${rollup.name} has ${open}`);
    const own = senderCount(state.staking, id, sender);
    if (own >= ATOMIC_SENDER_OPEN_MAX) {
      return failure("ATOMIC_SENDER", `${rollup.name} has ${own} of it`);
    }
    // The dearest comes last: pools ask again about what waits for a place.
    const { length } = committeeOf(state.staking, id, executorKeys);
    if (length < executorQuorum) {
      return failure(
        "ATOMIC_ROLLUP",
        `${rollup.name} has ${length} executors that may vote, ${executorQuorum} are needed`,
      );
    }
  }
  const max = ATOMIC_OPEN_TOTAL_MAX;
  const { length } = state.staking.records.keys(ATOMIC_OPEN, "", { max });
  return length < max ? undefined : failure("ATOMIC_FULL", `there are ${length} of all rollups`);
}

/** A change of policy waits for its height: who has just opted in is told when it counts. */
function takesNoPart({ name, pending }: RollupState): string {
  const reason = `${name} takes part in no atomic execution`;
  const isComing = pending !== undefined && pending.policy.executorQuorum > 0;
  return isComing ? `${reason} before block ${pending.effectiveHeight}` : reason;
}

/** The first rollup of the legs that this one does not let stand beside it; undefined: it takes all of them. */
function strangerTo(
  partners: readonly Uint8Array[],
  own: string,
  legs: AnyBundle["legs"],
): Uint8Array | undefined {
  if (partners.length === 0) return undefined;
  const known = new Set(partners.map(toHex)).add(own);
  return legs.find(({ rollupId }) => !known.has(toHex(rollupId)))?.rollupId;
}

/** Bundles that name the rollup and are not decided. */
export function openCount({ records }: Pick<StakingReader, "records">, rollupId: string): number {
  return records.get(ATOMIC_COUNTS, rollupId)?.open ?? 0;
}

/** Those of them that the account has sent. */
export function senderCount(
  { records }: Pick<StakingReader, "records">,
  rollupId: string,
  sender: string,
): number {
  return records.get(ATOMIC_SENDERS, atomicSenderKey(rollupId, sender))?.open ?? 0;
}

/** Holds the bond of a bundle of level 1; its place follows (`placeAtomic`). */
export function holdBond(
  ctx: StakingContext,
  sender: string,
  action: Pick<AnyBundle, "atomic">,
): void {
  const bond = atomicBond(action, ctx.params);
  if (bond > 0n) ctx.collect(sender, "atomicBonds", bond);
}

/** A bundle has its place in the block under way; if it is of level 1, its executors may vote from here on. */
export function placeAtomic(
  ctx: StakingContext & { readonly proposer: string },
  idBytes: Uint8Array,
  action: Bundle | SealedBundle,
  sender: string,
): void {
  const { atomic: terms } = action;
  if (terms === undefined) return;
  const id = toHex(idBytes);
  assert(atomicOf(ctx, id) === undefined, "ids of bundles of level 1 are their transactions'");
  const index = ctx.records.keys(ATOMIC_OPEN, `${numberKey(ctx.height)}/`).length;
  const legs = action.legs.map(({ rollupId }) => {
    const rollup = ctx.rollup(toHex(rollupId));
    assert(rollup !== undefined, "rollups of a bundle were looked up before");
    const { executorQuorum: quorum, executorKeys } = policyAt(rollup, Height(ctx.height));
    const committee = committeeOf(ctx, toHex(rollupId), executorKeys);
    return { rollupId, quorum, committee, votes: [], effects: [], decided: EMPTY_BYTES };
  });
  const state: AtomicState = {
    placedHeight: Height(ctx.height),
    index,
    sender: fromHex(sender),
    proposer: fromHex(ctx.proposer),
    terms,
    bond: atomicBond(action, ctx.params),
    isSealed: action.kind === "sealedBundle",
    filledHeight: Height(0),
    legs,
    decidedHeight: Height(0),
    outcome: 0,
    reason: 0,
  };
  ctx.records.set(ATOMIC, id, state);
  ctx.records.set(ATOMIC_OPEN, atomicOpenKey(ctx.height, index, id), true);
  for (const { rollupId } of legs) addToCounts(ctx, toHex(rollupId), sender, 1);
  ctx.emit(preparedEvent(id, state));
}

/** Whether any bundle of level 1 waits for its decision: on most chains, and in most blocks, none does. */
export function isAnyOpen({ records }: Pick<StakingReader, "records">): boolean {
  return records.keys(ATOMIC_OPEN, "", { max: 1 }).length > 0;
}

/** A sealed bundle is resolved: its executors may vote, or there is nothing to execute and the bond goes back. */
export function onBundleResolved(
  ctx: StakingContext,
  idBytes: Uint8Array,
  isOpened: boolean,
): void {
  if (!isAnyOpen(ctx)) return;
  const id = toHex(idBytes);
  const state = atomicOf(ctx, id);
  if (state === undefined) return;
  if (isOpened) {
    ctx.records.set(ATOMIC, id, { ...state, isSealed: false });
    return;
  }
  ctx.records.set(ATOMIC, id, undefined);
  closeAtomic(ctx, id, state);
  ctx.pay("atomicBonds", toHex(state.sender), state.bond);
  ctx.emit(droppedEvent(id, state.placedHeight));
}

/** It waits for no decision any more. */
export function closeAtomic(
  ctx: Pick<StakingContext, "records">,
  id: string,
  { placedHeight, index, legs, sender }: AtomicState,
): void {
  ctx.records.set(ATOMIC_OPEN, atomicOpenKey(placedHeight, index, id), undefined);
  for (const { rollupId } of legs) addToCounts(ctx, toHex(rollupId), toHex(sender), -1);
}

function addToCounts(
  { records }: Pick<StakingContext, "records">,
  rollupId: string,
  sender: string,
  change: 1 | -1,
): void {
  const open = openCount({ records }, rollupId) + change;
  assert(open >= 0 && open <= ATOMIC_OPEN_MAX, "no more are open than may be");
  records.set(ATOMIC_COUNTS, rollupId, countOf(open));
  // What was placed before there was this count is not in it.
  const own = Math.max(0, senderCount({ records }, rollupId, sender) + change);
  assert(own <= ATOMIC_SENDER_OPEN_MAX, "no sender has more than its part");
  records.set(ATOMIC_SENDERS, atomicSenderKey(rollupId, sender), countOf(own));
}

function countOf(open: number): AtomicCountState | undefined {
  return open === 0 ? undefined : { open };
}
