/**
 * The tables of the state that rules of staking, slashing, rewards, governance, sealed transactions, inclusion lists, bundles, auctions and atomic execution keep, and how their keys
 * are made (docs/formats.md, "State tree"). Keys of the indexed ones may be walked (`INDEXED_PREFIXES`). Validators, delegators and accounts stand in keys as 40
 * lower-case hex characters, rollups as 64; numbers have sixteen digits, so that keys sort by them.
 */
import {
  ATOMIC_CODEC,
  ATOMIC_COUNT_CODEC,
  type AtomicCountState,
  type AtomicState,
  EXECUTOR_CODEC,
  type ExecutorState,
} from "../../../proto/codec/atomic-state.ts";
import {
  PERIOD_RATIO_CODEC,
  type PeriodRatioState,
  REVENUE_CODEC,
  REWARDS_INDEX_CODEC,
  type RewardsIndexState,
  type RollupRevenueState,
  SLASH_EVENT_CODEC,
  type SlashEventState,
  VALIDATOR_REWARDS_CODEC,
  type ValidatorRewardsState,
  WITHDRAW_CODEC,
  type WithdrawAddressState,
} from "../../../proto/codec/distribution-state.ts";
import {
  DEPOSIT_CODEC,
  type DepositState,
  GOVERNANCE_CODEC,
  type GovernanceState,
  HALT_CODEC,
  HALT_VOTE_CODEC,
  type HaltState,
  type HaltVoteState,
  PROPOSAL_CODEC,
  type ProposalState,
  UPGRADE_CODEC,
  type UpgradeState,
  VOTE_CODEC,
  type VoteState,
} from "../../../proto/codec/governance-state.ts";
import { codecError } from "../../../proto/codec/errors.ts";
import {
  AUCTION_CODEC,
  AUCTION_RESULT_CODEC,
  type AuctionResultState,
  type AuctionState,
  BUNDLE_KEY_CODEC,
  type BundleKeyState,
  CANCEL_NONCE_CODEC,
  type CancelNonceState,
  ESCROW_CODEC,
  type EscrowState,
  LISTING_CODEC,
  LISTING_HEIGHT_CODEC,
  LISTING_OPEN_CODEC,
  type ListingHeightState,
  type ListingOpenState,
  type ListingState,
  SHUFFLE_CODEC,
  type ShuffleState,
} from "../../../proto/codec/mev-state.ts";
import type { RecordCodec } from "../../../proto/codec/record.ts";
import {
  ASKED_CODEC,
  type AskedState,
  COMMIT_BATCH_CODEC,
  type CommitBatchState,
  SEAL_ASK_CODEC,
  SEAL_CODEC,
  SEAL_ENCRYPTION_CODEC,
  SEAL_GENERATION_CODEC,
  SEAL_KEY_CODEC,
  type SealAsk,
  SEALED_BATCH_CODEC,
  type SealedBatchState,
  type SealEncryptionKeyState,
  type SealGenerationState,
  type SealKeyState,
  type SealState,
  UNREVEALED_CODEC,
  type UnrevealedState,
} from "../../../proto/codec/seal-state.ts";
import { type Deal, DEAL_CODEC } from "../../../proto/codec/seal-tx.ts";
import {
  EVIDENCE_CODEC,
  type EvidenceState,
  HEIGHT_TIME_CODEC,
  type HeightTimeState,
  MISSED_CODEC,
  type MissedChunkState,
  SIGNING_CODEC,
  type SigningState,
  SLASHED_CODEC,
  type SlashedState,
} from "../../../proto/codec/slashing-state.ts";
import {
  DELEGATION_CODEC,
  type DelegationState,
  EPOCH_CODEC,
  type EpochState,
  INCOMING_CODEC,
  type IncomingState,
  POWERS_CODEC,
  type PowerHistoryState,
  REDELEGATION_CODEC,
  type RedelegationState,
  UNBONDING_CODEC,
  type UnbondingState,
  VALIDATOR_CODEC,
  type ValidatorState,
} from "../../../proto/codec/staking-state.ts";
import { VALIDATOR_PREFIX } from "./keys.ts";
import type { RecordType } from "./records.ts";

