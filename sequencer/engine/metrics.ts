/** Metrics of the engine: CometBFT's names where it has one, `weft_engine_*` for ours. */
import {
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
  type Counter,
  type Gauge,
  type Histogram,
} from "../ports/instruments.ts";

export interface EngineMetrics {
  /** `cometbft_consensus_height`: height being decided. */
  readonly height: Gauge;
  /** `cometbft_consensus_latest_block_height`: last committed height. */
  readonly latestBlockHeight: Gauge;
  /** `cometbft_consensus_rounds`: round of the height being decided. */
  readonly rounds: Gauge;
  /** `cometbft_consensus_round_duration_seconds`: how long rounds took. */
  readonly roundDurationSeconds: Histogram;
  /** `cometbft_consensus_step_duration_seconds{step}`: how long steps took. */
  readonly stepDurationSeconds: Histogram<"step">;
  /** `cometbft_consensus_block_interval_seconds`: time from the last block to this one. */
  readonly blockIntervalSeconds: Histogram;
  /** `cometbft_consensus_validators`: validators in the set. */
  readonly validators: Gauge;
  /** `cometbft_consensus_validators_power`: total power of the set. */
  readonly validatorsPower: Gauge;
  /** `cometbft_consensus_validator_power`: power of this node; 0 when it is not in the set. */
  readonly validatorPower: Gauge;
  /** `cometbft_consensus_validator_last_signed_height`: last height with a signature of this node. */
  readonly validatorLastSignedHeight: Gauge;
  /** `cometbft_consensus_validator_missed_blocks`: blocks without a signature of this node. */
  readonly validatorMissedBlocks: Counter;
  /** `cometbft_consensus_missing_validators`: validators absent from the last commit. */
  readonly missingValidators: Gauge;
  /** `cometbft_consensus_missing_validators_power`: their power. */
  readonly missingValidatorsPower: Gauge;
  /** `cometbft_consensus_byzantine_validators`: validators with evidence in the last block. */
  readonly byzantineValidators: Gauge;
  /** `cometbft_consensus_byzantine_validators_power`: their power. */
  readonly byzantineValidatorsPower: Gauge;
  /** `weft_evidence_pending`: pieces of evidence that wait for a block. */
  readonly evidencePending: Gauge;
  /** `weft_evidence_pending_bytes`: their size. */
  readonly evidencePendingBytes: Gauge;
  /** `weft_evidence_total{outcome}`: pieces of evidence that were added, known, invalid, unjudgeable or
   * refused (full), that a block held (committed) or that never stood in one (expired). */
  readonly evidence: Counter<"outcome">;
  /** `cometbft_consensus_num_txs`: transactions in the last block. */
  readonly numTxs: Gauge;
  /** `cometbft_consensus_total_txs`: transactions since the process started. */
  readonly totalTxs: Counter;
  /** `cometbft_consensus_block_size_bytes`: size of the last block. */
  readonly blockSizeBytes: Gauge;
  /** `cometbft_consensus_block_parts{peer_id}`: parts received, by peer; label bounded by the adapter. */
  readonly blockParts: Counter<"peer_id">;
  /** `cometbft_consensus_proposal_create_count`: proposals this node made. */
  readonly proposalCreateCount: Counter;
  /** `cometbft_consensus_proposal_receive_count{status}`: proposals by ProcessProposal's verdict. */
  readonly proposalReceiveCount: Counter<"status">;
  /** `cometbft_consensus_late_votes{vote_type}`: votes for an earlier round than the current one. */
  readonly lateVotes: Counter<"vote_type">;
  /** `cometbft_consensus_duplicate_vote`: votes we already had. */
  readonly duplicateVote: Counter;
  /** `cometbft_consensus_duplicate_block_part`: parts we already had. */
  readonly duplicateBlockPart: Counter;
  /** `cometbft_consensus_quorum_prevote_delay`: seconds from the proposal's time to +2/3 prevotes. */
  readonly quorumPrevoteDelaySeconds: Gauge;
  /** `cometbft_consensus_vote_extension_receive_count{status}`: extensions by verdict. */
  readonly voteExtensionReceiveCount: Counter<"status">;
  /** `cometbft_state_block_processing_time`: ms that applying a block took. */
  readonly blockProcessingMs: Histogram;
  /** `cometbft_state_consensus_param_updates`: blocks that changed parameters. */
  readonly consensusParamUpdates: Counter;
  /** `cometbft_state_validator_set_updates`: blocks that changed the validator set. */
  readonly validatorSetUpdates: Counter;
  /** `weft_engine_wal_fsync_seconds`: how long one sync of the log took. */
  readonly walFsyncSeconds: Histogram;
  /** `weft_engine_sign_seconds{kind}`: how long the signer took, its own sync included. */
  readonly signSeconds: Histogram<"kind">;
  /** `weft_engine_signatures_missed_total{kind,reason}`: proposals and votes of ours without a signature; reason is refused or late. */
  readonly signaturesMissed: Counter<"kind" | "reason">;
  /** `weft_engine_verify_seconds`: how long one signature check took, waiting included. */
  readonly verifySeconds: Histogram;
  /** `weft_engine_apply_step_seconds{step}`: steps of applying a block: save, finalize, commit, state. */
  readonly applyStepSeconds: Histogram<"step">;
  /** `weft_engine_input_queue_depth{queue}`: inputs that wait; queue is `peer`, `own` or `next`. */
  readonly inputQueueDepth: Gauge<"queue">;
  /** `weft_engine_inputs_dropped_total{reason}`: peer messages not used; reasons are bounded. */
  readonly inputsDropped: Counter<"reason">;
  /** `weft_engine_inputs_ignored_total{code}`: inputs the core had no use for; codes are bounded. */
  readonly inputsIgnored: Counter<"code">;
  /** `weft_engine_conflicting_proposals_total`: pairs of signed proposals of one round for different blocks. */
  readonly conflictingProposals: Counter;
  /** `weft_engine_halted`: 1 when the engine stopped signing and processing. */
  readonly halted: Gauge;
}

