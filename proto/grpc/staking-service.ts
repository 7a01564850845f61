/**
 * `weft.staking.v1.StakingService`: queries about stake, rewards and governance
 * (proto/weft/staking/v1/staking.proto says what each field and status code means).
 */
import type { Height } from "../brands.ts";
import {
  DEPOSIT_CODEC,
  type DepositState,
  HALT_CODEC,
  HALT_VOTE_CODEC,
  type HaltState,
  type HaltVoteState,
  PROPOSAL_CODEC,
  type ProposalState,
  ProposalStatus,
  REASON_BYTES_MAX,
  UPGRADE_CODEC,
  type UpgradeState,
  VOTE_CODEC,
  type VoteState,
} from "../codec/governance-state.ts";
import {
  amount,
  choice,
  defineRecord,
  flag,
  height,
  list,
  nested,
  optional,
  type RecordCodec,
  text,
  uint,
  uint32,
} from "../codec/record.ts";
import {
  EVIDENCE_CODEC,
  type EvidenceState,
  SIGNING_CODEC,
  type SigningState,
} from "../codec/slashing-state.ts";
import {
  DELEGATION_CODEC,
  type DelegationState,
  ENTRIES_MAX,
  EPOCH_CODEC,
  type EpochState,
  REDELEGATION_ENTRY_CODEC,
  type RedelegationEntry,
  UNBONDING_ENTRY_CODEC,
  type UnbondingEntry,
  VALIDATOR_CODEC,
  type ValidatorState,
} from "../codec/staking-state.ts";
import {
  PARAMS_CODEC,
  type ParamsState,
  SUPPLY_CODEC,
  type SupplyState,
} from "../codec/weft-state.ts";
import type { Page } from "./page.ts";
import { anyBytes, recordMessage } from "./record-message.ts";
import { type MessageCodec, type Method, method, UNARY } from "./wire.ts";

/** Entries that a client takes in one answer; whole sources of redelegations may exceed a page. */
const ANSWER_ENTRIES_MAX = 10_000;
const TOKEN_BYTES_MAX = 256;

export type StateRequest = object;
export interface ListRequest {
  readonly page: Page | undefined;
}
export interface ValidatorRequest {
  readonly validator: Uint8Array;
}
export interface AccountRequest {
  readonly account: Uint8Array;
}
export interface ProposalRequest {
  readonly proposal: number;
}
export interface ValidatorListRequest extends ValidatorRequest, ListRequest {}
export interface AccountListRequest extends AccountRequest, ListRequest {}
export interface ProposalListRequest extends ProposalRequest, ListRequest {}

/** What every answer says: the block after which it holds. */
interface AtHeight {
  readonly height: Height;
}
/** One page of an answer. */
interface Listed extends AtHeight {
  /** To be asked for next; "" at the end. */
  readonly next: string;
}

export interface ValidatorInfo {
  readonly address: Uint8Array;
  readonly state: ValidatorState;
  readonly signing: SigningState | undefined;
  /** nweft. */
  readonly commission: bigint;
}
export interface GetValidatorsResponse extends Listed {
  readonly validators: readonly ValidatorInfo[];
}
export interface GetValidatorResponse extends AtHeight {
  readonly validator: ValidatorInfo;
}
export interface DelegationInfo {
  readonly validator: Uint8Array;
  readonly delegator: Uint8Array;
  /** nweft. */
  readonly tokens: bigint;
  /** nweft. */
  readonly rewards: bigint;
  readonly state: DelegationState;
}
export interface GetDelegationsResponse extends Listed {
  readonly delegations: readonly DelegationInfo[];
}
export interface UnbondingInfo {
  readonly validator: Uint8Array;
  readonly entries: readonly UnbondingEntry[];
}
export interface GetUnbondingsResponse extends Listed {
  readonly unbondings: readonly UnbondingInfo[];
}
export interface RedelegationInfo {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly entries: readonly RedelegationEntry[];
}
export interface GetRedelegationsResponse extends Listed {
  readonly redelegations: readonly RedelegationInfo[];
}
export interface GetRewardsResponse extends AtHeight {
  /** nweft. */
  readonly rewards: bigint;
  /** nweft. */
  readonly commission: bigint;
  readonly withdrawAddress: Uint8Array;
}
export interface GetParamsResponse extends AtHeight {
  readonly params: ParamsState;
}
export interface GetSupplyResponse extends AtHeight {
  readonly supply: SupplyState;
}
export interface GetEpochResponse extends AtHeight {
  readonly epoch: EpochState;
}
export interface EvidenceInfo {
  readonly hash: Uint8Array;
  readonly state: EvidenceState;
}
export interface GetEvidenceResponse extends Listed {
  readonly evidence: readonly EvidenceInfo[];
}
export interface ProposalInfo {
  readonly id: number;
  readonly state: ProposalState;
}
export interface GetProposalsResponse extends Listed {
  readonly proposals: readonly ProposalInfo[];
}
export interface GetProposalResponse extends AtHeight {
  readonly proposal: ProposalInfo;
}
export interface GetTallyResponse extends AtHeight {
  /** nweft. */
  readonly yes: bigint;
  readonly no: bigint;
  readonly abstain: bigint;
  readonly veto: bigint;
  /** What it would end with, or has ended with. */
  readonly status: ProposalStatus;
  readonly reason: string;
  /** Some votes were left out. */
  readonly partial: boolean;
}
export interface VoteInfo {
  readonly voter: Uint8Array;
  readonly state: VoteState;
}
export interface GetVotesResponse extends Listed {
  readonly votes: readonly VoteInfo[];
}
export interface DepositInfo {
  readonly depositor: Uint8Array;
  readonly state: DepositState;
}
export interface GetDepositsResponse extends Listed {
  readonly deposits: readonly DepositInfo[];
}
export interface HaltVoteInfo {
  readonly validator: Uint8Array;
  readonly state: HaltVoteState;
}
export interface GetPlansResponse extends AtHeight {
  readonly upgrade: UpgradeState | undefined;
  readonly halt: HaltState | undefined;
  readonly haltVotes: readonly HaltVoteInfo[];
}

