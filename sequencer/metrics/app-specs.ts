import type { AppMetrics } from "../app/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";
import { AUCTION_SPECS } from "./auction-specs.ts";
import { ATOMIC_SPECS } from "./atomic-specs.ts";
import { BUNDLE_SPECS } from "./bundle-specs.ts";
import { INCLUSION_SPECS } from "./inclusion-specs.ts";
import { SEAL_SPECS } from "./seal-specs.ts";

export const APP_SPECS: SpecsOf<AppMetrics> = {
  ...SEAL_SPECS,
  ...INCLUSION_SPECS,
  ...AUCTION_SPECS,
  ...BUNDLE_SPECS,
  ...ATOMIC_SPECS,
  orders: {
    type: "counter",
    name: "weft_mev_orders_total",
    help: "Orders of shuffled entries that blocks have decided",
  },
  ordersWaiting: {
    type: "gauge",
    name: "weft_mev_orders_waiting",
    help: "Blocks and rollups whose shuffled entries wait to be opened and ordered",
  },
  poolTransactions: {
    type: "gauge",
    name: "weft_pool_transactions",
    help: "Transactions in the pool",
  },
  poolFree: {
    type: "gauge",
    name: "weft_pool_free_transactions",
    help: "Transactions in the pool that pay nothing: duties of validators",
  },
  poolBundles: {
    type: "gauge",
    name: "weft_pool_bundles",
    help: "Bundles in the pool, those that wait for their first block included",
  },
  poolCancelsForgotten: {
    type: "counter",
    name: "weft_pool_cancels_forgotten_total",
    help: "Cancellations of bundles that the pool forgot before their height, because there were too many",
  },
  poolBytes: { type: "gauge", name: "weft_pool_bytes", help: "Bytes of the items in the pool" },
  poolRejected: {
    type: "counter",
    name: "weft_pool_rejected_total",
    help: "Items that CheckTx refused, by code (name in the code table)",
    labels: ["code"],
  },
  poolEvicted: {
    type: "counter",
    name: "weft_pool_evicted_total",
    help: "Transactions that left the pool without a block, by code",
    labels: ["code"],
  },
  blockItems: {
    type: "counter",
    name: "weft_app_block_items_total",
    help: "Items of committed blocks, by lane (number)",
    labels: ["lane"],
  },
  blockItemBytes: {
    type: "counter",
    name: "weft_app_block_item_bytes_total",
    help: "Bytes of the items of committed blocks",
  },
  laneBytes: {
    type: "counter",
    name: "weft_mev_lane_bytes_total",
    help: "Bytes of the transactions of committed blocks, by lane (number)",
    labels: ["lane"],
  },
  failedActions: {
    type: "counter",
    name: "weft_app_failed_actions_total",
    help: "Items in committed blocks whose action failed, by code",
    labels: ["code"],
  },
  misbehavior: {
    type: "counter",
    name: "weft_app_misbehavior_total",
    help: 'Validators that evidence in committed blocks names, by type ("duplicateVote", "lightClientAttack")',
    labels: ["type"],
  },
  baseFee: {
    type: "gauge",
    name: "weft_app_base_fee_nweft_per_byte",
    help: "Base fee of the next block",
  },
  phaseSeconds: {
    type: "histogram",
    name: "weft_app_phase_seconds",
    help: "Duration of an ABCI call, by phase (prepare, process, finalize, commit)",
    labels: ["phase"],
    buckets: SECONDS_BUCKETS,
  },
  proposalsRejected: {
    type: "counter",
    name: "weft_app_proposals_rejected_total",
    help: "Proposals that ProcessProposal refused",
  },
  refusedProposals: {
    type: "counter",
    name: "weft_mev_proposals_refused_total",
    help: 'Proposals that broke a rule, by check (P1 to P11, TX) and proposer (at most 200, then "others")',
    labels: ["check", "proposer"],
  },
  fallbackProposals: {
    type: "counter",
    name: "weft_app_fallback_proposals_total",
    help: 'Own proposals that failed their check and gave way, by step: to what ("minimal", "obligated", "unchecked")',
    labels: ["step"],
  },
  extensionBlanks: {
    type: "counter",
    name: "weft_app_extension_blanks_total",
    help: "COMMIT validators whose extension the proposer could not use, by validator (index, at most 200)",
    labels: ["validator"],
  },
  extensionsRejected: {
    type: "counter",
    name: "weft_app_extensions_rejected_total",
    help: "Vote extensions of others that were refused, by code",
    labels: ["code"],
  },
  snapshots: {
    type: "counter",
    name: "weft_app_snapshots_total",
    help: 'Snapshots that were due, by outcome ("taken", "skipped", "failed")',
    labels: ["outcome"],
  },
  snapshotSeconds: {
    type: "histogram",
    name: "weft_app_snapshot_seconds",
    help: "Time to take a snapshot, beside the chain",
    buckets: SECONDS_BUCKETS,
  },
  snapshotHeight: {
    type: "gauge",
    name: "weft_app_snapshot_height",
    help: "Height of the newest snapshot; 0 when there is none",
  },
  validatorPower: {
    type: "gauge",
    name: "weft_staking_validator_power",
    help: "Power of a validator in the set that the engine was last told, by validator (at most 200)",
    labels: ["validator"],
  },
  validatorMissedBlocks: {
    type: "gauge",
    name: "weft_staking_validator_missed_blocks",
    help: "Blocks of the window that a validator has missed, by validator (at most 200)",
    labels: ["validator"],
  },
  validatorJailed: {
    type: "gauge",
    name: "weft_staking_validator_jailed",
    help: "Whether a validator is jailed: 0 no, 1 until unjailed, 2 for good, by validator (at most 200)",
    labels: ["validator"],
  },
  validatorCommission: {
    type: "gauge",
    name: "weft_staking_validator_commission_ratio",
    help: "Commission rate of a validator, by validator (at most 200)",
    labels: ["validator"],
  },
  slashes: {
    type: "counter",
    name: "weft_staking_slashes_total",
    help: "Slashes in committed blocks, by reason",
    labels: ["reason"],
  },
  slashedAmount: {
    type: "counter",
    name: "weft_staking_slashed_nweft_total",
    help: "Stake taken by slashes in nweft, rewards of reporters included, by reason",
    labels: ["reason"],
  },
  poolAmount: {
    type: "gauge",
    name: "weft_staking_pool_nweft",
    help: "Funds that no account holds in nweft, by pool",
    labels: ["pool"],
  },
  burned: {
    type: "gauge",
    name: "weft_staking_burned_nweft",
    help: "Funds destroyed since genesis in nweft",
  },
  epoch: {
    type: "gauge",
    name: "weft_staking_epoch",
    help: "Number of the epoch under way",
  },
  openProposals: {
    type: "gauge",
    name: "weft_governance_open_proposals",
    help: "Proposals that gather a deposit, are voted on or wait for their time",
  },
  halted: {
    type: "gauge",
    name: "weft_governance_halted",
    help: "1 while the chain is halted on purpose and this node waits for its operator",
  },
  upgradeHeight: {
    type: "gauge",
    name: "weft_governance_upgrade_height",
    help: "Height of the planned upgrade that this software does not have; 0 when there is none",
  },
  haltVotes: {
    type: "gauge",
    name: "weft_governance_halt_votes",
    help: "Validators that ask for the chain to stop",
  },
};
