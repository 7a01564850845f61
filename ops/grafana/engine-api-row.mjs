// The row of a rollup's dashboard about an execution client behind the Engine API.
import { gauge, increase, NODE, panel, quantile, rate, sumBy } from "./panels.mjs";

export const ENGINE_API_ROW = [
  "Engine API",
  panel(
    "Heads of the execution client",
    "short",
    [gauge("weft_engine_api_head_number"), `${NODE} latest`],
    [gauge("weft_engine_api_safe_number"), `${NODE} safe`],
    [gauge("weft_engine_api_finalized_number"), `${NODE} finalized`],
  ),
  panel("Blocks", "ops", [rate("weft_engine_api_blocks_total"), NODE]),
  panel("Transactions", "ops", [rate("weft_engine_api_transactions_total"), NODE]),
  panel("Left out payloads", "ops", [
    sumBy("reason", rate("weft_engine_api_skipped_total")),
    "{{reason}}",
  ]),
  panel("A second's block (p95)", "s", [quantile(0.95, "weft_engine_api_block_seconds"), NODE]),
  panel("Calls (p95)", "s", [
    quantile(0.95, "weft_engine_api_call_seconds", "method"),
    "{{method}}",
  ]),
  panel("Failed calls", "ops", [
    sumBy("method, code", rate("weft_engine_api_call_failures_total")),
    "{{method}} {{code}}",
  ]),
  panel(
    "Trouble",
    "short",
    [increase("weft_engine_api_refusals_total"), `${NODE} refused by the client`],
    [increase("weft_engine_api_client_behind_total"), `${NODE} client came back behind`],
  ),
];