const token = text(TOKEN_BYTES_MAX);
const many = <Value>(codec: RecordCodec<Value>) => list(codec, ANSWER_ENTRIES_MAX);

const PAGE = optional(defineRecord<Page>({ after: [1, token], limit: [2, uint32()] }));
const STATE_REQUEST = recordMessage<StateRequest>({});
const LIST_REQUEST = recordMessage<ListRequest>({ page: [1, PAGE] });
const VALIDATOR_REQUEST = recordMessage<ValidatorRequest>({ validator: [1, anyBytes] });
const VALIDATOR_LIST_REQUEST = recordMessage<ValidatorListRequest>({
  validator: [1, anyBytes],
  page: [2, PAGE],
});
const ACCOUNT_REQUEST = recordMessage<AccountRequest>({ account: [1, anyBytes] });
const ACCOUNT_LIST_REQUEST = recordMessage<AccountListRequest>({
  account: [1, anyBytes],
  page: [2, PAGE],
});
const PROPOSAL_REQUEST = recordMessage<ProposalRequest>({ proposal: [1, uint] });
const PROPOSAL_LIST_REQUEST = recordMessage<ProposalListRequest>({
  proposal: [1, uint],
  page: [2, PAGE],
});

const VALIDATOR_INFO = defineRecord<ValidatorInfo>({
  address: [1, anyBytes],
  state: [2, nested(VALIDATOR_CODEC)],
  signing: [3, optional(SIGNING_CODEC)],
  commission: [4, amount],
});
const DELEGATION_INFO = defineRecord<DelegationInfo>({
  validator: [1, anyBytes],
  delegator: [2, anyBytes],
  tokens: [3, amount],
  rewards: [4, amount],
  state: [5, nested(DELEGATION_CODEC)],
});
const UNBONDING_INFO = defineRecord<UnbondingInfo>({
  validator: [1, anyBytes],
  entries: [2, list(UNBONDING_ENTRY_CODEC, ENTRIES_MAX)],
});
const REDELEGATION_INFO = defineRecord<RedelegationInfo>({
  source: [1, anyBytes],
  destination: [2, anyBytes],
  entries: [3, list(REDELEGATION_ENTRY_CODEC, ENTRIES_MAX)],
});
const EVIDENCE_INFO = defineRecord<EvidenceInfo>({
  hash: [1, anyBytes],
  state: [2, nested(EVIDENCE_CODEC)],
});
const PROPOSAL_INFO = defineRecord<ProposalInfo>({
  id: [1, uint],
  state: [2, nested(PROPOSAL_CODEC)],
});
const VOTE_INFO = defineRecord<VoteInfo>({ voter: [1, anyBytes], state: [2, nested(VOTE_CODEC)] });
const DEPOSIT_INFO = defineRecord<DepositInfo>({
  depositor: [1, anyBytes],
  state: [2, nested(DEPOSIT_CODEC)],
});
const HALT_VOTE_INFO = defineRecord<HaltVoteInfo>({
  validator: [1, anyBytes],
  state: [2, nested(HALT_VOTE_CODEC)],
});
const DELEGATIONS_RESPONSE = recordMessage<GetDelegationsResponse>({
  delegations: [1, many(DELEGATION_INFO)],
  next: [2, token],
  height: [3, height],
});

