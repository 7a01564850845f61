/** Staking, rewards and evidence actions, `weft.tx.v1` fields 20-32, 60 and 80 of the action. */
import type { Height } from "../brands.ts";

/** 20. The sender becomes the operator and delegates `selfDelegation` to it. */
export interface CreateValidator {
  readonly kind: "createValidator";
  /** ed25519, 32 bytes. */
  readonly consensusKey: Uint8Array;
  /** ed25519, 32 bytes, with its signature over `applicationKeySignBytes`, 64 bytes. */
  readonly applicationKey: Uint8Array;
  readonly applicationKeyProof: Uint8Array;
  readonly moniker: string;
  readonly website: string;
  readonly details: string;
  readonly rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
  /** nweft, at least 1. */
  readonly minSelfDelegation: bigint;
  /** nweft, at least minSelfDelegation. */
  readonly selfDelegation: bigint;
}

/** 21. Operator only. Absent members stay as they are; one at least is there. */
export interface EditValidator {
  readonly kind: "editValidator";
  /** Consensus address, 20 bytes; so in all actions below. */
  readonly validator: Uint8Array;
  readonly description:
    | { readonly moniker: string; readonly website: string; readonly details: string }
    | undefined;
  readonly commission: { readonly rateBps: number } | undefined;
  /** May only rise. */
  readonly minSelfDelegation: { readonly amount: bigint } | undefined;
}

/** 22. Operator only: leave the set at the end of the epoch (or, `retired` false, stand again). */
export interface RetireValidator {
  readonly kind: "retireValidator";
  readonly validator: Uint8Array;
  readonly retired: boolean;
}

/** 23. Operator only; the new key signs extensions from the next height on. */
export interface RotateApplicationKey {
  readonly kind: "rotateApplicationKey";
  readonly validator: Uint8Array;
  readonly applicationKey: Uint8Array;
  readonly applicationKeyProof: Uint8Array;
}

/** 24 */
export interface Delegate {
  readonly kind: "delegate";
  readonly validator: Uint8Array;
  /** nweft, at least 1. */
  readonly amount: bigint;
}

/** 25 */
export interface Undelegate {
  readonly kind: "undelegate";
  readonly validator: Uint8Array;
  readonly amount: bigint;
}

/** 26. Delegates what is left of the entry, or `amount` of it, again. */
export interface CancelUnbonding {
  readonly kind: "cancelUnbonding";
  readonly validator: Uint8Array;
  readonly entry: number;
  readonly amount: bigint;
}

/** 27 */
export interface Redelegate {
  readonly kind: "redelegate";
  readonly validator: Uint8Array;
  readonly destination: Uint8Array;
  readonly amount: bigint;
}

/** 28. Operator only. */
export interface Unjail {
  readonly kind: "unjail";
  readonly validator: Uint8Array;
}

/** 29 */
export interface WithdrawRewards {
  readonly kind: "withdrawRewards";
  readonly validator: Uint8Array;
}

/** 30. Operator only. */
export interface WithdrawCommission {
  readonly kind: "withdrawCommission";
  readonly validator: Uint8Array;
}

/** 31. Where the sender's rewards and commission go from now on. */
export interface SetWithdrawAddress {
  readonly kind: "setWithdrawAddress";
  /** Account, 20 bytes. */
  readonly address: Uint8Array;
}

/** 32. Gives to the community pool. */
export interface FundCommunity {
  readonly kind: "fundCommunity";
  readonly amount: bigint;
}

/** 60, lane CONTROL. One fault with its proof; the sender is rewarded. */
export interface SubmitEvidence {
  readonly kind: "submitEvidence";
  readonly evidence: SubmittedEvidence;
}

export type SubmittedEvidence = DuplicateProposal;

/**
 * Two proposals of one validator for one height and round with different blocks. The key stands in it, so
 * that its signatures are checked with the transaction's own, from the bytes alone.
 */
export interface DuplicateProposal {
  readonly kind: "duplicateProposal";
  /** ed25519, 32 bytes: the validator's, by its address. */
  readonly consensusKey: Uint8Array;
  readonly height: Height;
  readonly round: number;
  readonly first: SignedProposal;
  readonly second: SignedProposal;
}

/** What a proposal's sign bytes hold beside chain id, height and round, and the consensus key's signature. */
export interface SignedProposal {
  readonly polRound: number;
  readonly blockHash: Uint8Array;
  readonly partsTotal: number;
  readonly partsHash: Uint8Array;
  readonly timeSeconds: bigint;
  readonly timeNanos: number;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** 80. The rollup's owner takes its part of the fees. */
export interface ClaimRollupRevenue {
  readonly kind: "claimRollupRevenue";
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
}

export type StakingAction =
  | CreateValidator
  | EditValidator
  | RetireValidator
  | RotateApplicationKey
  | Delegate
  | Undelegate
  | CancelUnbonding
  | Redelegate
  | Unjail
  | WithdrawRewards
  | WithdrawCommission
  | SetWithdrawAddress
  | FundCommunity
  | SubmitEvidence
  | ClaimRollupRevenue;
