/** All metrics of a rollup's side, made once per adapter process. */
import type { PrometheusRegistry, SpecsOf } from "../sequencer/ports/prometheus.ts";
import { BYTES_BUCKETS, SECONDS_BUCKETS } from "../sequencer/ports/prometheus.ts";
import type { DriverMetrics } from "./driver/metrics.ts";
import type { EngineApiMetrics } from "./engine-api/metrics.ts";
import type { EvmMetrics } from "./evm/metrics.ts";
import type { GatewayMetrics } from "./gateway/metrics.ts";
import type { LightMetrics } from "./light/metrics.ts";

export interface AdapterMetrics {
  readonly driver: DriverMetrics;
  readonly engine: EngineApiMetrics;
  readonly evm: EvmMetrics;
  readonly gateway: GatewayMetrics;
  readonly light: LightMetrics;
}

/** `registry` comes from `createPrometheusRegistry`; a second call on the same one throws. */
export function createAdapterMetrics(registry: PrometheusRegistry): AdapterMetrics {
  return {
    driver: registry.createInstruments<DriverMetrics>(DRIVER_SPECS),
    engine: registry.createInstruments<EngineApiMetrics>(ENGINE_API_SPECS),
    evm: registry.createInstruments<EvmMetrics>(EVM_SPECS),
    gateway: registry.createInstruments<GatewayMetrics>(GATEWAY_SPECS),
    light: createLightMetrics(registry),
  };
}

/** Those of a process that is a light client only. */
export function createLightMetrics(registry: PrometheusRegistry): LightMetrics {
  return registry.createInstruments<LightMetrics>(LIGHT_SPECS);
}

const DRIVER_SPECS: SpecsOf<DriverMetrics> = {
  sequencerHeight: {
    type: "gauge",
    name: "weft_rollup_sequencer_height",
    help: "Last sequencer height that was verified and executed",
  },
  sequencerHead: {
    type: "gauge",
    name: "weft_rollup_sequencer_head",
    help: "Last sequencer height a node told of",
  },
  headNumber: {
    type: "gauge",
    name: "weft_rollup_head_number",
    help: "Number of the rollup's head",
  },
  blockLagSeconds: {
    type: "gauge",
    name: "weft_rollup_block_lag_seconds",
    help: "Age of a sequencer block, by its own time, when it was executed",
  },
  verifySeconds: {
    type: "histogram",
    name: "weft_rollup_verify_seconds",
    help: "Time to verify one streamed block",
    buckets: SECONDS_BUCKETS,
  },
  payloads: {
    type: "counter",
    name: "weft_rollup_payloads_total",
    help: "Payloads handed to the executor",
  },
  bundleLegs: {
    type: "counter",
    name: "weft_rollup_bundle_legs_total",
    help: "Legs of bundles handed to the executor, each proven to stand in one block with all others",
  },
  bundleViolations: {
    type: "counter",
    name: "weft_mev_bundle_atomicity_violations_total",
    help: "Streamed blocks in which a leg of a bundle came without its siblings",
  },
  refused: {
    type: "counter",
    name: "weft_rollup_refused_total",
    help: "Streamed blocks that failed verification",
    labels: ["code"],
  },
  streamRestarts: {
    type: "counter",
    name: "weft_rollup_stream_restarts_total",
    help: "Streams opened again after an end or an error",
  },
  atomicPrepared: {
    type: "counter",
    name: "weft_rollup_atomic_prepared_total",
    help: "Legs of atomic bundles prepared, by what was found (yes, no)",
    labels: ["verdict"],
  },
  atomicDecided: {
    type: "counter",
    name: "weft_rollup_atomic_decided_total",
    help: "Atomic bundles decided (commit, abort)",
    labels: ["outcome"],
  },
  atomicStatements: {
    type: "counter",
    name: "weft_rollup_atomic_statements_total",
    help: "Votes and reports of the executor key: ordered, deferred (sent again), refused, abandoned (nobody asks for it any more), contradiction (not sent: it would be slashed)",
    labels: ["kind", "result"],
  },
  atomicPending: {
    type: "gauge",
    name: "weft_rollup_atomic_pending",
    help: "Votes and reports of the executor key that no block holds yet",
  },
};

