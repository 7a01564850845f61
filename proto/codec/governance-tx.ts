/** Governance actions, `weft.tx.v1` fields 33-36 of the action. */
import type { Height } from "../brands.ts";

export const VoteOption = { YES: 1, NO: 2, ABSTAIN: 3, VETO: 4 } as const;
export type VoteOption = (typeof VoteOption)[keyof typeof VoteOption];

/** 33 */
export interface SubmitProposal {
  readonly kind: "submitProposal";
  /** UTF-8, 1 to 140 bytes. */
  readonly title: string;
  /** UTF-8, at most 4,096 bytes. */
  readonly summary: string;
  readonly content: ProposalContent;
  /** nweft. */
  readonly deposit: bigint;
}

export type ProposalContent =
  /** A decision in words. */
  | { readonly kind: "text" }
  /** Names of `params.ts` with their new values, names ascending, unique, 1 to 64. */
  | { readonly kind: "parameters"; readonly changes: readonly ParameterChange[] }
  /** Blocks from `height` on need software that knows `name`. */
  | {
      readonly kind: "upgrade";
      readonly name: string;
      readonly height: Height;
      readonly info: string;
    }
  | { readonly kind: "cancelUpgrade"; readonly name: string }
  /** From the community pool. `to`: 20 bytes. */
  | { readonly kind: "communitySpend"; readonly to: Uint8Array; readonly amount: bigint };

export interface ParameterChange {
  readonly name: string;
  readonly value: bigint;
}

/** 34 */
export interface DepositToProposal {
  readonly kind: "depositToProposal";
  readonly proposal: number;
  readonly amount: bigint;
}

/** 35. Replaces the sender's earlier vote. */
export interface Vote {
  readonly kind: "vote";
  readonly proposal: number;
  readonly option: VoteOption;
}

/** 36. Operator only: this validator wants the chain to stop (or no longer does). */
export interface VoteHalt {
  readonly kind: "voteHalt";
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  readonly halt: boolean;
}

export type GovernanceAction = SubmitProposal | DepositToProposal | Vote | VoteHalt;
