import type { EngineMetrics } from "../engine/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { MILLISECONDS_BUCKETS, SECONDS_BUCKETS } from "../ports/prometheus.ts";

export const ENGINE_SPECS: SpecsOf<EngineMetrics> = {
  height: { type: "gauge", name: "cometbft_consensus_height", help: "Height being decided" },
  latestBlockHeight: {
    type: "gauge",
    name: "cometbft_consensus_latest_block_height",
    help: "Last committed height",
  },
  rounds: {
    type: "gauge",
    name: "cometbft_consensus_rounds",
    help: "Round of the height being decided",
  },
  roundDurationSeconds: {
    type: "histogram",
    name: "cometbft_consensus_round_duration_seconds",
    help: "How long rounds took",
    buckets: SECONDS_BUCKETS,
  },
  stepDurationSeconds: {
    type: "histogram",
    name: "cometbft_consensus_step_duration_seconds",
    help: "How long steps took",
    labels: ["step"],
    buckets: SECONDS_BUCKETS,
  },
  blockIntervalSeconds: {
    type: "histogram",
    name: "cometbft_consensus_block_interval_seconds",
    help: "Time from the last block to this one",
    buckets: SECONDS_BUCKETS,
  },
  validators: {
    type: "gauge",
    name: "cometbft_consensus_validators",
    help: "Validators in the set",
  },
  validatorsPower: {
    type: "gauge",
    name: "cometbft_consensus_validators_power",
    help: "Total power of the set",
  },
  validatorPower: {
    type: "gauge",
    name: "cometbft_consensus_validator_power",
    help: "Power of this node; 0 when it is not in the set",
  },
  validatorLastSignedHeight: {
    type: "gauge",
    name: "cometbft_consensus_validator_last_signed_height",
    help: "Last height with a signature of this node",
  },
  validatorMissedBlocks: {
    type: "counter",
    name: "cometbft_consensus_validator_missed_blocks",
    help: "Blocks without a signature of this node",
  },
  missingValidators: {
    type: "gauge",
    name: "cometbft_consensus_missing_validators",
    help: "Validators absent from the last commit",
  },
  missingValidatorsPower: {
    type: "gauge",
    name: "cometbft_consensus_missing_validators_power",
    help: "Their power",
  },
  byzantineValidators: {
    type: "gauge",
    name: "cometbft_consensus_byzantine_validators",
    help: "Validators with evidence in the last block",
  },
  byzantineValidatorsPower: {
    type: "gauge",
    name: "cometbft_consensus_byzantine_validators_power",
    help: "Their power",
  },
  evidencePending: {
    type: "gauge",
    name: "weft_evidence_pending",
    help: "Pieces of evidence that wait for a block",
  },
  evidencePendingBytes: {
    type: "gauge",
    name: "weft_evidence_pending_bytes",
    help: "Their size",
  },
  evidence: {
    type: "counter",
    name: "weft_evidence_total",
    help: "Pieces of evidence that were added, known, invalid, unjudgeable or refused (full), that a block held (committed) or that never stood in one (expired)",
    labels: ["outcome"],
  },
  numTxs: {
    type: "gauge",
    name: "cometbft_consensus_num_txs",
    help: "Transactions in the last block",
  },
  totalTxs: {
    type: "counter",
    name: "cometbft_consensus_total_txs",
    help: "Transactions since the process started",
  },
  blockSizeBytes: {
    type: "gauge",
    name: "cometbft_consensus_block_size_bytes",
    help: "Size of the last block",
  },
  blockParts: {
    type: "counter",
    name: "cometbft_consensus_block_parts",
    help: "Parts received, by peer; label bounded by the adapter",
    labels: ["peer_id"],
  },
  proposalCreateCount: {
    type: "counter",
    name: "cometbft_consensus_proposal_create_count",
    help: "Proposals this node made",
  },
  proposalReceiveCount: {
    type: "counter",
    name: "cometbft_consensus_proposal_receive_count",
    help: "Proposals by ProcessProposal's verdict",
    labels: ["status"],
  },
  lateVotes: {
    type: "counter",
    name: "cometbft_consensus_late_votes",
    help: "Votes for an earlier round than the current one",
    labels: ["vote_type"],
  },
  duplicateVote: {
    type: "counter",
    name: "cometbft_consensus_duplicate_vote",
    help: "Votes we already had",
  },
  duplicateBlockPart: {
    type: "counter",
    name: "cometbft_consensus_duplicate_block_part",
    help: "Parts we already had",
  },
  quorumPrevoteDelaySeconds: {
    type: "gauge",
    name: "cometbft_consensus_quorum_prevote_delay",
    help: "Seconds from the proposal's time to +2/3 prevotes",
  },
  voteExtensionReceiveCount: {
    type: "counter",
    name: "cometbft_consensus_vote_extension_receive_count",
    help: "Extensions by verdict",
    labels: ["status"],
  },
  blockProcessingMs: {
    type: "histogram",
    name: "cometbft_state_block_processing_time",
    help: "Ms that applying a block took",
    buckets: MILLISECONDS_BUCKETS,
  },
  consensusParamUpdates: {
    type: "counter",
    name: "cometbft_state_consensus_param_updates",
    help: "Blocks that changed parameters",
  },
  validatorSetUpdates: {
    type: "counter",
    name: "cometbft_state_validator_set_updates",
    help: "Blocks that changed the validator set",
  },
  walFsyncSeconds: {
    type: "histogram",
    name: "weft_engine_wal_fsync_seconds",
    help: "How long one sync of the log took",
    buckets: SECONDS_BUCKETS,
  },
  signSeconds: {
    type: "histogram",
    name: "weft_engine_sign_seconds",
    help: "How long the signer took, its own sync included",
    labels: ["kind"],
    buckets: SECONDS_BUCKETS,
  },
  signaturesMissed: {
    type: "counter",
    name: "weft_engine_signatures_missed_total",
    help: "Proposals and votes of ours without a signature; reason is refused or late",
    labels: ["kind", "reason"],
  },
  verifySeconds: {
    type: "histogram",
    name: "weft_engine_verify_seconds",
    help: "How long one signature check took, waiting included",
    buckets: SECONDS_BUCKETS,
  },
  applyStepSeconds: {
    type: "histogram",
    name: "weft_engine_apply_step_seconds",
    help: "Steps of applying a block: save, finalize, commit, state",
    labels: ["step"],
    buckets: SECONDS_BUCKETS,
  },
  inputQueueDepth: {
    type: "gauge",
    name: "weft_engine_input_queue_depth",
    help: "Inputs that wait; queue is peer, own or next",
    labels: ["queue"],
  },
  inputsDropped: {
    type: "counter",
    name: "weft_engine_inputs_dropped_total",
    help: "Peer messages not used; reasons are bounded",
    labels: ["reason"],
  },
  inputsIgnored: {
    type: "counter",
    name: "weft_engine_inputs_ignored_total",
    help: "Inputs the core had no use for; codes are bounded",
    labels: ["code"],
  },
  conflictingProposals: {
    type: "counter",
    name: "weft_engine_conflicting_proposals_total",
    help: "Pairs of signed proposals of one round for different blocks",
  },
  halted: {
    type: "gauge",
    name: "weft_engine_halted",
    help: "1 when the engine stopped signing and processing",
  },
};
