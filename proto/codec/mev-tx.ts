/**
 * Bundles, bids and escrow, `weft.tx.v1` (docs/formats.md, "Bundles and bids"). Amounts are nweft below 2^63, ids of
 * rollups have 32 bytes and ascend. What depends on the state (windows of heights, who may name whom) is for
 * the rules of the application.
 */
import { Height } from "../brands.ts";
import { compareBytes } from "../bytes.ts";
import { HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import {
  amount,
  checkAscending,
  defineRecord,
  defineUnion,
  type FieldKind,
  fixedBytes,
  height,
  list,
  optional,
  optionalBytes,
  positiveAmount,
  positiveUint,
  type RecordCodec,
  uint32,
  uints,
  type UnionCodec,
} from "./record.ts";
import { scanRollupData } from "./rollup-data.ts";
import {
  KEM_BYTES,
  SEAL_COMMIT_CODEC,
  type SealCommit,
  type Sealed,
  SEALED_CODEC,
  sealedBody,
} from "./seal-tx.ts";
import { outOfRange } from "./weft-basics.ts";

/** Legs of a bundle: one for each rollup, with any number of its transactions. */
export const BUNDLE_LEGS_MAX = 8;
/** Payloads of all legs together. */
export const BUNDLE_BYTES_MAX = 65_536;
/** Heights that a bundle may wait for: max height less min height. */
export const BUNDLE_WINDOW_MAX = 25;
/** How far a bundle's max height may lie ahead of the block that holds it (of the next one, in a pool). */
export const BUNDLE_AHEAD_MAX = 100;
export const REPLACEMENT_KEY_BYTES = 16;
/** How far ahead the end of a cancellation may lie, in heights. */
export const CANCEL_AHEAD_MAX = 600;
/** Rollups whose top one bid may ask for. */
export const BID_LEGS_MAX = 4;
/** Rollups that sell their tops in one auction, its leader included. */
export const GROUP_ROLLUPS_MAX = 12;
/** Blocks that executors may have for their votes about a bundle. */
export const VOTE_BLOCKS_MAX = 32;
/** What one leg of an atomic bundle may lock: storage slots and balances. */
export const LEG_LOCKS_MAX = 256;

/** What executors may do with a leg that reverts. Advisory: the sequencer orders, it does not execute. */
export const RevertMode = {
  /** It stays, reverted. */
  ALLOW: 0,
  /** It alone is left out. */
  DROP: 1,
  /** The whole leg counts as failed. */
  FAIL: 2,
} as const;
export type RevertMode = (typeof RevertMode)[keyof typeof RevertMode];

export type MevAction =
  | Bundle
  | SealedBundle
  | Bid
  | CancelBundles
  | DepositEscrow
  | WithdrawEscrow;

/**
 * 13, lane ATOMIC. In the clear: whoever sees it can copy its legs. All legs stand in one block or none
 * does, because a bundle is one item; one with a fault may not stand in a block at all.
 */
export interface Bundle {
  readonly kind: "bundle";
  /** 1 to 8, by rollup. */
  readonly legs: readonly BundleLeg[];
  /** First block that may hold it; 0: any. */
  readonly minHeight: Height;
  /** Last block that may hold it. */
  readonly maxHeight: Height;
  readonly replacement: Replacement | undefined;
  /** Void once the account's cancel nonce is above it. */
  readonly cancelNonce: bigint;
  /** Level 1: its legs are executed all or none. Undefined: level 0, they are ordered all or none. */
  readonly atomic: AtomicTerms | undefined;
}

/** What makes a bundle one of level 1 (docs/adr/0023). */
export interface AtomicTerms {
  /** Blocks after everything of its block is open in which executors may vote, 1 to 32. */
  readonly voteBlocks: number;
  /** For each leg, in their order: the most that it may lock, 1 to 256. The sender has a bond for each. */
  readonly locks: readonly number[];
}

export interface BundleLeg {
  readonly rollupId: Uint8Array;
  /** In the form of `RollupData.payload`: at least one entry. */
  readonly payload: Uint8Array;
  readonly revertMode: RevertMode;
  /** nweft for the place in that rollup, beside the fee. */
  readonly tip: bigint;
}

/** Of the bundles of one account with the same key, the highest sequence counts, and only one gets into a block. */
export interface Replacement {
  /** 16 bytes. */
  readonly key: Uint8Array;
  readonly sequence: bigint;
}

/** 18, lane SEALED. One ciphertext for all legs: a `SealedContent` with one part for each leg, exactly these rollups. */
export interface SealedBundle {
  readonly kind: "sealedBundle";
  /** Number of the key that it is sealed for, from 1. */
  readonly key: number;
  /** 1 to 8, by rollup; public. */
  readonly legs: readonly SealedLeg[];
  readonly minHeight: Height;
  readonly maxHeight: Height;
  readonly replacement: Replacement | undefined;
  readonly cancelNonce: bigint;
  /** 192 bytes. */
  readonly kem: Uint8Array;
  /** A bucket + 16 bytes. */
  readonly body: Uint8Array;
  /** As of a `Bundle`; public. */
  readonly atomic: AtomicTerms | undefined;
}

export interface SealedLeg {
  readonly rollupId: Uint8Array;
  readonly revertMode: RevertMode;
  readonly tip: bigint;
}

/** 14, lane SEALED. A sealed bid for the top of one block, of any rollups of a group; shows the group only. */
export interface Bid {
  readonly kind: "bid";
  readonly key: number;
  /** Id of the rollup that leads the group, 32 bytes. */
  readonly group: Uint8Array;
  readonly minHeight: Height;
  readonly maxHeight: Height;
  readonly kem: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * 72, lane CONTROL. Voids bundles of the sender: those of a key up to a sequence, or, without a key, all with a
 * smaller cancel nonce. Pools drop them at once, blocks may not hold them from its own on.
 */
export interface CancelBundles {
  readonly kind: "cancelBundles";
  /** 16 bytes, or empty. */
  readonly key: Uint8Array;
  /** With a key: sequences up to this one, itself included. */
  readonly sequence: bigint;
  /** With a key: until this height, at most 600 ahead. */
  readonly untilHeight: Height;
  /** Without a key: the account's new cancel nonce, above the old one. */
  readonly cancelNonce: bigint;
}

/** 81. From the balance into the escrow that bids are paid from. */
export interface DepositEscrow {
  readonly kind: "depositEscrow";
  /** At least 1. */
  readonly amount: bigint;
}

/** 82. Asks for escrow back; it comes into the balance some blocks later and backs bids until then. */
export interface WithdrawEscrow {
  readonly kind: "withdrawEscrow";
  /** At least 1. */
  readonly amount: bigint;
}

/** An action whose content its block does not show; its entries are filled by later blocks. */
export type HiddenAction = CiphertextAction | SealCommit;

/** An action with a ciphertext, which validators open after its block. */
export type CiphertextAction = Sealed | SealedBundle | Bid;

export function isCiphertext(action: { readonly kind: string }): action is CiphertextAction {
  return action.kind === "sealed" || action.kind === "sealedBundle" || action.kind === "bid";
}

/** Ids of rollups that the legs of a bundle name, ascending. */
export function rollupIdsOfLegs(
  legs: readonly { readonly rollupId: Uint8Array }[],
): readonly Uint8Array[] {
  return legs.map(({ rollupId }) => rollupId);
}

type Fields<Action> = Omit<Action, "kind">;

const rollupId = fixedBytes(HASH_BYTES);

const revertMode: FieldKind<RevertMode> = {
  absent: { value: RevertMode.ALLOW },
  write: (writer, field, value) => writer.uint32(field, value),
  read: (reader) => reader.uint32() as RevertMode,
  check: (name, value) => {
    const known: readonly number[] = Object.values(RevertMode);
    if (!known.includes(value)) throw outOfRange(name, "0 to 2", value);
  },
};

/** Data for a rollup, canonical. */
const rollupPayload: FieldKind<Uint8Array> = {
  write: (writer, field, value) => writer.bytes(field, value),
  read: (reader) => reader.bytesCopy(BUNDLE_BYTES_MAX),
  check: (_name, value) => {
    scanRollupData(value);
  },
};

const BUNDLE_LEG = defineRecord<BundleLeg>({
  rollupId: [1, rollupId],
  payload: [2, rollupPayload],
  revertMode: [3, revertMode],
  tip: [4, amount],
});

const SEALED_LEG = defineRecord<SealedLeg>({
  rollupId: [1, rollupId],
  revertMode: [2, revertMode],
  tip: [3, amount],
});

const REPLACEMENT = defineRecord<Replacement>({
  key: [1, fixedBytes(REPLACEMENT_KEY_BYTES)],
  sequence: [2, amount],
});

function legs<Leg extends { readonly rollupId: Uint8Array }>(
  codec: RecordCodec<Leg>,
): FieldKind<readonly Leg[]> {
  const listed = list(codec, BUNDLE_LEGS_MAX, 1);
  return {
    ...listed,
    check: (name, values) => {
      listed.check?.(name, values);
      checkAscending(name, values, (a, b) => compareBytes(a.rollupId, b.rollupId));
    },
  };
}

const lockCounts = uints(BUNDLE_LEGS_MAX, 1);

export const ATOMIC_TERMS_CODEC: RecordCodec<AtomicTerms> = defineRecord<AtomicTerms>({
  voteBlocks: [1, uint32(1, VOTE_BLOCKS_MAX)],
  locks: [
    2,
    {
      ...lockCounts,
      check: (name, values) => {
        lockCounts.check?.(name, values);
        for (const value of values) uint32(1, LEG_LOCKS_MAX).check?.(name, value);
      },
    },
  ],
});

export const SEALED_BUNDLE_CODEC: RecordCodec<Fields<SealedBundle>> = defineRecord<
  Fields<SealedBundle>
>(
  {
    key: [1, positiveUint],
    legs: [2, legs(SEALED_LEG)],
    minHeight: [3, height],
    maxHeight: [4, height],
    replacement: [5, optional(REPLACEMENT)],
    cancelNonce: [6, amount],
    kem: [7, fixedBytes(KEM_BYTES)],
    body: [8, sealedBody],
    atomic: [9, optional(ATOMIC_TERMS_CODEC)],
  },
  checkLocks,
);

export const BID_CODEC: RecordCodec<Fields<Bid>> = defineRecord<Fields<Bid>>({
  key: [1, positiveUint],
  group: [2, rollupId],
  minHeight: [3, height],
  maxHeight: [4, height],
  kem: [5, fixedBytes(KEM_BYTES)],
  body: [6, sealedBody],
});

const ofAmount = defineRecord<{ readonly amount: bigint }>({ amount: [1, positiveAmount] });

/** Actions of bundles, bids and escrow by their field in `TxBody.action`. */
export const MEV_ACTION_CODEC: UnionCodec<MevAction> = defineUnion<MevAction>({
  bundle: [
    13,
    defineRecord<Fields<Bundle>>(
      {
        legs: [1, legs(BUNDLE_LEG)],
        minHeight: [2, height],
        maxHeight: [3, height],
        replacement: [4, optional(REPLACEMENT)],
        cancelNonce: [5, amount],
        atomic: [6, optional(ATOMIC_TERMS_CODEC)],
      },
      checkBundle,
    ),
  ],
  bid: [14, BID_CODEC],
  sealedBundle: [18, SEALED_BUNDLE_CODEC],
  cancelBundles: [
    72,
    defineRecord<Fields<CancelBundles>>(
      {
        key: [1, optionalBytes(REPLACEMENT_KEY_BYTES)],
        sequence: [2, amount],
        untilHeight: [3, height],
        cancelNonce: [4, amount],
      },
      checkCancels,
    ),
  ],
  depositEscrow: [81, ofAmount],
  withdrawEscrow: [82, ofAmount],
});

/**
 * What the manifest's payload hash of an entry covers whose content its block does not show, and what
 * rollups are given for it: the message as it stands in the transaction.
 */
export function hiddenPayload(action: HiddenAction): Uint8Array {
  switch (action.kind) {
    case "sealed":
      return SEALED_CODEC.encode(action);
    case "sealCommit":
      return SEAL_COMMIT_CODEC.encode(action);
    case "sealedBundle":
      return SEALED_BUNDLE_CODEC.encode(action);
    case "bid":
      return BID_CODEC.encode(action);
  }
}

function checkLocks({
  legs,
  atomic,
}: Pick<SealedBundle, "atomic"> & { readonly legs: readonly unknown[] }): void {
  if (atomic === undefined || atomic.locks.length === legs.length) return;
  throw codecError(
    "CODEC_TOO_MANY",
    `locks: expected one for each of ${legs.length} legs, got ${atomic.locks.length}`,
  );
}

function checkBundle(bundle: Fields<Bundle>): void {
  checkLocks(bundle);
  const bytes = bundle.legs.reduce((sum, { payload }) => sum + payload.length, 0);
  if (bytes <= BUNDLE_BYTES_MAX) return;
  throw codecError(
    "CODEC_TOO_LARGE",
    `bundle: payloads of ${bytes} bytes, at most ${BUNDLE_BYTES_MAX}`,
  );
}

function checkCancels({ key, sequence, untilHeight, cancelNonce }: Fields<CancelBundles>): void {
  if (key.length === 0) {
    if (sequence !== 0n || untilHeight !== Height(0)) {
      throw codecError("CODEC_MISSING_FIELD", "cancel_bundles: a sequence or a height needs a key");
    }
    if (cancelNonce === 0n) {
      throw codecError("CODEC_MISSING_FIELD", "cancel_bundles: neither a key nor a nonce");
    }
    return;
  }
  if (cancelNonce !== 0n) {
    throw codecError("CODEC_FIELD_ORDER", "cancel_bundles: both a key and a nonce");
  }
  if (untilHeight === Height(0)) throw outOfRange("until_height", "at least 1", untilHeight);
}
