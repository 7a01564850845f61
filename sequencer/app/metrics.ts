import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../ports/instruments.ts";
import { type AuctionMetrics, NULL_AUCTION_METRICS } from "./auction/metrics.ts";
import { type AtomicMetrics, NULL_ATOMIC_METRICS } from "./atomic/metrics.ts";
import { type BundleMetrics, NULL_BUNDLE_METRICS } from "./bundles/metrics.ts";
import { type InclusionMetrics, NULL_INCLUSION_METRICS } from "./inclusion/metrics.ts";
import { NULL_SEAL_METRICS, type SealMetrics } from "./seal/metrics.ts";

/** Instruments of the application and its pool. */
export interface AppMetrics
  extends SealMetrics,
    InclusionMetrics,
    AuctionMetrics,
    BundleMetrics,
    AtomicMetrics {
  /** `weft_pool_transactions`: transactions in the pool. */
  readonly poolTransactions: Gauge;
  /** `weft_pool_bytes`: bytes of the items in the pool. */
  readonly poolBytes: Gauge;
  /** `weft_pool_free_transactions`: transactions in the pool that pay nothing: duties of validators. */
  readonly poolFree: Gauge;
  /** `weft_pool_bundles`: bundles in the pool, those that wait for their first block included. */
  readonly poolBundles: Gauge;
  /** `weft_pool_cancels_forgotten_total`: cancellations of bundles that the pool forgot before their height, because there were too many. */
  readonly poolCancelsForgotten: Counter;
  /** `weft_pool_rejected_total`: items that CheckTx refused, by `code` (name in the code table). */
  readonly poolRejected: Counter<"code">;
  /** `weft_pool_evicted_total`: transactions that left the pool without a block, by `code`. */
  readonly poolEvicted: Counter<"code">;
  /** `weft_app_block_items_total`: items of committed blocks, by `lane` (number). */
  readonly blockItems: Counter<"lane">;
  /** `weft_app_block_item_bytes_total`: bytes of the items of committed blocks. */
  readonly blockItemBytes: Counter;
  /** `weft_mev_lane_bytes_total`: bytes of the transactions of committed blocks, by `lane` (number). */
  readonly laneBytes: Counter<"lane">;
  /** `weft_app_failed_actions_total`: items in committed blocks whose action failed, by `code`. */
  readonly failedActions: Counter<"code">;
  /** `weft_app_misbehavior_total`: validators that evidence in committed blocks names, by `type` ("duplicateVote", "lightClientAttack"). */
  readonly misbehavior: Counter<"type">;
  /** `weft_app_base_fee_nweft_per_byte`: base fee of the next block. */
  readonly baseFee: Gauge;
  /** `weft_app_phase_seconds`: duration of an ABCI call, by `phase` (prepare, process, finalize, commit). */
  readonly phaseSeconds: Histogram<"phase">;
  /** `weft_app_proposals_rejected_total`: proposals that ProcessProposal refused. */
  readonly proposalsRejected: Counter;
  /** `weft_mev_proposals_refused_total`: proposals that broke a rule, by `check` (P1 to P11, TX) and `proposer` (at most 200, then "others"). */
  readonly refusedProposals: Counter<"check" | "proposer">;
  /** `weft_mev_orders_total`: orders of shuffled entries that blocks have decided. */
  readonly orders: Counter;
  /** `weft_mev_orders_waiting`: blocks and rollups whose shuffled entries wait to be opened and ordered. */
  readonly ordersWaiting: Gauge;
  /** `weft_app_fallback_proposals_total`: own proposals that failed their check and gave way, by `step`: to what ("minimal", "obligated", "unchecked"). */
  readonly fallbackProposals: Counter<"step">;
  /** `weft_app_extension_blanks_total`: COMMIT validators whose extension the proposer could not use, by `validator` (index, at most 200). */
  readonly extensionBlanks: Counter<"validator">;
  /** `weft_app_extensions_rejected_total`: vote extensions of others that were refused, by `code`. */
  readonly extensionsRejected: Counter<"code">;
  /** `weft_app_snapshots_total`: snapshots that were due, by `outcome` ("taken", "skipped", "failed"). */
  readonly snapshots: Counter<"outcome">;
  /** `weft_app_snapshot_seconds`: time to take a snapshot, beside the chain. */
  readonly snapshotSeconds: Histogram;
  /** `weft_app_snapshot_height`: height of the newest snapshot; 0 when there is none. */
  readonly snapshotHeight: Gauge;
  /** `weft_staking_validator_power`: Power of a validator in the set that the engine was last told, by validator (at most 200). */
  readonly validatorPower: Gauge<"validator">;
  /** `weft_staking_validator_missed_blocks`: Blocks of the window that a validator has missed, by validator (at most 200). */
  readonly validatorMissedBlocks: Gauge<"validator">;
  /** `weft_staking_validator_jailed`: Whether a validator is jailed: 0 no, 1 until unjailed, 2 for good, by validator (at most 200). */
  readonly validatorJailed: Gauge<"validator">;
  /** `weft_staking_validator_commission_ratio`: Commission rate of a validator, by validator (at most 200). */
  readonly validatorCommission: Gauge<"validator">;
  /** `weft_staking_slashes_total`: Slashes in committed blocks, by reason. */
  readonly slashes: Counter<"reason">;
  /** `weft_staking_slashed_nweft_total`: Stake taken by slashes in nweft, rewards of reporters included, by reason. */
  readonly slashedAmount: Counter<"reason">;
  /** `weft_staking_pool_nweft`: Funds that no account holds in nweft, by pool. */
  readonly poolAmount: Gauge<"pool">;
  /** `weft_staking_burned_nweft`: Funds destroyed since genesis in nweft. */
  readonly burned: Gauge;
  /** `weft_staking_epoch`: Number of the epoch under way. */
  readonly epoch: Gauge;
  /** `weft_governance_open_proposals`: Proposals that gather a deposit, are voted on or wait for their time. */
  readonly openProposals: Gauge;
  /** `weft_governance_halted`: 1 while the chain is halted on purpose and this node waits for its operator. */
  readonly halted: Gauge;
  /** `weft_governance_upgrade_height`: Height of the planned upgrade that this software does not have; 0 when there is none. */
  readonly upgradeHeight: Gauge;
  /** `weft_governance_halt_votes`: Validators that ask for the chain to stop. */
  readonly haltVotes: Gauge;
}

