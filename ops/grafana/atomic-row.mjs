// The row of the node's dashboard about atomic execution.
import { events, gauge, increase, mean, NODE, panel, quantile, sumBy } from "./panels.mjs";

export const ATOMIC_ROW = [
  "Atomic execution",
  panel(
    "Atomic bundles by what became of them",
    "short",
    [sumBy("instance, result", events("weft_atomic_decisions_total")), `${NODE} {{result}}`],
    [gauge("weft_atomic_open"), `${NODE} wait`],
  ),
  panel(
    "Blocks from an atomic bundle to its decision (mean, p95)",
    "short",
    [mean("weft_atomic_decision_blocks"), `${NODE} mean`],
    [quantile(0.95, "weft_atomic_decision_blocks"), `${NODE} p95`],
  ),
  panel(
    "Votes and reports of executors",
    "short",
    [sumBy("instance, verdict", events("weft_atomic_votes_total")), `${NODE} {{verdict}}`],
    [increase("weft_atomic_reports_total"), `${NODE} reports`],
  ),
  panel("Executors slashed and jailed", "short", [
    sumBy("fault, rollup", events("weft_atomic_executor_faults_total")),
    "{{fault}} {{rollup}}",
  ]),
];
