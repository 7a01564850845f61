import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../ports/instruments.ts";

/** Instruments of atomic execution; a part of the application's. */
export interface AtomicMetrics {
  /** `weft_atomic_open`: Atomic bundles that wait for their decision. */
  readonly atomicOpen: Gauge;
  /** `weft_atomic_decisions_total`: Atomic bundles by what became of them (commit, the reason of an abort, dropped). */
  readonly atomicDecisions: Counter<"result">;
  /** `weft_atomic_decision_blocks`: Blocks from an atomic bundle to its decision. */
  readonly atomicDecisionBlocks: Histogram;
  /** `weft_atomic_votes_total`: Votes of executors in committed blocks, by verdict (yes, no). */
  readonly atomicVotes: Counter<"verdict">;
  /** `weft_atomic_reports_total`: Reports of executors in committed blocks. */
  readonly atomicReports: Counter;
  /** `weft_atomic_executor_faults_total`: Executors that were punished, by fault (slashed, jailed) and rollup (at most 200, then "others"). */
  readonly executorFaults: Counter<"fault" | "rollup">;
}

export const NULL_ATOMIC_METRICS: AtomicMetrics = {
  atomicOpen: NULL_GAUGE,
  atomicDecisions: NULL_COUNTER,
  atomicDecisionBlocks: NULL_HISTOGRAM,
  atomicVotes: NULL_COUNTER,
  atomicReports: NULL_COUNTER,
  executorFaults: NULL_COUNTER,
};
