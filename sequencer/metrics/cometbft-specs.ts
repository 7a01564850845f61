import type { CometBftMetrics } from "../cometbft/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const COMETBFT_SPECS: SpecsOf<CometBftMetrics> = {
  up: {
    type: "gauge",
    name: "weft_cometbft_up",
    help: "Whether CometBFT runs and answers (1) or not (0)",
  },
  restarts: {
    type: "counter",
    name: "weft_cometbft_restarts_total",
    help: "Times that it was started again after it ended by itself",
  },
  handoverWaiting: {
    type: "gauge",
    name: "weft_cometbft_handover_waiting",
    help: "Submitted transactions that are not in its pool yet",
  },
  handoverRefused: {
    type: "counter",
    name: "weft_cometbft_handover_refused_total",
    help: "Transactions that its pool did not take, and so are not passed on to peers",
  },
};
