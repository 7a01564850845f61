import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../sequencer/ports/instruments.ts";

/** What the Engine API driver counts. */
export interface EngineApiMetrics {
  /** weft_engine_api_call_seconds{method}: time of one call of the execution client, retries included. */
  readonly callSeconds: Histogram<"method">;
  /** weft_engine_api_call_failures_total{method,code}: calls of the execution client that failed. */
  readonly callFailures: Counter<"method" | "code">;
  /** weft_engine_api_block_seconds: time from a gathered second to its block at the client's head. */
  readonly blockSeconds: Histogram;
  /** weft_engine_api_blocks_total: rollup blocks built by the execution client. */
  readonly blocks: Counter;
  /** weft_engine_api_transactions_total: transactions that became part of a block, without the driver's own deposits. */
  readonly transactions: Counter;
  /** weft_engine_api_skipped_total{reason}: payloads that did not become part of a block, by reason code. */
  readonly skipped: Counter<"reason">;
  /** weft_engine_api_refusals_total: transactions that passed every check here and that the client refused all the same. */
  readonly refusals: Counter;
  /** weft_engine_api_client_behind_total: times the client came back without blocks that it had had, and was fed them again. */
  readonly clientBehind: Counter;
  /** weft_engine_api_head_number: number of the block at the client's head. */
  readonly headNumber: Gauge;
  /** weft_engine_api_safe_number: number of the client's block that safe names. */
  readonly safeNumber: Gauge;
  /** weft_engine_api_finalized_number: number of the client's block that finalized names. */
  readonly finalizedNumber: Gauge;
}

export const NULL_ENGINE_API_METRICS: EngineApiMetrics = {
  callSeconds: NULL_HISTOGRAM,
  callFailures: NULL_COUNTER,
  blockSeconds: NULL_HISTOGRAM,
  blocks: NULL_COUNTER,
  transactions: NULL_COUNTER,
  skipped: NULL_COUNTER,
  refusals: NULL_COUNTER,
  clientBehind: NULL_COUNTER,
  headNumber: NULL_GAUGE,
  safeNumber: NULL_GAUGE,
  finalizedNumber: NULL_GAUGE,
};
