/**
 * Sealed transactions in the state, `weft.state.v1` (docs/formats.md, "State tree"). Amounts are nweft.
 */
import type { Height } from "../brands.ts";
import { compareBytes } from "../bytes.ts";
import { ADDRESS_BYTES, AEAD_TAG_BYTES, HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import {
  amount,
  amounts,
  ascendingBytes,
  bytesWithin,
  checkAscending,
  choice,
  checkCount,
  defineRecord,
  type FieldKind,
  fixedBytes,
  flag,
  height,
  list,
  optionalBytes,
  positiveUint,
  type RecordCodec,
  uint,
  uint32,
} from "./record.ts";
import { BUNDLE_LEGS_MAX, GROUP_ROLLUPS_MAX } from "./mev-tx.ts";
import { BATCHES_ASKED_MAX, compareItemPlaces, DISPUTES_ASKED_MAX } from "./seal-block.ts";
import {
  itemIndex,
  itemPoints,
  KEM_BYTES,
  POINT_BYTES,
  SEAL_BUCKET_MAX,
  SEALED_ITEMS_MAX,
  SEALED_ROLLUPS_MAX,
  TICKETS_MAX,
} from "./seal-tx.ts";

/** Commits of one block at most. */
export const COMMITTED_ITEMS_MAX = 10_000;
/** Bytes of a label. */
export const LABEL_BYTES_MAX = 1_024;

/** `seal`: the one record of keys and of the lane. */
export interface SealState {
  /** Number of the key that is in force; 0: none. */
  readonly activeKey: number;
  /** Key that is final and not in force yet, and the first height that may use it; 0: none. */
  readonly nextKey: number;
  readonly nextKeyHeight: Height;
  /** Whether more than 2/3 of the power always holds t tickets of the active key; otherwise the lane is off. */
  readonly isOpen: boolean;
  /** Number of the last key generation that began. */
  readonly lastGeneration: number;
  /** Epoch (of staking) for which that was, and how often it was tried. */
  readonly generationEpoch: number;
  readonly generationAttempts: number;
}

/** `seal_key/<number>`: a key that is final; removed when no evidence can need it any more. */
export interface SealKeyState {
  readonly number: number;
  /** Y, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** t. */
  readonly threshold: number;
  /** X_1 … X_T, one point for each ticket. */
  readonly publicShares: Uint8Array;
  /** By address; their tickets follow each other from 1 on. */
  readonly members: readonly SealMemberState[];
  /** Dealers whose dealings make the key, by address. */
  readonly dealers: readonly Uint8Array[];
  readonly activeHeight: Height;
  /** First height that may not use it any more; 0 while that is unknown. */
  readonly retiredHeight: Height;
}

export interface SealMemberState {
  /** Consensus address. */
  readonly validator: Uint8Array;
  readonly encryptionKey: Uint8Array;
  /** At least 1. */
  readonly tickets: number;
}

/** `seal_generation`: the key generation under way; absent between them. */
export interface SealGenerationState {
  /** Number of the key that it makes. */
  readonly key: number;
  readonly startHeight: Height;
  /** Last heights of dealings and of complaints. */
  readonly dealHeight: Height;
  readonly complainHeight: Height;
  readonly threshold: number;
  readonly members: readonly SealMemberState[];
  /** Powers of the whole set when it began: total, and of the members in their order. */
  readonly totalPower: bigint;
  readonly powers: readonly bigint[];
  /** Addresses, ascending. */
  readonly disqualified: readonly Uint8Array[];
}

/** `seal_encryption/<validator>`: key for shares of generations to come. */
export interface SealEncryptionKeyState {
  readonly encryptionKey: Uint8Array;
  readonly registeredHeight: Height;
}

/** `sealed/<height>`: sealed items of a block that are not resolved; removed with the last one. */
export interface SealedBatchState {
  readonly key: number;
  readonly items: readonly SealedItemState[];
}

export interface SealedItemState {
  /** Place in the batch, from 0: the batch's items by their order in the block. */
  readonly index: number;
  /** Transaction id. */
  readonly id: Uint8Array;
  /** Account, 20 bytes. */
  readonly sender: Uint8Array;
  readonly kem: Uint8Array;
  readonly body: Uint8Array;
  /** What its label says; `mev/seal/content.ts` makes it. */
  readonly label: Uint8Array;
  /** In the label's order, with the item's position among each one's ordered entries of that height. */
  readonly places: readonly RollupPlace[];
  /** Held: goes to validators and rollups when it is resolved, back when it expires. */
  readonly fee: bigint;
  /** Held: goes back unless the item turns out to be bad. */
  readonly bond: bigint;
  /** Height of the block that disputed it, and its proposer; 0 and empty if nobody did. */
  readonly disputedHeight: Height;
  readonly disputedBy: Uint8Array;
  readonly kind: SealedItemKind;
  /** Of a bundle: nweft for each place, held; to the rollups when it is opened, back when it is not. */
  readonly tips: readonly bigint[];
  /** Of a bid: rollup that leads the group, 32 bytes; empty otherwise. */
  readonly group: Uint8Array;
  /** Of a bundle: proposer of its block, consensus address, who has a part of the tips; empty otherwise. */
  readonly proposer: Uint8Array;
}

/** What is sealed: it decides about the label, the form of the content, and what becomes of it. */
export const SealedItemKind = { SEALED: 1, BUNDLE: 2, BID: 3 } as const;
export type SealedItemKind = (typeof SealedItemKind)[keyof typeof SealedItemKind];

export interface RollupPlace {
  readonly rollupId: Uint8Array;
  readonly position: number;
}

/** `seal_commit/<height>`: commits of a block that are neither revealed nor void. */
export interface CommitBatchState {
  /** Last height that may reveal them. */
  readonly revealHeight: Height;
  readonly items: readonly CommittedItemState[];
}

export interface CommittedItemState {
  readonly id: Uint8Array;
  readonly sender: Uint8Array;
  readonly hash: Uint8Array;
  readonly bucket: number;
  readonly places: readonly RollupPlace[];
  /** Held for the bytes of the reveal: what that pays comes out of it. */
  readonly fee: bigint;
  readonly bond: bigint;
}

/** `seal_unrevealed/<account>`: commits that the account let lapse; doubles the next bond. */
export interface UnrevealedState {
  readonly count: number;
}

/** `seal_ask/<height>`: what extensions of that height answer; the last two heights. */
export interface SealAsk {
  /** Batches by height, strictly ascending; open items only. */
  readonly batches: readonly AskedBatch[];
  /** By height, then index; at most `DISPUTES_ASKED_MAX`. */
  readonly disputes: readonly AskedDispute[];
}

export interface AskedBatch {
  readonly height: Height;
  readonly key: number;
  /** U of each open item, in their order. */
  readonly points: Uint8Array;
}

export interface AskedDispute {
  readonly height: Height;
  readonly index: number;
  readonly key: number;
  /** U, 32 bytes. */
  readonly point: Uint8Array;
}

/** `seal_asked/<height>`: what evidence is checked against. */
export interface AskedState {
  /** SHA-256 of the canonical `SealAsk`. */
  readonly hash: Uint8Array;
}

const address = fixedBytes(ADDRESS_BYTES);
const hash = fixedBytes(HASH_BYTES);
const point = fixedBytes(POINT_BYTES);
const threshold = uint32(1, TICKETS_MAX);

const MEMBER = defineRecord<SealMemberState>({
  validator: [1, address],
  encryptionKey: [2, point],
  tickets: [3, uint32(1, TICKETS_MAX)],
});

/** By address, each once; together they hold at most `TICKETS_MAX` tickets. */
const members: FieldKind<readonly SealMemberState[]> = {
  ...list(MEMBER, TICKETS_MAX, 1),
  check: (name, values) => {
    checkAscending(name, values, (a, b) => compareBytes(a.validator, b.validator));
    const tickets = values.reduce((sum, member) => sum + member.tickets, 0);
    if (values.length === 0 || tickets > TICKETS_MAX) {
      throw codecError(
        "CODEC_TOO_MANY",
        `${name}: expected 1 to ${TICKETS_MAX} tickets, got ${tickets}`,
      );
    }
  },
};

export const SEAL_CODEC: RecordCodec<SealState> = defineRecord<SealState>({
  activeKey: [1, uint],
  nextKey: [2, uint],
  nextKeyHeight: [3, height],
  isOpen: [4, flag],
  lastGeneration: [5, uint],
  generationEpoch: [6, uint],
  generationAttempts: [7, uint32()],
});

export const SEAL_KEY_CODEC: RecordCodec<SealKeyState> = defineRecord<SealKeyState>({
  number: [1, positiveUint],
  publicKey: [2, point],
  threshold: [3, threshold],
  publicShares: [4, bytesWithin(TICKETS_MAX * POINT_BYTES, POINT_BYTES, POINT_BYTES)],
  members: [5, members],
  dealers: [6, ascendingBytes(ADDRESS_BYTES, TICKETS_MAX, 1)],
  activeHeight: [7, height],
  retiredHeight: [8, height],
});

export const SEAL_GENERATION_CODEC: RecordCodec<SealGenerationState> =
  defineRecord<SealGenerationState>(
    {
      key: [1, positiveUint],
      startHeight: [2, height],
      dealHeight: [3, height],
      complainHeight: [4, height],
      threshold: [5, threshold],
      members: [6, members],
      totalPower: [7, amount],
      powers: [8, amounts(TICKETS_MAX, 1)],
      disqualified: [9, ascendingBytes(ADDRESS_BYTES, TICKETS_MAX)],
    },
    (generation) => {
      const count = generation.members.length;
      if (generation.powers.length === count) return;
      throw codecError(
        "CODEC_TOO_MANY",
        `powers: expected one for each of ${count} members, got ${generation.powers.length}`,
      );
    },
  );

export const SEAL_ENCRYPTION_CODEC: RecordCodec<SealEncryptionKeyState> =
  defineRecord<SealEncryptionKeyState>({
    encryptionKey: [1, point],
    registeredHeight: [2, height],
  });

const PLACE = defineRecord<RollupPlace>({ rollupId: [1, hash], position: [2, uint32()] });

/** By rollup id, each once. */
const places: FieldKind<readonly RollupPlace[]> = {
  ...list(PLACE, GROUP_ROLLUPS_MAX, 1),
  check: (name, values) => {
    checkAscending(name, values, (a, b) => compareBytes(a.rollupId, b.rollupId));
    checkCount(name, values, 1, GROUP_ROLLUPS_MAX);
  },
};

export const SEALED_BATCH_CODEC: RecordCodec<SealedBatchState> = defineRecord<SealedBatchState>(
  {
    key: [1, positiveUint],
    items: [
      2,
      list(
        defineRecord<SealedItemState>(
          {
            index: [1, itemIndex],
            id: [2, hash],
            sender: [3, address],
            kem: [4, fixedBytes(KEM_BYTES)],
            body: [5, bytesWithin(SEAL_BUCKET_MAX + AEAD_TAG_BYTES, 1)],
            label: [6, bytesWithin(LABEL_BYTES_MAX, 1)],
            places: [7, places],
            fee: [8, amount],
            bond: [9, amount],
            disputedHeight: [10, height],
            disputedBy: [11, optionalBytes(ADDRESS_BYTES)],
            kind: [12, choice(SealedItemKind)],
            tips: [13, amounts(BUNDLE_LEGS_MAX)],
            group: [14, optionalBytes(HASH_BYTES)],
            proposer: [15, optionalBytes(ADDRESS_BYTES)],
          },
          checkKind,
        ),
        SEALED_ITEMS_MAX,
        1,
      ),
    ],
  },
  ({ items }) => checkAscending("items", items, (a, b) => a.index - b.index),
);

/** A bundle has a tip for each place and a proposer, a bid a group, and nothing else has any of it. */
function checkKind({ kind, places: { length }, tips, group, proposer }: SealedItemState): void {
  const isFit =
    tips.length === (kind === SealedItemKind.BUNDLE ? length : 0) &&
    proposer.length === (kind === SealedItemKind.BUNDLE ? ADDRESS_BYTES : 0) &&
    group.length === (kind === SealedItemKind.BID ? HASH_BYTES : 0) &&
    (kind === SealedItemKind.BID || length <= SEALED_ROLLUPS_MAX);
  if (isFit) return;
  throw codecError(
    "CODEC_OUT_OF_RANGE",
    `item: places, tips, group or proposer do not fit kind ${kind}`,
  );
}

export const COMMIT_BATCH_CODEC: RecordCodec<CommitBatchState> = defineRecord<CommitBatchState>({
  revealHeight: [1, height],
  items: [
    2,
    list(
      defineRecord<CommittedItemState>({
        id: [1, hash],
        sender: [2, address],
        hash: [3, hash],
        bucket: [4, uint32(1)],
        places: [5, places],
        fee: [6, amount],
        bond: [7, amount],
      }),
      COMMITTED_ITEMS_MAX,
      1,
    ),
  ],
});

export const UNREVEALED_CODEC: RecordCodec<UnrevealedState> = defineRecord<UnrevealedState>({
  count: [1, uint32(1)],
});

export const SEAL_ASK_CODEC: RecordCodec<SealAsk> = defineRecord<SealAsk>(
  {
    batches: [
      1,
      list(
        defineRecord<AskedBatch>({
          height: [1, height],
          key: [2, positiveUint],
          points: [3, itemPoints],
        }),
        BATCHES_ASKED_MAX,
      ),
    ],
    disputes: [
      2,
      list(
        defineRecord<AskedDispute>({
          height: [1, height],
          index: [2, itemIndex],
          key: [3, positiveUint],
          point: [4, point],
        }),
        DISPUTES_ASKED_MAX,
      ),
    ],
  },
  ({ batches, disputes }) => {
    checkAscending("batches", batches, (a, b) => a.height - b.height);
    checkAscending("disputes", disputes, compareItemPlaces);
  },
);

export const ASKED_CODEC: RecordCodec<AskedState> = defineRecord<AskedState>({ hash: [1, hash] });