/** By consensus address. Indexed. */
export const VALIDATORS: RecordType<ValidatorState> = table(VALIDATOR_PREFIX, VALIDATOR_CODEC);
/** `delegationKey` */
export const DELEGATIONS: RecordType<DelegationState> = table("delegation/", DELEGATION_CODEC);
/** `delegationKey`. Indexed. */
export const UNBONDINGS: RecordType<UnbondingState> = table("unbonding/", UNBONDING_CODEC);
/** `redelegationKey`. Indexed. */
export const REDELEGATIONS: RecordType<RedelegationState> = table(
  "redelegation/",
  REDELEGATION_CODEC,
);
/** `incomingKey` */
export const INCOMING: RecordType<IncomingState> = table("incoming/", INCOMING_CODEC);
/** What is due when; `queueKey`. Indexed. */
export const QUEUE: RecordType<true> = marks("queue/");
/** The one record has key "". */
export const EPOCH: RecordType<EpochState> = table("epoch", EPOCH_CODEC);
/** By validator. */
export const POWERS: RecordType<PowerHistoryState> = table("powers/", POWERS_CODEC);

/** By validator. */
export const SIGNING: RecordType<SigningState> = table("signing/", SIGNING_CODEC);
/** `missedKey` */
export const MISSED: RecordType<MissedChunkState> = table("missed/", MISSED_CODEC);
/** By hash, 64 lower-case hex characters. */
export const EVIDENCE: RecordType<EvidenceState> = table("evidence/", EVIDENCE_CODEC);
/** By validator. */
export const SLASHED: RecordType<SlashedState> = table("slashed/", SLASHED_CODEC);
/** `numberKey` of the height, divided by 100. */
export const HEIGHT_TIMES: RecordType<HeightTimeState> = table("time/", HEIGHT_TIME_CODEC);

/** The one record has key "". */
export const REWARDS_INDEX: RecordType<RewardsIndexState> = table(
  "rewards_index",
  REWARDS_INDEX_CODEC,
);
/** By validator. */
export const VALIDATOR_REWARDS: RecordType<ValidatorRewardsState> = table(
  "rewards/",
  VALIDATOR_REWARDS_CODEC,
);
/** `ratioKey` */
export const RATIOS: RecordType<PeriodRatioState> = table("ratio/", PERIOD_RATIO_CODEC);
/** `slashKey`. Indexed. */
export const SLASHES: RecordType<SlashEventState> = table("slashes/", SLASH_EVENT_CODEC);
/** By account. */
export const WITHDRAW: RecordType<WithdrawAddressState> = table("withdraw/", WITHDRAW_CODEC);
/** By rollup. */
export const REVENUE: RecordType<RollupRevenueState> = table("revenue/", REVENUE_CODEC);

/** The one record has key "". */
export const GOVERNANCE: RecordType<GovernanceState> = table("governance", GOVERNANCE_CODEC);
/** `proposalKey`. Indexed. */
export const PROPOSALS: RecordType<ProposalState> = table("proposal/", PROPOSAL_CODEC);
/** Open proposals by the end of their phase; `proposalQueueKey`. Indexed. */
export const PROPOSAL_QUEUE: RecordType<true> = marks("proposal_queue/");
/** `proposalKey`, account. Indexed. */
export const DEPOSITS: RecordType<DepositState> = table("deposit/", DEPOSIT_CODEC);
/** `proposalKey`, account. Indexed. */
export const VOTES: RecordType<VoteState> = table("vote/", VOTE_CODEC);
/** What is planned, or came last, has key ""; what came before that `UPGRADE_PASSED`. */
export const UPGRADE: RecordType<UpgradeState> = table("upgrade", UPGRADE_CODEC);
export const UPGRADE_PASSED = "/passed";
/** By validator. Indexed. */
export const HALT_VOTES: RecordType<HaltVoteState> = table("halt_vote/", HALT_VOTE_CODEC);
/** The one record has key "". */
export const HALT: RecordType<HaltState> = table("halt", HALT_CODEC);

