/**
 * Actions of sealed transactions, `weft.tx.v1` (docs/formats.md, "Sealed transactions"). Byte fields are
 * points of ristretto255 (32 bytes, canonical, checked by whoever computes with them) unless said otherwise.
 */
import type { Height } from "../brands.ts";

/** Rollups that one sealed transaction may name. */
export const SEALED_ROLLUPS_MAX = 8;
/** U ‖ Ū ‖ W ‖ W̄ ‖ φ ‖ c₁. */
export const KEM_BYTES = 192;
/** Bytes that the cipher adds to the padded content. */
export const AEAD_TAG_BYTES = 16;
/** Sizes that contents are padded to. */
export const SEAL_BUCKETS: readonly number[] = [
  256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536,
];
/** Tickets of one key, whoever holds them. */
export const TICKETS_MAX = 600;

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
  /** Knowledge of the secret of C_0, 64 bytes. */
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
