/**
 * What executors of rollups send, `weft.tx.v1` (docs/formats.md, "Atomic execution"; docs/adr/0023): votes about legs of
 * atomic bundles, reports of what they did, and bonds. The sender is the account of the executor's own key. Amounts are
 * nweft below 2^63, ids of rollups have 32 bytes and ascend.
 */
import { compareBytes } from "../bytes.ts";
import { HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import { BUNDLE_LEGS_MAX } from "./mev-tx.ts";
import {
  checkAscending,
  choice,
  defineRecord,
  defineUnion,
  type FieldKind,
  fixedBytes,
  list,
  optionalBytes,
  positiveAmount,
  type RecordCodec,
  uint32,
  type UnionCodec,
} from "./record.ts";

/** Other rollups of a bundle: as many boxes as one leg can have in each direction. */
export const BOXES_MAX = BUNDLE_LEGS_MAX - 1;

export const Verdict = { YES: 1, NO: 2 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** Why an executor votes NO. The numbers are part of decisions. */
export const NoReason = {
  /** A transaction of the leg reverted. */
  REVERTED: 1,
  /** It touches what an earlier bundle has locked. */
  LOCKED: 2,
  /** It would lock more than the bundle says, or asks for more gas than so many locks stand for. */
  TOO_MANY_LOCKS: 3,
  /** It touches what cannot be locked. */
  NOT_LOCKABLE: 4,
  /** It reads a message that nobody declared. */
  MAILBOX: 5,
  /** Its payload is no list of transactions. */
  MALFORMED: 6,
  OTHER: 7,
} as const;
export type NoReason = (typeof NoReason)[keyof typeof NoReason];

/** What a vote may have as its reason: none with YES. */
export const VoteReason = { NONE: 0, ...NoReason } as const;
export type VoteReason = (typeof VoteReason)[keyof typeof VoteReason];

/** What a bundle comes to. The numbers are those of the manifest's decisions. */
export const AtomicOutcome = { COMMIT: 1, ABORT: 2 } as const;
export type AtomicOutcome = (typeof AtomicOutcome)[keyof typeof AtomicOutcome];

export type AtomicAction =
  | ExecutorVote
  | ExecutorReport
  | BondExecutor
  | UnbondExecutor
  | UnjailExecutor;

/** 73, lane CONTROL, strict. What one executor says of the leg of its rollup. */
export interface ExecutorVote extends VoteContent {
  readonly kind: "executorVote";
  readonly bundleId: Uint8Array;
  readonly rollupId: Uint8Array;
}

/** What makes two votes the same. */
export interface VoteContent {
  readonly verdict: Verdict;
  /** One of `VoteReason`. */
  readonly reason: number;
  /** With YES, 32 bytes: the state before the leg. Empty with NO, as all that follows. */
  readonly preStateRoot: Uint8Array;
  /** With YES, 32 bytes: what the leg does. */
  readonly effectsHash: Uint8Array;
  /** Messages to other rollups of the bundle, by rollup. */
  readonly outbox: readonly Box[];
  /** Messages from other rollups of the bundle, by rollup. */
  readonly inbox: readonly Box[];
}

export interface Box {
  /** The other rollup. */
  readonly rollupId: Uint8Array;
  /** Of the messages of the pair, in order, 32 bytes. */
  readonly root: Uint8Array;
}

/** 74, lane CONTROL, strict. What one executor did once the bundle was decided. */
export interface ExecutorReport {
  readonly kind: "executorReport";
  readonly bundleId: Uint8Array;
  readonly rollupId: Uint8Array;
  readonly outcome: AtomicOutcome;
  /** Of what was applied, 32 bytes; empty with ABORT. */
  readonly effectsHash: Uint8Array;
  /** The rollup's block that holds it, 32 bytes. */
  readonly blockHash: Uint8Array;
}

/** 83, DEFAULT. From the balance into the bond of the sender as an executor of that rollup. */
export interface BondExecutor {
  readonly kind: "bondExecutor";
  readonly rollupId: Uint8Array;
  /** At least 1. */
  readonly amount: bigint;
}

/** 84, DEFAULT. Asks for bond back; it can be slashed until it is paid. */
export interface UnbondExecutor {
  readonly kind: "unbondExecutor";
  readonly rollupId: Uint8Array;
  /** At least 1. */
  readonly amount: bigint;
}

/** 85, DEFAULT. Ends the jail of the sender when its time is over. */
export interface UnjailExecutor {
  readonly kind: "unjailExecutor";
  readonly rollupId: Uint8Array;
}

type Fields<Action> = Omit<Action, "kind">;

const hash = fixedBytes(HASH_BYTES);

const BOX: RecordCodec<Box> = defineRecord<Box>({ rollupId: [1, hash], root: [2, hash] });

const boxList = list(BOX, BOXES_MAX);

/** By rollup, each once. */
export const boxes: FieldKind<readonly Box[]> = {
  ...boxList,
  check: (name, values) => {
    boxList.check?.(name, values);
    checkAscending(name, values, (a, b) => compareBytes(a.rollupId, b.rollupId));
  },
};

const bond = defineRecord<Fields<BondExecutor>>({
  rollupId: [1, hash],
  amount: [2, positiveAmount],
});

/** Actions of executors by their field in `TxBody.action`. */
export const ATOMIC_ACTION_CODEC: UnionCodec<AtomicAction> = defineUnion<AtomicAction>({
  executorVote: [
    73,
    defineRecord<Fields<ExecutorVote>>(
      {
        bundleId: [1, hash],
        rollupId: [2, hash],
        verdict: [3, choice(Verdict)],
        reason: [4, uint32(0, NoReason.OTHER)],
        preStateRoot: [5, optionalBytes(HASH_BYTES)],
        effectsHash: [6, optionalBytes(HASH_BYTES)],
        outbox: [7, boxes],
        inbox: [8, boxes],
      },
      checkVote,
    ),
  ],
  executorReport: [
    74,
    defineRecord<Fields<ExecutorReport>>(
      {
        bundleId: [1, hash],
        rollupId: [2, hash],
        outcome: [3, choice(AtomicOutcome)],
        effectsHash: [4, optionalBytes(HASH_BYTES)],
        blockHash: [5, hash],
      },
      ({ outcome, effectsHash }) => {
        if ((outcome === AtomicOutcome.COMMIT) === effectsHash.length > 0) return;
        throw codecError("CODEC_MISSING_FIELD", "executor_report: effects belong to COMMIT");
      },
    ),
  ],
  bondExecutor: [83, bond],
  unbondExecutor: [84, bond],
  unjailExecutor: [85, defineRecord<Fields<UnjailExecutor>>({ rollupId: [1, hash] })],
});

/** Between the fields of a vote: effects and boxes with YES, a reason with NO. */
function checkVote(vote: Omit<VoteContent, "kind">): void {
  const { verdict, reason, preStateRoot, effectsHash, outbox, inbox } = vote;
  const isYes = verdict === Verdict.YES;
  const hasAll = preStateRoot.length > 0 && effectsHash.length > 0;
  const hasNone =
    preStateRoot.length === 0 &&
    effectsHash.length === 0 &&
    outbox.length === 0 &&
    inbox.length === 0;
  if (isYes ? hasAll && reason === 0 : hasNone && reason !== 0) return;
  throw codecError(
    "CODEC_MISSING_FIELD",
    "executor_vote: expected roots and no reason with YES, a reason and no roots with NO",
  );
}