export const STAKING_SERVICE_NAME = "weft.staking.v1.StakingService";

export const STAKING_SERVICE = {
  getValidators: query(
    "GetValidators",
    LIST_REQUEST,
    recordMessage<GetValidatorsResponse>({
      validators: [1, many(VALIDATOR_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getValidator: query(
    "GetValidator",
    VALIDATOR_REQUEST,
    recordMessage<GetValidatorResponse>({
      validator: [1, nested(VALIDATOR_INFO)],
      height: [2, height],
    }),
  ),
  getValidatorDelegations: query(
    "GetValidatorDelegations",
    VALIDATOR_LIST_REQUEST,
    DELEGATIONS_RESPONSE,
  ),
  getDelegations: query("GetDelegations", ACCOUNT_LIST_REQUEST, DELEGATIONS_RESPONSE),
  getUnbondings: query(
    "GetUnbondings",
    ACCOUNT_LIST_REQUEST,
    recordMessage<GetUnbondingsResponse>({
      unbondings: [1, many(UNBONDING_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getRedelegations: query(
    "GetRedelegations",
    ACCOUNT_LIST_REQUEST,
    recordMessage<GetRedelegationsResponse>({
      redelegations: [1, many(REDELEGATION_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getRewards: query(
    "GetRewards",
    ACCOUNT_REQUEST,
    recordMessage<GetRewardsResponse>({
      rewards: [1, amount],
      commission: [2, amount],
      withdrawAddress: [3, anyBytes],
      height: [4, height],
    }),
  ),
  getParams: query(
    "GetParams",
    STATE_REQUEST,
    recordMessage<GetParamsResponse>({ params: [1, nested(PARAMS_CODEC)], height: [2, height] }),
  ),
  getSupply: query(
    "GetSupply",
    STATE_REQUEST,
    recordMessage<GetSupplyResponse>({ supply: [1, nested(SUPPLY_CODEC)], height: [2, height] }),
  ),
  getEpoch: query(
    "GetEpoch",
    STATE_REQUEST,
    recordMessage<GetEpochResponse>({ epoch: [1, nested(EPOCH_CODEC)], height: [2, height] }),
  ),
  getEvidence: query(
    "GetEvidence",
    LIST_REQUEST,
    recordMessage<GetEvidenceResponse>({
      evidence: [1, many(EVIDENCE_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getProposals: query(
    "GetProposals",
    LIST_REQUEST,
    recordMessage<GetProposalsResponse>({
      proposals: [1, many(PROPOSAL_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getProposal: query(
    "GetProposal",
    PROPOSAL_REQUEST,
    recordMessage<GetProposalResponse>({
      proposal: [1, nested(PROPOSAL_INFO)],
      height: [2, height],
    }),
  ),
  getTally: query(
    "GetTally",
    PROPOSAL_REQUEST,
    recordMessage<GetTallyResponse>({
      yes: [1, amount],
      no: [2, amount],
      abstain: [3, amount],
      veto: [4, amount],
      status: [5, choice(ProposalStatus)],
      reason: [6, text(REASON_BYTES_MAX)],
      partial: [7, flag],
      height: [8, height],
    }),
  ),
  getVotes: query(
    "GetVotes",
    PROPOSAL_LIST_REQUEST,
    recordMessage<GetVotesResponse>({
      votes: [1, many(VOTE_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getDeposits: query(
    "GetDeposits",
    PROPOSAL_LIST_REQUEST,
    recordMessage<GetDepositsResponse>({
      deposits: [1, many(DEPOSIT_INFO)],
      next: [2, token],
      height: [3, height],
    }),
  ),
  getPlans: query(
    "GetPlans",
    STATE_REQUEST,
    recordMessage<GetPlansResponse>({
      upgrade: [1, optional(UPGRADE_CODEC)],
      halt: [2, optional(HALT_CODEC)],
      haltVotes: [3, many(HALT_VOTE_INFO)],
      height: [4, height],
    }),
  ),
} as const;

function query<Request, Response>(
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): Method<Request, Response> {
  return method(`/${STAKING_SERVICE_NAME}/${name}`, UNARY, request, response);
}
