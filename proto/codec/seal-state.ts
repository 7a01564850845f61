/**
 * Sealed transactions in the state, `weft.state.v1` (docs/formats.md, "State tree"). Amounts are nweft.
 */
import type { Height } from "../brands.ts";
import type { Replay } from "./weft-tx.ts";

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
}

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

/** What the label of a sealed item is made of, beside chain id, key, rollups and sender. */
export interface LabelTerms {
  readonly replay: Replay;
  readonly maxHeight: Height;
  readonly maxFeePerByte: bigint;
  readonly tipPerByte: bigint;
  readonly bucket: number;
}