const ENGINE_API_SPECS: SpecsOf<EngineApiMetrics> = {
  callSeconds: {
    type: "histogram",
    name: "weft_engine_api_call_seconds",
    help: "Time of one call of the execution client, retries included",
    labels: ["method"],
    buckets: SECONDS_BUCKETS,
  },
  callFailures: {
    type: "counter",
    name: "weft_engine_api_call_failures_total",
    help: "Calls of the execution client that failed",
    labels: ["method", "code"],
  },
  blockSeconds: {
    type: "histogram",
    name: "weft_engine_api_block_seconds",
    help: "Time from a gathered second to its block at the client's head",
    buckets: SECONDS_BUCKETS,
  },
  blocks: {
    type: "counter",
    name: "weft_engine_api_blocks_total",
    help: "Rollup blocks built by the execution client",
  },
  transactions: {
    type: "counter",
    name: "weft_engine_api_transactions_total",
    help: "Transactions that became part of a block, without the driver's own deposits",
  },
  skipped: {
    type: "counter",
    name: "weft_engine_api_skipped_total",
    help: "Payloads that did not become part of a block, by reason code",
    labels: ["reason"],
  },
  refusals: {
    type: "counter",
    name: "weft_engine_api_refusals_total",
    help: "Transactions that passed every check here and that the client refused all the same",
  },
  clientBehind: {
    type: "counter",
    name: "weft_engine_api_client_behind_total",
    help: "Times the client came back without blocks that it had had, and was fed them again",
  },
  headNumber: {
    type: "gauge",
    name: "weft_engine_api_head_number",
    help: "Number of the block at the client's head",
  },
  safeNumber: {
    type: "gauge",
    name: "weft_engine_api_safe_number",
    help: "Number of the client's block that safe names",
  },
  finalizedNumber: {
    type: "gauge",
    name: "weft_engine_api_finalized_number",
    help: "Number of the client's block that finalized names",
  },
};

const EVM_SPECS: SpecsOf<EvmMetrics> = {
  blocksExecuted: {
    type: "counter",
    name: "weft_evm_blocks_executed_total",
    help: "Rollup blocks produced",
  },
  transactionsIncluded: {
    type: "counter",
    name: "weft_evm_transactions_included_total",
    help: "Transactions that became part of a block",
  },
  payloadsSkipped: {
    type: "counter",
    name: "weft_evm_payloads_skipped_total",
    help: "Payloads that did not, by reason code",
    labels: ["reason"],
  },
  gasUsed: { type: "counter", name: "weft_evm_gas_used_total", help: "Gas of the blocks produced" },
  blockExecutionSeconds: {
    type: "histogram",
    name: "weft_evm_block_execution_seconds",
    help: "Time to execute and store one rollup block",
    buckets: SECONDS_BUCKETS,
  },
  headNumber: {
    type: "gauge",
    name: "weft_evm_head_number",
    help: "Number of the newest rollup block",
  },
  safeNumber: {
    type: "gauge",
    name: "weft_evm_safe_number",
    help: "Number of the block that safe names",
  },
  finalizedNumber: {
    type: "gauge",
    name: "weft_evm_finalized_number",
    help: "Number of the block that finalized names",
  },
  sequencerHeight: {
    type: "gauge",
    name: "weft_evm_sequencer_height",
    help: "Last sequencer height taken",
  },
  executionFailures: {
    type: "counter",
    name: "weft_evm_execution_failures_total",
    help: "Requests that ended in EXECUTION_INTERNAL",
  },
  rpcRequests: {
    type: "counter",
    name: "weft_evm_rpc_requests_total",
    help: 'JSON-RPC calls by method (unknown ones as "other") and code',
    labels: ["method", "code"],
  },
  rpcRequestSeconds: {
    type: "histogram",
    name: "weft_evm_rpc_request_seconds",
    help: "Time to answer one JSON-RPC call, by method",
    labels: ["method"],
    buckets: SECONDS_BUCKETS,
  },
  rpcWebSockets: {
    type: "gauge",
    name: "weft_evm_rpc_websockets",
    help: "Open WebSocket connections",
  },
  rpcDropped: {
    type: "counter",
    name: "weft_evm_rpc_dropped_total",
    help: "Refused or dropped, by what was full (catching_up: the state is behind the order)",
    labels: ["what"],
  },
  pendingTransactions: {
    type: "gauge",
    name: "weft_evm_pending_transactions",
    help: "Submitted transactions not yet seen in a block",
  },
  resubmissions: {
    type: "counter",
    name: "weft_evm_resubmissions_total",
    help: "Transactions posted again after a block skipped them for want of room or of their turn",
  },
};

