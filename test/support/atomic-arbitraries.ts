/** Random values of atomic execution, for property tests and fuzzing. */
import * as fc from "fast-check";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import {
  AbortReason,
  ATOMIC_DECISION_CODEC,
  type AtomicDecision,
  LegVerdict,
} from "../../proto/codec/atomic-decision.ts";
import {
  ATOMIC_CODEC,
  ATOMIC_COUNT_CODEC,
  type AtomicLegState,
  type AtomicState,
  EXECUTOR_CODEC,
} from "../../proto/codec/atomic-state.ts";
import {
  ATOMIC_ACTION_CODEC,
  type AtomicAction,
  AtomicOutcome,
  Verdict,
  type VoteContent,
} from "../../proto/codec/atomic-tx.ts";
import type { AtomicTerms } from "../../proto/codec/mev-tx.ts";
import { type CodecSample, inFile, sample } from "./codec-samples.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const amount = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const positive = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
const height = fc.oneof(fc.nat(1_000), fc.maxSafeNat()).map(Height);
const hash = bytes(32);
const none = fc.constant(EMPTY_BYTES);

function ascending<Value>(
  values: fc.Arbitrary<Value>,
  compare: (a: Value, b: Value) => number,
  { min = 0, max = 4 } = {},
): fc.Arbitrary<Value[]> {
  return fc
    .uniqueArray(values, {
      minLength: min,
      maxLength: max,
      comparator: (a, b) => compare(a, b) === 0,
    })
    .map((list) => list.sort(compare));
}

const byRollup = (a: { readonly rollupId: Uint8Array }, b: { readonly rollupId: Uint8Array }) =>
  compareBytes(a.rollupId, b.rollupId);

/** Terms of a bundle with so many legs. */
export const atomicTerms = (legs: number): fc.Arbitrary<AtomicTerms> =>
  fc.record({
    voteBlocks: fc.integer({ min: 1, max: 32 }),
    locks: fc.array(fc.integer({ min: 1, max: 256 }), { minLength: legs, maxLength: legs }),
  });

const boxes = ascending(fc.record({ rollupId: hash, root: hash }), byRollup, { max: 7 });
const reason = fc.integer({ min: 1, max: 7 });

export const voteContents: fc.Arbitrary<VoteContent> = fc.oneof(
  fc.record({
    verdict: fc.constant(Verdict.YES),
    reason: fc.constant(0),
    preStateRoot: hash,
    effectsHash: hash,
    outbox: boxes,
    inbox: boxes,
  }),
  fc.record({
    verdict: fc.constant(Verdict.NO),
    reason,
    preStateRoot: none,
    effectsHash: none,
    outbox: fc.constant([]),
    inbox: fc.constant([]),
  }),
);

const of = { bundleId: hash, rollupId: hash };

export const atomicActions: fc.Arbitrary<AtomicAction> = fc.oneof(
  fc
    .tuple(fc.record(of), voteContents)
    .map(([ids, content]) => ({ kind: "executorVote" as const, ...ids, ...content })),
  fc.record({
    kind: fc.constant("executorReport" as const),
    ...of,
    outcome: fc.constant(AtomicOutcome.COMMIT),
    effectsHash: hash,
    blockHash: hash,
  }),
  fc.record({
    kind: fc.constant("executorReport" as const),
    ...of,
    outcome: fc.constant(AtomicOutcome.ABORT),
    effectsHash: none,
    blockHash: hash,
  }),
  fc.record({ kind: fc.constant("bondExecutor" as const), rollupId: hash, amount: positive }),
  fc.record({ kind: fc.constant("unbondExecutor" as const), rollupId: hash, amount: positive }),
  fc.record({ kind: fc.constant("unjailExecutor" as const), rollupId: hash }),
);

const yesLeg = fc.record({
  rollupId: hash,
  verdict: fc.constant(LegVerdict.YES),
  digest: hash,
  effectsHash: hash,
});
const otherLeg = fc.record({
  rollupId: hash,
  verdict: fc.constantFrom(LegVerdict.NONE, LegVerdict.NO),
  digest: none,
  effectsHash: none,
});
export const atomicDecisions: fc.Arbitrary<AtomicDecision> = fc.oneof(
  fc.record({
    outcome: fc.constant(AtomicOutcome.COMMIT),
    reason: fc.constant(0),
    legs: ascending(yesLeg, byRollup, { min: 1, max: 8 }),
  }),
  fc.record({
    outcome: fc.constant(AtomicOutcome.ABORT),
    reason: fc.constantFrom(...Object.values(AbortReason)),
    legs: ascending(fc.oneof(yesLeg, otherLeg), byRollup, { min: 1, max: 8 }),
  }),
);

const leg: fc.Arbitrary<AtomicLegState> = ascending(hash, compareBytes, { min: 1, max: 5 }).chain(
  (committee) =>
    fc.record({
      rollupId: hash,
      quorum: fc.integer({ min: 1, max: 5 }),
      committee: fc.constant(committee),
      votes: ascending(
        fc.record({
          executor: fc.nat(committee.length - 1),
          verdict: fc.constantFrom(...Object.values(Verdict)),
          reason: fc.nat(7),
          digest: fc.oneof(none, hash),
          isStruck: fc.boolean(),
          isReported: fc.boolean(),
        }),
        (a, b) => a.executor - b.executor,
      ),
      effects: ascending(
        fc.record({ digest: hash, effectsHash: hash, outbox: boxes, inbox: boxes }),
        (a, b) => compareBytes(a.digest, b.digest),
        { max: 2 },
      ),
      decided: fc.oneof(none, hash),
    }),
);

const atomicStates: fc.Arbitrary<AtomicState> = ascending(leg, byRollup, { min: 1, max: 4 }).chain(
  (legs) =>
    fc.record({
      placedHeight: height,
      index: fc.nat(),
      sender: bytes(20),
      proposer: bytes(20),
      terms: atomicTerms(legs.length),
      bond: amount,
      isSealed: fc.boolean(),
      filledHeight: height,
      legs: fc.constant(legs),
      decidedHeight: height,
      outcome: fc.nat(2),
      reason: fc.constantFrom(0, ...Object.values(AbortReason)),
    }),
);

/** Every codec of atomic execution. */
export const ATOMIC_CODECS: readonly CodecSample[] = [
  ...inFile("atomic-tx", [sample("ATOMIC_ACTION_CODEC", ATOMIC_ACTION_CODEC, atomicActions)]),
  ...inFile("atomic-decision", [
    sample("ATOMIC_DECISION_CODEC", ATOMIC_DECISION_CODEC, atomicDecisions),
  ]),
  ...inFile("atomic-state", [
    sample("ATOMIC_CODEC", ATOMIC_CODEC, atomicStates),
    sample(
      "ATOMIC_COUNT_CODEC",
      ATOMIC_COUNT_CODEC,
      fc.record({ open: fc.integer({ min: 1, max: 64 }) }),
    ),
    sample(
      "EXECUTOR_CODEC",
      EXECUTOR_CODEC,
      fc.record({
        bond: amount,
        withdrawals: ascending(
          fc.record({ height, amount: positive }),
          (a, b) => a.height - b.height,
        ),
        jailedUntil: height,
        isTombstoned: fc.boolean(),
      }),
    ),
  ]),
];