/** The one record has key "". */
export const SEAL: RecordType<SealState> = table("seal", SEAL_CODEC);
/** `numberKey` of the key. Indexed. */
export const SEAL_KEYS: RecordType<SealKeyState> = table("seal_key/", SEAL_KEY_CODEC);
/** The one record has key "". */
export const SEAL_GENERATION: RecordType<SealGenerationState> = table(
  "seal_generation",
  SEAL_GENERATION_CODEC,
);
/** `dealingKey`. Indexed. */
export const SEAL_DEALINGS: RecordType<Omit<Deal, "kind">> = table("seal_dealing/", DEAL_CODEC);
/** By validator. */
export const SEAL_ENCRYPTION: RecordType<SealEncryptionKeyState> = table(
  "seal_encryption/",
  SEAL_ENCRYPTION_CODEC,
);
/** `numberKey` of the block's height. Indexed. */
export const SEALED: RecordType<SealedBatchState> = table("sealed/", SEALED_BATCH_CODEC);
/** `numberKey` of the block's height. Indexed. */
export const SEAL_COMMITS: RecordType<CommitBatchState> = table("seal_commit/", COMMIT_BATCH_CODEC);
/** By account. */
export const SEAL_UNREVEALED: RecordType<UnrevealedState> = table(
  "seal_unrevealed/",
  UNREVEALED_CODEC,
);
/** `numberKey` of the height whose extensions answer. Indexed. */
export const SEAL_ASK: RecordType<SealAsk> = table("seal_ask/", SEAL_ASK_CODEC);
/** `numberKey` of the height whose extensions answer. Indexed. */
export const SEAL_ASKED: RecordType<AskedState> = table("seal_asked/", ASKED_CODEC);

/** `listingKey` of `mev/inclusion/keys.ts`. Indexed. */
export const LISTINGS: RecordType<ListingState> = table("listing/", LISTING_CODEC);
/** `numberKey` of the first height. Indexed. */
export const LISTING_HEIGHTS: RecordType<ListingHeightState> = table(
  "listing_height/",
  LISTING_HEIGHT_CODEC,
);
/** By validator. */
export const LISTING_OPEN: RecordType<ListingOpenState> = table(
  "listing_open/",
  LISTING_OPEN_CODEC,
);
/** What has to be included, in the order of the OBLIGATED lane; `dueKey` of `mev/inclusion/keys.ts`. Indexed. */
export const DUE: RecordType<true> = marks("due/");
/** `bundleKey` */
export const BUNDLE_KEYS: RecordType<BundleKeyState> = table("bundle_key/", BUNDLE_KEY_CODEC);
/** When those are forgotten: `numberKey` of the height, "/", `bundleKey`. Indexed. */
export const BUNDLE_KEY_UNTIL: RecordType<true> = marks("bundle_key_until/");
/** By account. */
export const BUNDLE_NONCES: RecordType<CancelNonceState> = table(
  "bundle_nonce/",
  CANCEL_NONCE_CODEC,
);
/** By account. */
export const ESCROW: RecordType<EscrowState> = table("escrow/", ESCROW_CODEC);
/** What is paid back when: `numberKey` of the height, "/", account. Indexed. */
export const ESCROW_QUEUE: RecordType<true> = marks("escrow_queue/");
/** `heightKey` of the block of the bids, and of the group. Indexed. */
export const AUCTIONS: RecordType<AuctionState> = table("auction/", AUCTION_CODEC);
/** As of `AUCTIONS`. Indexed. */
export const AUCTION_RESULTS: RecordType<AuctionResultState> = table(
  "auction_result/",
  AUCTION_RESULT_CODEC,
);
/** `heightKey` of the block of the entries, and of the rollup. Indexed. */
export const SHUFFLES: RecordType<ShuffleState> = table("shuffle/", SHUFFLE_CODEC);

/** By bundle id, 64 lower-case hex characters. */
export const ATOMIC: RecordType<AtomicState> = table("atomic/", ATOMIC_CODEC);
/** Those that are not decided, in order of their places: `atomicOpenKey`. Indexed. */
export const ATOMIC_OPEN: RecordType<true> = marks("atomic_open/");
/** Those that are decided, by when their reports are due: `heightKey` of that height and the bundle's id. Indexed. */
export const ATOMIC_HEIGHTS: RecordType<true> = marks("atomic_height/");
/** By rollup. */
export const ATOMIC_COUNTS: RecordType<AtomicCountState> = table(
  "atomic_count/",
  ATOMIC_COUNT_CODEC,
);
/** Of those, what one account has sent: `atomicSenderKey`. */
export const ATOMIC_SENDERS: RecordType<AtomicCountState> = table(
  "atomic_sender/",
  ATOMIC_COUNT_CODEC,
);
/** `executorKey` */
export const EXECUTORS: RecordType<ExecutorState> = table("executor/", EXECUTOR_CODEC);
/** What is paid back when: `numberKey` of the height, "/", `executorKey`. Indexed. */
export const EXECUTOR_QUEUE: RecordType<true> = marks("executor_queue/");