const GATEWAY_SPECS: SpecsOf<GatewayMetrics> = {
  pending: {
    type: "gauge",
    name: "weft_gateway_pending",
    help: "Payloads accepted or queued and not ordered yet",
  },
  submissions: {
    type: "counter",
    name: "weft_gateway_submissions_total",
    help: "Signed submissions by answer: accepted, refused, resealed for another key, or sent_again as they were",
    labels: ["result"],
  },
  resubmissions: {
    type: "counter",
    name: "weft_gateway_resubmissions_total",
    help: "Payloads submitted again",
  },
  abandoned: {
    type: "counter",
    name: "weft_gateway_abandoned_total",
    help: "Payloads given up after their last submission",
  },
  bundles: {
    type: "counter",
    name: "weft_gateway_bundles_total",
    help: "Bundles, bids and cancellations sent for searchers: accepted, refused, or resealed for another key",
    labels: ["result"],
  },
  batchBytes: {
    type: "histogram",
    name: "weft_gateway_batch_bytes",
    help: "Size of a signed submission",
    buckets: BYTES_BUCKETS,
  },
  journalSeconds: {
    type: "histogram",
    name: "weft_gateway_journal_seconds",
    help: "Time of one turn of the disk, for all that was written in it",
    buckets: SECONDS_BUCKETS,
  },
  journalWrites: {
    type: "counter",
    name: "weft_gateway_journal_writes_total",
    help: "Records written to the journal or removed from it",
  },
  journalFailures: {
    type: "counter",
    name: "weft_gateway_journal_failures_total",
    help: "Promises refused because the journal could not be written",
  },
  recovered: {
    type: "counter",
    name: "weft_gateway_recovered_total",
    help: "Found in the journal at a start: submission sent again, submission ordered before, transaction",
    labels: ["what"],
  },
};

const LIGHT_SPECS: SpecsOf<LightMetrics> = {
  trustedHeight: {
    type: "gauge",
    name: "weft_light_trusted_height",
    help: "Highest height that the light client has verified",
  },
  blocksExamined: {
    type: "counter",
    name: "weft_light_blocks_examined_total",
    help: "Light blocks looked at on the way to verified ones",
  },
  witnesses: {
    type: "gauge",
    name: "weft_light_witnesses",
    help: "Witnesses that cross-check the primary",
  },
  providerFaults: {
    type: "counter",
    name: "weft_light_provider_faults_total",
    help: "Providers that failed or lied, by what became of them (primary_replaced, primary_behind, witness_removed, witness_silent)",
    labels: ["kind"],
  },
  attacks: {
    type: "counter",
    name: "weft_light_attacks_total",
    help: "Attacks detected: two verified headers that contradict each other",
  },
  answers: {
    type: "counter",
    name: "weft_light_answers_total",
    help: "Answers of the primary, by method and outcome (verified, passed_on, refused)",
    labels: ["method", "outcome"],
  },
};
