import type { AtomicMetrics } from "../app/atomic/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const ATOMIC_SPECS: SpecsOf<AtomicMetrics> = {
  atomicOpen: {
    type: "gauge",
    name: "weft_atomic_open",
    help: "Atomic bundles that wait for their decision",
  },
  atomicDecisions: {
    type: "counter",
    name: "weft_atomic_decisions_total",
    help: "Atomic bundles by what became of them (commit, the reason of an abort, dropped)",
    labels: ["result"],
  },
  atomicDecisionBlocks: {
    type: "histogram",
    name: "weft_atomic_decision_blocks",
    help: "Blocks from an atomic bundle to its decision",
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64],
  },
  atomicVotes: {
    type: "counter",
    name: "weft_atomic_votes_total",
    help: "Votes of executors in committed blocks, by verdict (yes, no)",
    labels: ["verdict"],
  },
  atomicReports: {
    type: "counter",
    name: "weft_atomic_reports_total",
    help: "Reports of executors in committed blocks",
  },
  executorFaults: {
    type: "counter",
    name: "weft_atomic_executor_faults_total",
    help: 'Executors that were punished, by fault (slashed, jailed) and rollup (at most 200, then "others")',
    labels: ["fault", "rollup"],
  },
};