export const NULL_ENGINE_METRICS: EngineMetrics = {
  height: NULL_GAUGE,
  latestBlockHeight: NULL_GAUGE,
  rounds: NULL_GAUGE,
  roundDurationSeconds: NULL_HISTOGRAM,
  stepDurationSeconds: NULL_HISTOGRAM,
  blockIntervalSeconds: NULL_HISTOGRAM,
  validators: NULL_GAUGE,
  validatorsPower: NULL_GAUGE,
  validatorPower: NULL_GAUGE,
  validatorLastSignedHeight: NULL_GAUGE,
  validatorMissedBlocks: NULL_COUNTER,
  missingValidators: NULL_GAUGE,
  missingValidatorsPower: NULL_GAUGE,
  byzantineValidators: NULL_GAUGE,
  byzantineValidatorsPower: NULL_GAUGE,
  evidencePending: NULL_GAUGE,
  evidencePendingBytes: NULL_GAUGE,
  evidence: NULL_COUNTER,
  numTxs: NULL_GAUGE,
  totalTxs: NULL_COUNTER,
  blockSizeBytes: NULL_GAUGE,
  blockParts: NULL_COUNTER,
  proposalCreateCount: NULL_COUNTER,
  proposalReceiveCount: NULL_COUNTER,
  lateVotes: NULL_COUNTER,
  duplicateVote: NULL_COUNTER,
  duplicateBlockPart: NULL_COUNTER,
  quorumPrevoteDelaySeconds: NULL_GAUGE,
  voteExtensionReceiveCount: NULL_COUNTER,
  blockProcessingMs: NULL_HISTOGRAM,
  consensusParamUpdates: NULL_COUNTER,
  validatorSetUpdates: NULL_COUNTER,
  walFsyncSeconds: NULL_HISTOGRAM,
  signSeconds: NULL_HISTOGRAM,
  signaturesMissed: NULL_COUNTER,
  verifySeconds: NULL_HISTOGRAM,
  applyStepSeconds: NULL_HISTOGRAM,
  inputQueueDepth: NULL_GAUGE,
  inputsDropped: NULL_COUNTER,
  inputsIgnored: NULL_COUNTER,
  conflictingProposals: NULL_COUNTER,
  halted: NULL_GAUGE,
};

