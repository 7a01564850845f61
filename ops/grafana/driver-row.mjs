// The row of a rollup's dashboard about its driver.
import { events, gauge, increase, NODE, panel, quantile, rate, stat, sumBy } from "./panels.mjs";

export const DRIVER_ROW = [
  "Driver",
  stat("Rollup head", "short", [gauge("weft_rollup_head_number"), NODE]),
  panel(
    "Sequencer heights",
    "short",
    [gauge("weft_rollup_sequencer_head"), `${NODE} known`],
    [gauge("weft_rollup_sequencer_height"), `${NODE} executed`],
  ),
  panel("Age of a block when executed", "s", [gauge("weft_rollup_block_lag_seconds"), NODE]),
  panel("Verification of a block (p95)", "s", [quantile(0.95, "weft_rollup_verify_seconds"), NODE]),
  panel("Payloads", "ops", [rate("weft_rollup_payloads_total"), NODE]),
  panel(
    "Legs of bundles",
    "short",
    [increase("weft_rollup_bundle_legs_total"), `${NODE} executed`],
    [increase("weft_mev_bundle_atomicity_violations_total"), `${NODE} came alone`],
  ),
  panel(
    "Atomic bundles",
    "short",
    [sumBy("verdict", events("weft_rollup_atomic_prepared_total")), "prepared, {{verdict}}"],
    [sumBy("outcome", events("weft_rollup_atomic_decided_total")), "decided, {{outcome}}"],
  ),
  panel(
    "Votes and reports",
    "short",
    [
      sumBy("kind, result", events("weft_rollup_atomic_statements_total")),
      "{{kind}} {{result}}",
    ],
    [gauge("weft_rollup_atomic_pending"), `${NODE} wait`],
  ),
  panel("Refused blocks", "short", [sumBy("code", events("weft_rollup_refused_total")), "{{code}}"]),
  panel("Stream restarts", "ops", [rate("weft_rollup_stream_restarts_total"), NODE]),
];
