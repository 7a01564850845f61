/**
 * What becomes of an atomic bundle: a pure function of the votes that stand in the state, the same for every validator
 * (spec/atomic-execution.md, level 1; docs/adr/0023). The log of blocks is the coordinator of a two-phase commit, so
 * that nobody can stall it and nobody has a choice.
 */
import { bytesEqual, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import {
  AbortReason,
  type AtomicDecision,
  type DecidedLeg,
  LegVerdict,
} from "../../proto/codec/atomic-decision.ts";
import type { AtomicLegState, AtomicState, LegEffects } from "../../proto/codec/atomic-state.ts";
import { AtomicOutcome, NoReason, Verdict } from "../../proto/codec/atomic-tx.ts";

/** Reasons for which the sender of the bundle answers, with its bond, when a quorum gives them. */
const SENDER_FAULTS: ReadonlySet<number> = new Set([
  NoReason.REVERTED,
  NoReason.TOO_MANY_LOCKS,
  NoReason.NOT_LOCKABLE,
  NoReason.MAILBOX,
  NoReason.MALFORMED,
]);

/** Where the votes about one leg stand. */
export type LegStanding =
  /** No quorum yet, and there may be one. */
  | { readonly verdict: typeof LegVerdict.NONE }
  | { readonly verdict: typeof LegVerdict.YES; readonly effects: LegEffects }
  /** There can be no quorum of YES any more. */
  | {
      readonly verdict: typeof LegVerdict.NO;
      readonly reason: AbortReason;
      /** Whether a quorum says that the sender is at fault. */
      readonly isSenderFault: boolean;
    };

/** A decision, and whether the sender of the bundle loses its bond. */
export interface Decided {
  readonly decision: AtomicDecision;
  readonly isSenderFault: boolean;
}

/**
 * COMMIT when every leg has a quorum of equal YES and all mailboxes agree; ABORT when some leg cannot have one any more,
 * the mailboxes differ, or the deadline has come; undefined while the bundle waits.
 *
 * @param height of the block whose votes are all counted
 */
export function decide(bundle: Bundle, height: number): Decided | undefined {
  const standings = bundle.legs.map(legStanding);
  const legs = bundle.legs.map(({ rollupId }, at) => decidedLeg(rollupId, standings[at]));
  const abort = (reason: AbortReason, isSenderFault: boolean): Decided => ({
    decision: { outcome: AtomicOutcome.ABORT, reason, legs },
    isSenderFault,
  });
  const refused = standings.filter((one) => one.verdict === LegVerdict.NO);
  // Whose fault it is goes before what else went wrong; then the first leg.
  const no = refused.find((one) => one.isSenderFault) ?? refused[0];
  if (no !== undefined) return abort(no.reason, no.isSenderFault);
  if (standings.every((one) => one.verdict === LegVerdict.YES)) {
    const effects = standings.map((one) => one.effects);
    if (!boxesAgree(bundle.legs, effects)) return abort(AbortReason.BOXES_DIFFER, true);
    return {
      decision: { outcome: AtomicOutcome.COMMIT, reason: 0, legs },
      isSenderFault: false,
    };
  }
  const deadline = deadlineOf(bundle);
  if (deadline === undefined || height < deadline) return undefined;
  return abort(AbortReason.TIMEOUT, false);
}

/** What `decide` looks at. */
export type Bundle = Pick<AtomicState, "terms" | "filledHeight" | "legs">;

/** Last height whose votes count; undefined while the block of the bundle is not filled. */
export function deadlineOf({
  filledHeight,
  terms,
}: Pick<Bundle, "filledHeight" | "terms">): number | undefined {
  return filledHeight === 0 ? undefined : filledHeight + terms.voteBlocks;
}

/**
 * At most one digest can have a quorum, because that is more than half of the executors. Votes that were struck count
 * for nothing, and their executors do not vote again.
 */
export function legStanding({ quorum, committee, votes, effects }: AtomicLegState): LegStanding {
  let most = 0;
  for (const known of effects) {
    const count = votes.filter(
      ({ isStruck, verdict, digest }) =>
        !isStruck && verdict === Verdict.YES && bytesEqual(digest, known.digest),
    ).length;
    if (count >= quorum) return { verdict: LegVerdict.YES, effects: known };
    most = Math.max(most, count);
  }
  if (most + committee.length - votes.length >= quorum) return { verdict: LegVerdict.NONE };
  return { verdict: LegVerdict.NO, ...noReason(votes, quorum) };
}

/** The reason that most give, the first among equals; SPLIT if nobody gives one. */
function noReason(
  votes: AtomicLegState["votes"],
  quorum: number,
): { readonly reason: AbortReason; readonly isSenderFault: boolean } {
  let [reason, most]: [AbortReason, number] = [AbortReason.SPLIT, 0];
  for (const known of Object.values(NoReason)) {
    const count = votes.filter(
      (vote) => !vote.isStruck && vote.verdict === Verdict.NO && vote.reason === known,
    ).length;
    if (count > most) [reason, most] = [known, count];
  }
  return { reason, isSenderFault: most >= quorum && SENDER_FAULTS.has(reason) };
}

/**
 * Whether for every ordered pair of rollups, what the one has sent is what the other has received; a box that is not
 * there is an empty one.
 */
function boxesAgree(
  legs: readonly Pick<AtomicLegState, "rollupId">[],
  effects: readonly LegEffects[],
): boolean {
  const ids = legs.map(({ rollupId }) => toHex(rollupId));
  const sent = effects.map(({ outbox }) => rootsOf(outbox));
  const received = effects.map(({ inbox }) => rootsOf(inbox));
  const isWithin = (roots: ReadonlyMap<string, string>, own: number): boolean =>
    [...roots.keys()].every((id) => id !== ids[own] && ids.includes(id));
  return ids.every(
    (from, a) =>
      isWithin(sent[a] ?? NO_ROOTS, a) &&
      isWithin(received[a] ?? NO_ROOTS, a) &&
      ids.every((to, b) => a === b || sent[a]?.get(to) === received[b]?.get(from)),
  );
}

const NO_ROOTS: ReadonlyMap<string, string> = new Map();

function rootsOf(boxes: LegEffects["outbox"]): ReadonlyMap<string, string> {
  return new Map(boxes.map(({ rollupId, root }) => [toHex(rollupId), toHex(root)]));
}

function decidedLeg(rollupId: Uint8Array, standing: LegStanding | undefined): DecidedLeg {
  if (standing?.verdict === LegVerdict.YES) {
    const { digest, effectsHash } = standing.effects;
    return { rollupId, verdict: LegVerdict.YES, digest, effectsHash };
  }
  const verdict = standing?.verdict ?? LegVerdict.NONE;
  return { rollupId, verdict, digest: EMPTY_BYTES, effectsHash: EMPTY_BYTES };
}
