/** Governance in the state, `weft.state.v1`; conventions as in `staking-state.ts`. */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES } from "../limits.ts";
import {
  PROPOSAL_CONTENT_CODEC,
  type ProposalContent,
  SUMMARY_BYTES_MAX,
  TITLE_BYTES_MAX,
  UPGRADE_INFO_BYTES_MAX,
  UPGRADE_NAME_BYTES_MAX,
  VoteOption,
} from "./governance-tx.ts";
import {
  amount,
  choice,
  decimal,
  defineRecord,
  fixedBytes,
  height,
  list,
  nested,
  optionalBytes,
  positiveAmount,
  positiveUint,
  type RecordCodec,
  text,
  uint,
} from "./record.ts";

/** Bytes of why a proposal failed. */
export const REASON_BYTES_MAX = 16_384;
/** Validators whose stake a tally keeps apart. */
export const COUNTED_MAX = 10_000;

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
  /**
   * While votes are counted: the validators whose stake votes, the set as it was when counting began, and
   * of each the shares whose owners voted themselves and are counted; by address.
   */
  readonly counted: readonly CountedStake[];
}

export interface CountedStake {
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  /** Decimal, of the validator. */
  readonly shares: bigint;
}

/** `deposit/<proposal>/<account>` */
export interface DepositState {
  readonly amount: bigint;
}

/** `vote/<proposal>/<account>`: until the votes of the proposal are counted. */
export interface VoteState {
  readonly option: VoteOption;
}

/** `governance` */
export interface GovernanceState {
  /** Id of the next proposal; the first is 1. */
  readonly nextProposal: number;
}

/** `upgrade`: from `height` on, blocks need software that knows it. `upgrade/passed`: the last one whose height had come when another was planned. */
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

const COUNTED_CODEC = defineRecord<CountedStake>({
  validator: [1, fixedBytes(ADDRESS_BYTES)],
  shares: [2, decimal()],
});

const TALLY_CODEC = defineRecord<TallyState>({
  yes: [1, amount],
  no: [2, amount],
  abstain: [3, amount],
  veto: [4, amount],
  counted: [5, list(COUNTED_CODEC, COUNTED_MAX)],
});

export const PROPOSAL_CODEC: RecordCodec<ProposalState> = defineRecord<ProposalState>({
  proposer: [1, fixedBytes(ADDRESS_BYTES)],
  title: [2, text(TITLE_BYTES_MAX, 1)],
  summary: [3, text(SUMMARY_BYTES_MAX)],
  content: [4, nested(PROPOSAL_CONTENT_CODEC)],
  status: [5, choice(ProposalStatus)],
  deposit: [6, amount],
  submittedSeconds: [7, uint],
  phaseEndSeconds: [8, uint],
  tally: [9, nested(TALLY_CODEC)],
  tallyCursor: [10, optionalBytes(ADDRESS_BYTES)],
  reason: [11, text(REASON_BYTES_MAX)],
});

export const DEPOSIT_CODEC: RecordCodec<DepositState> = defineRecord<DepositState>({
  amount: [1, positiveAmount],
});

export const VOTE_CODEC: RecordCodec<VoteState> = defineRecord<VoteState>({
  option: [1, choice(VoteOption)],
});

export const GOVERNANCE_CODEC: RecordCodec<GovernanceState> = defineRecord<GovernanceState>({
  nextProposal: [1, positiveUint],
});

export const UPGRADE_CODEC: RecordCodec<UpgradeState> = defineRecord<UpgradeState>({
  name: [1, text(UPGRADE_NAME_BYTES_MAX, 1)],
  height: [2, height],
  info: [3, text(UPGRADE_INFO_BYTES_MAX)],
});

export const HALT_VOTE_CODEC: RecordCodec<HaltVoteState> = defineRecord<HaltVoteState>({
  height: [1, height],
});

export const HALT_CODEC: RecordCodec<HaltState> = defineRecord<HaltState>({
  height: [1, height],
});