export const NULL_APP_METRICS: AppMetrics = {
  ...NULL_SEAL_METRICS,
  ...NULL_INCLUSION_METRICS,
  ...NULL_AUCTION_METRICS,
  ...NULL_BUNDLE_METRICS,
  ...NULL_ATOMIC_METRICS,
  orders: NULL_COUNTER,
  ordersWaiting: NULL_GAUGE,
  poolTransactions: NULL_GAUGE,
  poolBytes: NULL_GAUGE,
  poolFree: NULL_GAUGE,
  poolBundles: NULL_GAUGE,
  poolCancelsForgotten: NULL_COUNTER,
  poolRejected: NULL_COUNTER,
  poolEvicted: NULL_COUNTER,
  blockItems: NULL_COUNTER,
  blockItemBytes: NULL_COUNTER,
  laneBytes: NULL_COUNTER,
  failedActions: NULL_COUNTER,
  misbehavior: NULL_COUNTER,
  baseFee: NULL_GAUGE,
  phaseSeconds: NULL_HISTOGRAM,
  proposalsRejected: NULL_COUNTER,
  refusedProposals: NULL_COUNTER,
  fallbackProposals: NULL_COUNTER,
  extensionBlanks: NULL_COUNTER,
  extensionsRejected: NULL_COUNTER,
  snapshots: NULL_COUNTER,
  snapshotSeconds: NULL_HISTOGRAM,
  snapshotHeight: NULL_GAUGE,
  validatorPower: NULL_GAUGE,
  validatorMissedBlocks: NULL_GAUGE,
  validatorJailed: NULL_GAUGE,
  validatorCommission: NULL_GAUGE,
  slashes: NULL_COUNTER,
  slashedAmount: NULL_COUNTER,
  poolAmount: NULL_GAUGE,
  burned: NULL_GAUGE,
  epoch: NULL_GAUGE,
  openProposals: NULL_GAUGE,
  halted: NULL_GAUGE,
  upgradeHeight: NULL_GAUGE,
  haltVotes: NULL_GAUGE,
};
