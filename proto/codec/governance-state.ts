/** Governance in the state, `weft.state.v1`; conventions as in `staking-state.ts`. */
import type { Height } from "../brands.ts";
import type { ProposalContent, VoteOption } from "./governance-tx.ts";

export const ProposalStatus = {
  /** Gathers its deposit. */
  DEPOSIT: 1,
  VOTING: 2,
  /** Votes are being counted, some in each block. */
  TALLY: 3,
  /** Passed; waits for its time. */
  TIMELOCK: 4,
  EXECUTED: 5,
  REJECTED: 6,
  /** Rejected by veto: the deposit is burned. */
  VETOED: 7,
  /** Passed, but did not hold when it was carried out; the reason stands with it. */
  FAILED: 8,
} as const;
export type ProposalStatus = (typeof ProposalStatus)[keyof typeof ProposalStatus];

/** `proposal/<id, 16 digits>` */
export interface ProposalState {
  /** Account, 20 bytes. */
  readonly proposer: Uint8Array;
  readonly title: string;
  readonly summary: string;
  readonly content: ProposalContent;
  readonly status: ProposalStatus;
  readonly deposit: bigint;
  readonly submittedSeconds: number;
  /** End of the phase under way: deposit, voting or timelock. */
  readonly phaseEndSeconds: number;
  readonly tally: TallyState;
  /** Voter (20 bytes) up to whom votes are counted; empty at the start. */
  readonly tallyCursor: Uint8Array;
  /** Why it failed or was rejected; empty otherwise. */
  readonly reason: string;
}

/** nweft of stake. */
export interface TallyState {
  readonly yes: bigint;
  readonly no: bigint;
  readonly abstain: bigint;
  readonly veto: bigint;
  /** While votes are counted: stake of each validator whose owners voted themselves, by address. */
  readonly counted: readonly CountedStake[];
}

export interface CountedStake {
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  readonly stake: bigint;
}

/** `deposit/<proposal>/<account>` */
export interface DepositState {
  readonly amount: bigint;
}

/** `vote/<proposal>/<account>` */
export interface VoteState {
  readonly option: VoteOption;
}

/** `governance` */
export interface GovernanceState {
  /** Id of the next proposal; the first is 1. */
  readonly nextProposal: number;
}

/** `upgrade`: from `height` on, blocks need software that knows it. */
export interface UpgradeState {
  readonly name: string;
  readonly height: Height;
  readonly info: string;
}

/** `halt_vote/<consensus address>`: that validator wants the chain to stop. */
export interface HaltVoteState {
  readonly height: Height;
}

/** `halt`: no block after `height` is made until operators resume by hand. */
export interface HaltState {
  readonly height: Height;
}