/** Every table but those of marks, whose records say nothing. */
export const RECORD_TABLES: readonly Pick<RecordType<unknown>, "prefix" | "decode">[] = [
  VALIDATORS,
  DELEGATIONS,
  UNBONDINGS,
  REDELEGATIONS,
  INCOMING,
  EPOCH,
  POWERS,
  SIGNING,
  EVIDENCE,
  SLASHED,
  HEIGHT_TIMES,
  REWARDS_INDEX,
  VALIDATOR_REWARDS,
  RATIOS,
  SLASHES,
  WITHDRAW,
  REVENUE,
  GOVERNANCE,
  PROPOSALS,
  DEPOSITS,
  VOTES,
  UPGRADE,
  HALT_VOTES,
  HALT,
  SEAL,
  SEAL_KEYS,
  SEAL_GENERATION,
  SEAL_DEALINGS,
  SEAL_ENCRYPTION,
  SEALED,
  SEAL_COMMITS,
  SEAL_UNREVEALED,
  SEAL_ASK,
  SEAL_ASKED,
  LISTINGS,
  LISTING_HEIGHTS,
  LISTING_OPEN,
  BUNDLE_KEYS,
  BUNDLE_NONCES,
  ESCROW,
  AUCTIONS,
  AUCTION_RESULTS,
  SHUFFLES,
  ATOMIC,
  ATOMIC_COUNTS,
  ATOMIC_SENDERS,
  EXECUTORS,
];

/** Key of a delegation, and of what is unbonding of it. */
export function delegationKey(validator: string, delegator: string): string {
  return `${validator}/${delegator}`;
}

export function redelegationKey(source: string, delegator: string, destination: string): string {
  return `${source}/${delegator}/${destination}`;
}

export function incomingKey(delegator: string, destination: string): string {
  return `${delegator}/${destination}`;
}

/** `what`: `unbonding/<validator>/<delegator>`, `redelegation/<source>/<delegator>/<destination>`, `validator/<validator>`. */
export function queueKey(seconds: number, what: string): string {
  return `${numberKey(seconds)}/${what}`;
}

/** `chunk`: of 1,024 heights. */
export function missedKey(validator: string, chunk: number): string {
  return `${validator}/${chunk.toString().padStart(4, "0")}`;
}

export function ratioKey(validator: string, period: number): string {
  return `${validator}/${numberKey(period)}`;
}

export function slashKey(validator: string, period: number): string {
  return `${validator}/${numberKey(period)}`;
}

/** Key of a proposal, and with "/" and an account, of a deposit or a vote. */
export function proposalKey(proposal: number): string {
  return numberKey(proposal);
}

export function proposalQueueKey(seconds: number, proposal: number): string {
  return `${numberKey(seconds)}/${numberKey(proposal)}`;
}

/** `dealer`: consensus address. */
export function dealingKey(key: number, dealer: string): string {
  return `${numberKey(key)}/${dealer}`;
}

/** `key`: of the replacement, 32 lower-case hex characters. */
export function bundleKey(account: string, key: string): string {
  return `${account}/${key}`;
}

/** Of something of a rollup (64 lower-case hex characters), or of an account, at a height. */
export function heightKey(height: number, of: string): string {
  return `${numberKey(height)}/${of}`;
}

/** `index`: among the atomic bundles of its block. `id`: of the bundle, 64 lower-case hex characters. */
export function atomicOpenKey(height: number, index: number, id: string): string {
  return `${numberKey(height)}/${numberKey(index)}/${id}`;
}

/** The bundle, 64 lower-case hex characters, of a key of `ATOMIC_OPEN` or `ATOMIC_HEIGHTS`. */
export function bundleOfKey(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

export function atomicSenderKey(rollupId: string, account: string): string {
  return `${rollupId}/${account}`;
}

/** `key`: of the executor, 64 lower-case hex characters. */
export function executorKey(rollupId: string, key: string): string {
  return `${rollupId}/${key}`;
}

/** Sixteen digits. */
export function numberKey(value: number): string {
  return value.toString().padStart(16, "0");
}

function table<Value>(prefix: string, codec: RecordCodec<Value>): RecordType<Value> {
  return { prefix, encode: codec.encode, decode: codec.decode };
}

const MARK = 1;

/** A table whose records only have to be there. */
function marks(prefix: string): RecordType<true> {
  return {
    prefix,
    encode: () => Uint8Array.of(MARK),
    decode: (bytes) => {
      if (bytes.length === 1 && bytes[0] === MARK) return true;
      throw codecError("CODEC_LENGTH", `${prefix}: expected the one byte 01`);
    },
  };
}
