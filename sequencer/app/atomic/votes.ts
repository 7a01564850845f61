/**
 * Actions 73 and 74 (docs/formats.md, "Atomic execution"; docs/adr/0023). They are strict: with a fault they may not
 * stand in a block. One that contradicts what its executor has said has no fault: it stands there as its own evidence.
 */
import { voteDigest } from "../../../mev/atomic/digest.ts";
import { bytesEqual, compareBytes, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import type {
  AtomicLegState,
  AtomicState,
  AtomicVoteState,
} from "../../../proto/codec/atomic-state.ts";
import {
  AtomicOutcome,
  type Box,
  type ExecutorReport,
  type ExecutorVote,
  Verdict,
} from "../../../proto/codec/atomic-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { ATOMIC } from "../state/tables.ts";
import { atomicOf } from "./bundles.ts";
import { reportEvent, voteEvent } from "./events.ts";
import { slashExecutor, votingFault } from "./executors.ts";

/** An executor's seat in the committee of a leg. */
interface Seat {
  /** Of the bundle, hex. */
  readonly id: string;
  readonly state: AtomicState;
  /** Index of the leg. */
  readonly at: number;
  readonly leg: AtomicLegState;
  /** Index into its committee. */
  readonly executor: number;
  readonly vote: AtomicVoteState | undefined;
}

/** Why the vote may not stand in a block. `key`: of the sender. */
export function voteFault(
  reader: StakingReader,
  key: Uint8Array,
  action: ExecutorVote,
): Failure | undefined {
  const seat = seatOf(reader, key, action);
  if ("code" in seat) return seat;
  const { state, vote } = seat;
  // A decision in the block of its bundle would come before what it is about.
  if (state.placedHeight >= reader.height) {
    return failure("ATOMIC_STATE", `it stands in block ${state.placedHeight} itself`);
  }
  if (vote !== undefined) {
    if (!vote.isStruck && !isSame(vote, action)) return undefined;
    return failure("EXECUTOR_DONE", "it has voted");
  }
  if (state.isSealed) return failure("ATOMIC_STATE", "nobody has opened it yet");
  if (state.decidedHeight > 0) {
    return failure("ATOMIC_STATE", `it was decided in block ${state.decidedHeight}`);
  }
  return (
    votingFault(reader, toHex(action.rollupId), toHex(key)) ??
    boxesFault(state, action.rollupId, [...action.outbox, ...action.inbox])
  );
}

/** Counts it, or slashes who contradicts itself: then neither vote counts. A decision that stands, stands. */
export function castVote(ctx: StakingContext, key: Uint8Array, action: ExecutorVote): void {
  const seat = seatOf(ctx, key, action);
  assert(!("code" in seat), "a vote without a fault has a seat");
  const { id, leg, vote, executor } = seat;
  const rollupId = toHex(action.rollupId);
  const { verdict, reason } = action;
  if (vote !== undefined) {
    setVote(ctx, seat, { ...vote, isStruck: true }, leg.effects);
    const why = { bundleId: id, reason: "it has voted twice, and not the same" };
    return slashExecutor(ctx, rollupId, toHex(key), why);
  }
  const digest = digestOf(action);
  const isNew =
    verdict === Verdict.YES && !leg.effects.some((one) => bytesEqual(one.digest, digest));
  const { effectsHash, outbox, inbox } = action;
  const effects = isNew
    ? [...leg.effects, { digest, effectsHash, outbox, inbox }].sort((a, b) =>
        compareBytes(a.digest, b.digest),
      )
    : leg.effects;
  const said = { executor, verdict, reason, digest, isStruck: false, isReported: false };
  setVote(ctx, seat, said, effects);
  ctx.emit(voteEvent(id, { rollupId, key: toHex(key), verdict, reason }));
}

/** Why the report may not stand in a block. `key`: of the sender. */
export function reportFault(
  reader: StakingReader,
  key: Uint8Array,
  action: ExecutorReport,
): Failure | undefined {
  const seat = seatOf(reader, key, action);
  if ("code" in seat) return seat;
  const { state, vote } = seat;
  if (state.decidedHeight === 0) return failure("ATOMIC_STATE", "it is not decided yet");
  if (vote === undefined) return failure("EXECUTOR_NO_VOTE");
  if (!vote.isStruck && !vote.isReported) return undefined;
  return failure("EXECUTOR_DONE", vote.isStruck ? "it is out for good" : "it has reported");
}

/** Takes note of it, or slashes who has done something else than was decided. */
export function takeReport(ctx: StakingContext, key: Uint8Array, action: ExecutorReport): void {
  const seat = seatOf(ctx, key, action);
  assert(!("code" in seat) && seat.vote !== undefined, "a report without a fault has a vote");
  const { id, leg, state, vote } = seat;
  const rollupId = toHex(action.rollupId);
  const reason = contradiction(state, leg, action);
  if (reason !== undefined) {
    setVote(ctx, seat, { ...vote, isStruck: true }, leg.effects);
    return slashExecutor(ctx, rollupId, toHex(key), { bundleId: id, reason });
  }
  setVote(ctx, seat, { ...vote, isReported: true }, leg.effects);
  const { outcome, blockHash } = action;
  ctx.emit(reportEvent(id, { rollupId, key: toHex(key), outcome, blockHash }));
}

/** What a report contradicts, or undefined. */
function contradiction(
  { outcome }: AtomicState,
  leg: AtomicLegState,
  report: ExecutorReport,
): string | undefined {
  if (report.outcome !== outcome) return "its report contradicts the decision";
  if (outcome !== AtomicOutcome.COMMIT) return undefined;
  const decided = leg.effects.find(({ digest }) => bytesEqual(digest, leg.decided));
  assert(decided !== undefined, "a leg of a bundle that is in force has a quorum of YES");
  // A vote for other effects was struck when the bundle was decided.
  if (bytesEqual(decided.effectsHash, report.effectsHash)) return undefined;
  return "its report contradicts the effects that were decided";
}

/** Where the sender sits, or why it sits nowhere. */
function seatOf(
  reader: StakingReader,
  key: Uint8Array,
  { bundleId, rollupId }: Pick<ExecutorVote, "bundleId" | "rollupId">,
): Seat | Failure {
  const id = toHex(bundleId);
  const state = atomicOf(reader, id);
  const at = state?.legs.findIndex((leg) => bytesEqual(leg.rollupId, rollupId)) ?? -1;
  const leg = state?.legs[at];
  if (state === undefined || leg === undefined) return failure("ATOMIC_UNKNOWN", id);
  const executor = leg.committee.findIndex((member) => bytesEqual(member, key));
  if (executor < 0) return failure("EXECUTOR_NOT_MEMBER", toHex(key));
  const vote = leg.votes.find((one) => one.executor === executor);
  return { id, state, at, leg, executor, vote };
}

function setVote(
  ctx: StakingContext,
  { id, state, at, leg }: Seat,
  vote: AtomicVoteState,
  effects: AtomicLegState["effects"],
): void {
  const votes = [...leg.votes.filter(({ executor }) => executor !== vote.executor), vote].sort(
    (a, b) => a.executor - b.executor,
  );
  const legs = state.legs.with(at, { ...leg, votes, effects });
  ctx.records.set(ATOMIC, id, { ...state, legs });
}

function isSame(vote: AtomicVoteState, action: ExecutorVote): boolean {
  const { verdict, reason, digest } = vote;
  return (
    verdict === action.verdict && reason === action.reason && bytesEqual(digest, digestOf(action))
  );
}

function digestOf(action: ExecutorVote): Uint8Array {
  return action.verdict === Verdict.YES ? voteDigest(action) : EMPTY_BYTES;
}

/** Boxes are of the other rollups of the bundle. */
function boxesFault(
  { legs }: AtomicState,
  own: Uint8Array,
  boxes: readonly Box[],
): Failure | undefined {
  const strange = boxes.find(
    ({ rollupId }) =>
      bytesEqual(rollupId, own) || !legs.some((leg) => bytesEqual(leg.rollupId, rollupId)),
  );
  return strange && failure("EXECUTOR_BOXES", toHex(strange.rollupId));
}
