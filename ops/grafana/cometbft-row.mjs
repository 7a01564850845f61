// The row of the node's dashboard about CometBFT as its engine.
import { events, gauge, increase, NODE, panel, quantile, rate, sumBy } from "./panels.mjs";

export const COMETBFT_ROW = [
  "Application under CometBFT",
  panel(
    "CometBFT process",
    "short",
    [gauge("weft_cometbft_up"), `${NODE} up`],
    [increase("weft_cometbft_restarts_total"), `${NODE} restarts`],
  ),
  panel(
    "Transactions handed to CometBFT",
    "short",
    [gauge("weft_cometbft_handover_waiting"), `${NODE} waiting`],
    [increase("weft_cometbft_handover_refused_total"), `${NODE} refused`],
  ),
  panel("ABCI connections", "short", [gauge("weft_abci_connections"), NODE]),
  panel("ABCI calls", "ops", [
    sumBy("instance, method", rate("weft_abci_call_seconds_count")),
    `${NODE} {{method}}`,
  ]),
  panel("ABCI calls (p95)", "s", [
    quantile(0.95, "weft_abci_call_seconds", "instance, method"),
    `${NODE} {{method}}`,
  ]),
  panel(
    "ABCI bytes",
    "Bps",
    [rate("weft_abci_received_bytes_total"), `${NODE} received`],
    [rate("weft_abci_sent_bytes_total"), `${NODE} sent`],
  ),
  panel(
    "ABCI faults",
    "short",
    [sumBy("instance, method", events("weft_abci_exceptions_total")), `${NODE} exception {{method}}`],
    [increase("weft_abci_connections_refused_total"), `${NODE} connection refused`],
    [increase("weft_abci_pauses_total"), `${NODE} pause`],
  ),
];
