/**
 * What a block says of an atomic bundle, `weft.block.v1` (docs/formats.md, "Atomic execution"): a decision of the
 * manifest commits to its hash, and every rollup that the bundle names is given all of it.
 */
import { compareBytes } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { HASH_BYTES } from "../limits.ts";
import { AtomicOutcome, NoReason, Verdict } from "./atomic-tx.ts";
import { codecError } from "./errors.ts";
import { BUNDLE_LEGS_MAX } from "./mev-tx.ts";
import {
  checkAscending,
  choice,
  defineRecord,
  fixedBytes,
  list,
  optionalBytes,
  type RecordCodec,
  uint32,
} from "./record.ts";

/** Why a bundle is aborted: 1 to 7 as executors said it of a leg (`NoReason`), or what its votes together come to. */
export const AbortReason = {
  ...NoReason,
  /** The executors of a leg can agree on nothing any more. */
  SPLIT: 16,
  /** What one leg writes for another is not what that one has read. */
  BOXES_DIFFER: 17,
  /** Not all legs had a quorum of YES in time. */
  TIMEOUT: 18,
} as const;
export type AbortReason = (typeof AbortReason)[keyof typeof AbortReason];

export const LegVerdict = {
  /** No quorum. */
  NONE: 0,
  ...Verdict,
} as const;
export type LegVerdict = (typeof LegVerdict)[keyof typeof LegVerdict];

export interface AtomicDecision {
  readonly outcome: AtomicOutcome;
  /** 0 with COMMIT, one of `AbortReason` with ABORT. */
  readonly reason: number;
  /** All legs of the bundle, by rollup. */
  readonly legs: readonly DecidedLeg[];
}

export interface DecidedLeg {
  readonly rollupId: Uint8Array;
  readonly verdict: LegVerdict;
  /** Of the votes of a quorum of YES (`voteDigest`), 32 bytes; empty otherwise. */
  readonly digest: Uint8Array;
  /** Its effects, 32 bytes, with such a quorum; empty otherwise. */
  readonly effectsHash: Uint8Array;
}

const DECIDED_LEG = defineRecord<DecidedLeg>(
  {
    rollupId: [1, fixedBytes(HASH_BYTES)],
    verdict: [
      2,
      {
        absent: { value: LegVerdict.NONE },
        write: (writer, field, value) => writer.uint32(field, value),
        read: (reader) => reader.uint32() as LegVerdict,
        check: (name, value) => uint32(0, Verdict.NO).check?.(name, value),
      },
    ],
    digest: [3, optionalBytes(HASH_BYTES)],
    effectsHash: [4, optionalBytes(HASH_BYTES)],
  },
  ({ verdict, digest, effectsHash }) => {
    const isYes = verdict === LegVerdict.YES;
    if (isYes === digest.length > 0 && isYes === effectsHash.length > 0) return;
    throw codecError("CODEC_MISSING_FIELD", "leg: a digest and effects belong to YES");
  },
);

export const ATOMIC_DECISION_CODEC: RecordCodec<AtomicDecision> = defineRecord<AtomicDecision>(
  {
    outcome: [1, choice(AtomicOutcome)],
    reason: [2, uint32(0, AbortReason.TIMEOUT)],
    legs: [3, list(DECIDED_LEG, BUNDLE_LEGS_MAX, 1)],
  },
  ({ outcome, reason, legs }) => {
    checkAscending("legs", legs, (a, b) => compareBytes(a.rollupId, b.rollupId));
    const isCommit = outcome === AtomicOutcome.COMMIT;
    const known: readonly number[] = Object.values(AbortReason);
    if (isCommit ? reason !== 0 : !known.includes(reason)) {
      throw codecError("CODEC_OUT_OF_RANGE", `reason ${reason} does not go with ${outcome}`);
    }
    if (isCommit && legs.some(({ verdict }) => verdict !== LegVerdict.YES)) {
      throw codecError("CODEC_OUT_OF_RANGE", "legs: COMMIT needs YES of all");
    }
  },
);

/** What the `detailHash` of a decision of outcome COMMIT or ABORT is. */
export function atomicDetailHash(detail: Uint8Array): Uint8Array {
  return sha256(detail);
}
