/**
 * Actions of sealed transactions, `weft.tx.v1` (docs/formats.md, "Sealed transactions"). Byte fields are
 * points of ristretto255 (32 bytes, canonical, checked by whoever computes with them) unless said otherwise.
 */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES, AEAD_TAG_BYTES, HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import {
  ascendingBytes,
  bytesWithin,
  defineRecord,
  defineUnion,
  type FieldKind,
  fixedBytes,
  flag,
  height,
  nested,
  positiveUint,
  type RecordCodec,
  uint32,
  type UnionCodec,
} from "./record.ts";
import { checkLength, outOfRange, PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "./weft-basics.ts";

/** Rollups that one sealed transaction may name. */
export const SEALED_ROLLUPS_MAX = 8;
/** U ‖ Ū ‖ W ‖ W̄ ‖ φ ‖ c₁. */
export const KEM_BYTES = 192;
/** Sizes that contents are padded to. */
export const SEAL_BUCKETS: readonly number[] = [
  256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536,
];
/** The largest of them. */
export const SEAL_BUCKET_MAX: number = Math.max(...SEAL_BUCKETS);
/** Tickets of one key, whoever holds them. */
export const TICKETS_MAX = 600;
/** Bytes of a point and of a scalar. */
export const POINT_BYTES = 32;
/** Bytes of a proof of knowledge, or that two logarithms are equal. */
export const SEAL_PROOF_BYTES = 64;
/** Sealed items of one block at most, whatever else bounds them. */
export const SEALED_ITEMS_MAX = 1_000;
/** Content of a SHARES part: an extension has 64 KiB. */
export const SHARES_BYTES_MAX = 65_536;
/** A `SealAsk`: its points, and the heights that they are asked by. */
export const SEAL_ASK_BYTES_MAX = 131_072;

export type SealAction =
  | Sealed
  | SealCommit
  | RegisterSealKey
  | Deal
  | Complain
  | SelfReveal
  | Reveal;

/** 12, lane SEALED. Content that nobody can read before its place is final. */
export interface Sealed {
  readonly kind: "sealed";
  /** Number of the key that it is sealed for, from 1. */
  readonly key: number;
  /** 1 to 8 ids of 32 bytes, strictly ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** Last block that may hold it. */
  readonly maxHeight: Height;
  /** 192 bytes. */
  readonly kem: Uint8Array;
  /** A bucket + 16 bytes. */
  readonly body: Uint8Array;
}

/** 17, lane SEALED. The fallback: a place for content that the sender shows later. */
export interface SealCommit {
  readonly kind: "sealCommit";
  /** H(lp("weft/seal/commit/v1") ‖ lp(chain id) ‖ sender (20) ‖ salt (32) ‖ content), 32 bytes. */
  readonly hash: Uint8Array;
  readonly rollupIds: readonly Uint8Array[];
  readonly maxHeight: Height;
  /** Bytes of the content at most; one of `SEAL_BUCKETS`. */
  readonly bucket: number;
}

/** 40, free for a validator. Its key for shares of the next key generation; it proves that it knows the secret. */
export interface RegisterSealKey {
  readonly kind: "registerSealKey";
  /** Consensus address, 20 bytes; the sender's key is its application key. */
  readonly validator: Uint8Array;
  readonly encryptionKey: Uint8Array;
  /** 64 bytes. */
  readonly possession: Uint8Array;
}

/** 41, free, once for each member and key: its part of the key, in shares for all tickets. */
export interface Deal {
  readonly kind: "deal";
  readonly key: number;
  /** Consensus address of the dealer. */
  readonly dealer: Uint8Array;
  /** C_0 … C_(t-1), t points. */
  readonly commitments: Uint8Array;
  /** R. */
  readonly ephemeral: Uint8Array;
  /** One scalar for each ticket, in their order. */
  readonly shares: Uint8Array;
  /** Knowledge of the secrets of C_0 and R, 64 bytes (`mev/seal/dkg.ts`). */
  readonly possession: Uint8Array;
}

/** 42, free while it holds. Shows that a dealer's share is wrong: settles at once who is punished. */
export interface Complain {
  readonly kind: "complain";
  readonly key: number;
  /** Consensus address of the one who complains. */
  readonly member: Uint8Array;
  readonly dealer: Uint8Array;
  /** The member's ticket whose share is wrong, from 1. */
  readonly ticket: number;
  /** dk·R: opens all shares of this dealer for this member. */
  readonly sharedKey: Uint8Array;
  /** log_G(ek) = log_R(shared key), 64 bytes. */
  readonly proof: Uint8Array;
}

/** 70, lane CONTROL. Opens a sealed item that the committee has not opened. */
export interface SelfReveal {
  readonly kind: "selfReveal";
  readonly height: Height;
  /** Transaction id of the sealed item, 32 bytes. */
  readonly id: Uint8Array;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

/** 71, lane CONTROL. The content of a `SealCommit`, by its sender. */
export interface Reveal {
  readonly kind: "reveal";
  readonly height: Height;
  /** Transaction id of the commit. */
  readonly id: Uint8Array;
  /** 32 bytes. */
  readonly salt: Uint8Array;
  /** As inside a sealed item, not padded. */
  readonly content: Uint8Array;
}

/** One proof of shares: of a ticket for a batch, or for one disputed item. */
export interface ProofPlace {
  /** Height of the batch. */
  readonly batchHeight: Height;
  /** From 1. */
  readonly ticket: number;
  /** Whether it is the single proof of a disputed item; then `index` is its place in the batch, otherwise 0. */
  readonly isDispute: boolean;
  readonly index: number;
}

/**
 * Evidence (inside `SubmitEvidence`): a SHARES part with a proof that fails for what was asked at that height.
 * Keys and points stand in it, so that signature and proof are judged from the bytes alone; that they are
 * the right ones is for the state to say.
 */
export interface FaultyShares {
  readonly kind: "faultyShares";
  readonly validator: Uint8Array;
  /** The validator's at that height, 32 bytes. */
  readonly applicationKey: Uint8Array;
  /** Height that was voted on, and hash of the block. */
  readonly height: Height;
  readonly blockHash: Uint8Array;
  /** Content and signature of the SHARES part. */
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
  /** Canonical `SealAsk` of that height; its hash stands in the state. */
  readonly ask: Uint8Array;
  /** Which proof of the part fails. */
  readonly place: ProofPlace;
  /** X of that ticket, 32 bytes. */
  readonly publicShare: Uint8Array;
}

/** Evidence: two SHARES parts of one height with different shares of one ticket for the same batch or item. */
export interface ContradictingShares {
  readonly kind: "contradictingShares";
  readonly validator: Uint8Array;
  /** The validator's at that height, 32 bytes. */
  readonly applicationKey: Uint8Array;
  readonly height: Height;
  readonly first: SignedShares;
  readonly second: SignedShares;
}

export interface SignedShares {
  readonly blockHash: Uint8Array;
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Evidence: a proof of shares that holds, for something that was not asked at that height. It takes the
 * secret of the ticket to make it.
 */
export interface UnaskedShares {
  readonly kind: "unaskedShares";
  readonly validator: Uint8Array;
  /** What the proof's context says: the height that it pretends to vote on, the key, the place. */
  readonly height: Height;
  readonly key: number;
  readonly place: ProofPlace;
  /** X of that ticket, 32 bytes. */
  readonly publicShare: Uint8Array;
  /** U_1 … U_n and the shares of that ticket. */
  readonly points: Uint8Array;
  readonly shares: Uint8Array;
  readonly proof: Uint8Array;
  /** Canonical `SealAsk` of that height; empty when nothing was asked. */
  readonly ask: Uint8Array;
}

export type SealEvidence = FaultyShares | ContradictingShares | UnaskedShares;

/** One point for each item of a batch, or for some of them. */
export const itemPoints: FieldKind<Uint8Array> = bytesWithin(
  SEALED_ITEMS_MAX * POINT_BYTES,
  POINT_BYTES,
  POINT_BYTES,
);
/** Place of an item in its batch. */
export const itemIndex: FieldKind<number> = uint32(0, SEALED_ITEMS_MAX - 1);

type Fields<Action> = Omit<Action, "kind">;

const address = fixedBytes(ADDRESS_BYTES);
const hash = fixedBytes(HASH_BYTES);
const point = fixedBytes(POINT_BYTES);
const proof = fixedBytes(SEAL_PROOF_BYTES);
const ticket = uint32(1, TICKETS_MAX);
const rollupIds = ascendingBytes(HASH_BYTES, SEALED_ROLLUPS_MAX, 1);
const ticketPoints = bytesWithin(TICKETS_MAX * POINT_BYTES, POINT_BYTES, POINT_BYTES);

/** One of `SEAL_BUCKETS`. */
const bucket: FieldKind<number> = {
  ...uint32(),
  check: (name, value) => {
    if (!SEAL_BUCKETS.includes(value)) {
      throw outOfRange(name, `one of ${SEAL_BUCKETS.join(", ")}`, value);
    }
  },
};

/** A bucket and what the cipher adds to it. */
export const sealedBody: FieldKind<Uint8Array> = {
  ...bytesWithin(SEAL_BUCKET_MAX + AEAD_TAG_BYTES),
  check: (name, { length }) => {
    if (!SEAL_BUCKETS.includes(length - AEAD_TAG_BYTES)) {
      throw codecError(
        "CODEC_LENGTH",
        `${name}: expected ${AEAD_TAG_BYTES} bytes more than one of ${SEAL_BUCKETS.join(", ")}, got ${length}`,
      );
    }
  },
};

export const SEALED_CODEC: RecordCodec<Fields<Sealed>> = defineRecord<Fields<Sealed>>({
  key: [1, positiveUint],
  rollupIds: [2, rollupIds],
  maxHeight: [3, height],
  kem: [4, fixedBytes(KEM_BYTES)],
  body: [5, sealedBody],
});

export const SEAL_COMMIT_CODEC: RecordCodec<Fields<SealCommit>> = defineRecord<Fields<SealCommit>>({
  hash: [1, hash],
  rollupIds: [2, rollupIds],
  maxHeight: [3, height],
  bucket: [4, bucket],
});

/** A dealing, in a transaction and in the state. */
export const DEAL_CODEC: RecordCodec<Fields<Deal>> = defineRecord<Fields<Deal>>(
  {
    key: [1, positiveUint],
    dealer: [2, address],
    commitments: [3, ticketPoints],
    ephemeral: [4, point],
    shares: [5, ticketPoints],
    possession: [6, proof],
  },
  ({ commitments, shares }) => {
    if (commitments.length <= shares.length) return;
    throw codecError("CODEC_LENGTH", "deal: more commitments than shares");
  },
);

/** Actions of sealed transactions by their field in `TxBody.action`. */
export const SEAL_ACTION_CODEC: UnionCodec<SealAction> = defineUnion<SealAction>({
  sealed: [12, SEALED_CODEC],
  sealCommit: [17, SEAL_COMMIT_CODEC],
  registerSealKey: [
    40,
    defineRecord<Fields<RegisterSealKey>>({
      validator: [1, address],
      encryptionKey: [2, point],
      possession: [3, proof],
    }),
  ],
  deal: [41, DEAL_CODEC],
  complain: [
    42,
    defineRecord<Fields<Complain>>({
      key: [1, positiveUint],
      member: [2, address],
      dealer: [3, address],
      ticket: [4, ticket],
      sharedKey: [5, point],
      proof: [6, proof],
    }),
  ],
  selfReveal: [
    70,
    defineRecord<Fields<SelfReveal>>({
      height: [1, height],
      id: [2, hash],
      seed: [3, fixedBytes(HASH_BYTES)],
    }),
  ],
  reveal: [
    71,
    defineRecord<Fields<Reveal>>({
      height: [1, height],
      id: [2, hash],
      salt: [3, fixedBytes(HASH_BYTES)],
      content: [4, bytesWithin(SEAL_BUCKET_MAX, 1)],
    }),
  ],
});

const SIGNED_SHARES = defineRecord<SignedShares>({
  blockHash: [1, hash],
  content: [2, bytesWithin(SHARES_BYTES_MAX)],
  signature: [3, fixedBytes(SIGNATURE_BYTES)],
});

const PROOF_PLACE = defineRecord<ProofPlace>(
  {
    batchHeight: [1, height],
    ticket: [2, ticket],
    isDispute: [3, flag],
    index: [4, itemIndex],
  },
  (place) => {
    if (place.isDispute || place.index === 0) return;
    throw outOfRange("index", "0 for a whole batch", place.index);
  },
);

/** Evidence of sealed transactions by its field in `SubmittedEvidence.fault`. */
export const SEAL_EVIDENCE: {
  readonly [Kind in SealEvidence["kind"]]: readonly [
    field: number,
    codec: RecordCodec<Fields<Extract<SealEvidence, { readonly kind: Kind }>>>,
  ];
} = {
  faultyShares: [
    2,
    defineRecord<Fields<FaultyShares>>({
      validator: [1, address],
      applicationKey: [2, fixedBytes(PUBLIC_KEY_BYTES)],
      height: [3, height],
      blockHash: [4, hash],
      content: [5, bytesWithin(SHARES_BYTES_MAX)],
      signature: [6, fixedBytes(SIGNATURE_BYTES)],
      ask: [7, bytesWithin(SEAL_ASK_BYTES_MAX)],
      place: [8, nested(PROOF_PLACE)],
      publicShare: [9, point],
    }),
  ],
  contradictingShares: [
    3,
    defineRecord<Fields<ContradictingShares>>({
      validator: [1, address],
      applicationKey: [2, fixedBytes(PUBLIC_KEY_BYTES)],
      height: [3, height],
      first: [4, nested(SIGNED_SHARES)],
      second: [5, nested(SIGNED_SHARES)],
    }),
  ],
  unaskedShares: [
    4,
    defineRecord<Fields<UnaskedShares>>(
      {
        validator: [1, address],
        height: [2, height],
        key: [3, positiveUint],
        place: [4, nested(PROOF_PLACE)],
        publicShare: [5, point],
        points: [6, itemPoints],
        shares: [7, itemPoints],
        proof: [8, proof],
        ask: [9, bytesWithin(SEAL_ASK_BYTES_MAX)],
      },
      ({ points, shares }) => checkLength("shares", shares, points.length),
    ),
  ],
};