/** Block sync; `cometbft_blocksync_syncing` is the process's, since it covers replay too. */
export interface BlockSyncMetrics {
  /** `cometbft_blocksync_latest_block_height`: last height that block sync applied. */
  readonly latestBlockHeight: Gauge;
  /** `cometbft_blocksync_num_txs`: transactions in the last synced block. */
  readonly numTxs: Gauge;
  /** `cometbft_blocksync_total_txs`: transactions synced since the process started. */
  readonly totalTxs: Counter;
  /** `cometbft_blocksync_block_size_bytes`: size of the last synced block as it was received. */
  readonly blockSizeBytes: Gauge;
  /** `weft_blocksync_blocks_total`: blocks applied by block sync. */
  readonly blocks: Counter;
  /** `weft_blocksync_returns_total`: times that consensus was left because the node fell behind. */
  readonly returns: Counter;
  /** `weft_blocksync_peers`: peers that blocks can be asked of. */
  readonly peers: Gauge;
  /** `weft_blocksync_pending_requests`: block requests without an answer yet. */
  readonly pendingRequests: Gauge;
  /** `weft_blocksync_buffered_bytes`: bytes of blocks that wait to be applied. */
  readonly bufferedBytes: Gauge;
  /** `weft_blocksync_blocks_received_total{use}`: blocks received that were "wanted" or came too "late". */
  readonly received: Counter<"use">;
  /** `weft_blocksync_peers_dropped_total{fault}`: peers banned for a minute, by fault; faults are bounded. */
  readonly peersDropped: Counter<"fault">;
}

export const NULL_BLOCK_SYNC_METRICS: BlockSyncMetrics = {
  latestBlockHeight: NULL_GAUGE,
  numTxs: NULL_GAUGE,
  totalTxs: NULL_COUNTER,
  blockSizeBytes: NULL_GAUGE,
  blocks: NULL_COUNTER,
  returns: NULL_COUNTER,
  peers: NULL_GAUGE,
  pendingRequests: NULL_GAUGE,
  bufferedBytes: NULL_GAUGE,
  received: NULL_COUNTER,
  peersDropped: NULL_COUNTER,
};

/** State sync. */
export interface StateSyncMetrics {
  /** `cometbft_statesync_syncing`: whether the node restores a snapshot, 0 or 1. */
  readonly syncing: Gauge;
  /** `weft_statesync_snapshots`: snapshots of peers that could be tried. */
  readonly snapshots: Gauge;
  /** `weft_statesync_height`: height of the snapshot tried last. */
  readonly height: Gauge;
  /** `weft_statesync_chunks`: chunks of the snapshot tried last. */
  readonly chunks: Gauge;
  /** `weft_statesync_pending_chunks`: chunks asked for and not here yet. */
  readonly pendingChunks: Gauge;
  /** `weft_statesync_chunks_applied_total`: chunks that the application took. */
  readonly chunksApplied: Counter;
  /** `weft_statesync_chunk_bytes_total`: bytes of the chunks that the application took. */
  readonly chunkBytes: Counter;
  /** `weft_statesync_rejected_total{what}`: refusals, by what ("snapshot", "format", "sender", "chunk", "late"). */
  readonly rejected: Counter<"what">;
}

export const NULL_STATE_SYNC_METRICS: StateSyncMetrics = {
  syncing: NULL_GAUGE,
  snapshots: NULL_GAUGE,
  height: NULL_GAUGE,
  chunks: NULL_GAUGE,
  pendingChunks: NULL_GAUGE,
  chunksApplied: NULL_COUNTER,
  chunkBytes: NULL_COUNTER,
  rejected: NULL_COUNTER,
};
