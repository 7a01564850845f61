import { type Counter, type Gauge, NULL_COUNTER, NULL_GAUGE } from "../ports/instruments.ts";

/** Metrics of running CometBFT beside this process; its own metrics stand on the same page. */
export interface CometBftMetrics {
  /** weft_cometbft_up: whether CometBFT runs and answers (1) or not (0). */
  readonly up: Gauge;
  /** weft_cometbft_restarts_total: times that it was started again after it ended by itself. */
  readonly restarts: Counter;
  /** weft_cometbft_handover_waiting: submitted transactions that are not in its pool yet. */
  readonly handoverWaiting: Gauge;
  /** weft_cometbft_handover_refused_total: transactions that its pool did not take, and so are not passed on to peers. */
  readonly handoverRefused: Counter;
}

export const NULL_COMETBFT_METRICS: CometBftMetrics = {
  up: NULL_GAUGE,
  restarts: NULL_COUNTER,
  handoverWaiting: NULL_GAUGE,
  handoverRefused: NULL_COUNTER,
};
