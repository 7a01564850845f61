import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../sequencer/ports/instruments.ts";

/** Metrics of a driver: from a sequencer's stream to the rollup's executor. */
export interface DriverMetrics {
  /** weft_rollup_sequencer_height: last sequencer height that was verified and executed. */
  readonly sequencerHeight: Gauge;
  /** weft_rollup_sequencer_head: last sequencer height a node told of. */
  readonly sequencerHead: Gauge;
  /** weft_rollup_head_number: number of the rollup's head. */
  readonly headNumber: Gauge;
  /** weft_rollup_block_lag_seconds: age of a sequencer block, by its own time, when it was executed. */
  readonly blockLagSeconds: Gauge;
  /** weft_rollup_verify_seconds: time to verify one streamed block. */
  readonly verifySeconds: Histogram;
  /** weft_rollup_payloads_total: payloads handed to the executor. */
  readonly payloads: Counter;
  /** weft_rollup_bundle_legs_total: legs of bundles handed to the executor, each proven to stand in one block with all others. */
  readonly bundleLegs: Counter;
  /** weft_mev_bundle_atomicity_violations_total: streamed blocks in which a leg of a bundle came without its siblings. */
  readonly bundleViolations: Counter;
  /** weft_rollup_refused_total{code}: streamed blocks that failed verification. */
  readonly refused: Counter<"code">;
  /** weft_rollup_stream_restarts_total: streams opened again after an end or an error. */
  readonly streamRestarts: Counter;
  /** weft_rollup_atomic_prepared_total{verdict}: legs of atomic bundles prepared, by what was found (yes, no). */
  readonly atomicPrepared: Counter<"verdict">;
  /** weft_rollup_atomic_decided_total{outcome}: atomic bundles decided (commit, abort). */
  readonly atomicDecided: Counter<"outcome">;
  /** weft_rollup_atomic_statements_total{kind,result}: votes and reports of the executor key: ordered, deferred (sent again), refused, abandoned (nobody asks for it any more), contradiction (not sent: it would be slashed). */
  readonly atomicStatements: Counter<"kind" | "result">;
  /** weft_rollup_atomic_pending: votes and reports of the executor key that no block holds yet. */
  readonly atomicPending: Gauge;
}

export const NULL_DRIVER_METRICS: DriverMetrics = {
  sequencerHeight: NULL_GAUGE,
  sequencerHead: NULL_GAUGE,
  headNumber: NULL_GAUGE,
  blockLagSeconds: NULL_GAUGE,
  verifySeconds: NULL_HISTOGRAM,
  payloads: NULL_COUNTER,
  bundleLegs: NULL_COUNTER,
  bundleViolations: NULL_COUNTER,
  refused: NULL_COUNTER,
  streamRestarts: NULL_COUNTER,
  atomicPrepared: NULL_COUNTER,
  atomicDecided: NULL_COUNTER,
  atomicStatements: NULL_COUNTER,
  atomicPending: NULL_GAUGE,
};
