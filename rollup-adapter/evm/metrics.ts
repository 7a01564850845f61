/** What the reference EVM rollup counts. `sequencer/metrics` makes the Prometheus ones. */
import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../sequencer/ports/instruments.ts";
import { type JsonRpcMetrics, NULL_JSON_RPC_METRICS } from "../json-rpc/metrics.ts";

export interface EvmMetrics extends JsonRpcMetrics {
  /** `weft_evm_blocks_executed_total`: rollup blocks produced. */
  readonly blocksExecuted: Counter;
  /** `weft_evm_transactions_included_total`: transactions that became part of a block. */
  readonly transactionsIncluded: Counter;
  /** `weft_evm_payloads_skipped_total`: payloads that did not, by reason code. */
  readonly payloadsSkipped: Counter<"reason">;
  /** `weft_evm_gas_used_total`: gas of the blocks produced. */
  readonly gasUsed: Counter;
  /** `weft_evm_block_execution_seconds`: time to execute and store one rollup block. */
  readonly blockExecutionSeconds: Histogram;
  /** `weft_evm_head_number`: number of the newest rollup block. */
  readonly headNumber: Gauge;
  /** `weft_evm_safe_number`: number of the block that `safe` names. */
  readonly safeNumber: Gauge;
  /** `weft_evm_finalized_number`: number of the block that `finalized` names. */
  readonly finalizedNumber: Gauge;
  /** `weft_evm_sequencer_height`: last sequencer height taken. */
  readonly sequencerHeight: Gauge;
  /** `weft_evm_execution_failures_total`: requests that ended in EXECUTION_INTERNAL. */
  readonly executionFailures: Counter;
  /** `weft_evm_pending_transactions`: submitted transactions not yet seen in a block. */
  readonly pendingTransactions: Gauge;
  /** `weft_evm_resubmissions_total`: transactions posted again after a block skipped them for want of room or of their turn. */
  readonly resubmissions: Counter;
}

export const NULL_EVM_METRICS: EvmMetrics = {
  ...NULL_JSON_RPC_METRICS,
  blocksExecuted: NULL_COUNTER,
  transactionsIncluded: NULL_COUNTER,
  payloadsSkipped: NULL_COUNTER,
  gasUsed: NULL_COUNTER,
  blockExecutionSeconds: NULL_HISTOGRAM,
  headNumber: NULL_GAUGE,
  safeNumber: NULL_GAUGE,
  finalizedNumber: NULL_GAUGE,
  sequencerHeight: NULL_GAUGE,
  executionFailures: NULL_COUNTER,
  pendingTransactions: NULL_GAUGE,
  resubmissions: NULL_COUNTER,
};
