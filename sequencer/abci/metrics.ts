import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../ports/instruments.ts";

/** Instruments of the ABCI socket; calls have CometBFT's names, such as finalize_block. */
export interface AbciMetrics {
  /** `weft_abci_call_seconds{method}`: from a request of the external engine to its answer, waiting included. */
  readonly callSeconds: Histogram<"method">;
  /** `weft_abci_exceptions_total{method}`: requests answered with an exception, which stops the engine. */
  readonly exceptions: Counter<"method">;
  /** `weft_abci_connections`: connections of the external engine; CometBFT opens four. */
  readonly connections: Gauge;
  /** `weft_abci_connections_refused_total`: connections closed because there were too many. */
  readonly connectionsRefused: Counter;
  /** `weft_abci_received_bytes_total`: bytes of requests. */
  readonly receivedBytes: Counter;
  /** `weft_abci_sent_bytes_total`: bytes of answers. */
  readonly sentBytes: Counter;
  /** `weft_abci_pauses_total`: times a connection was not read because too much was under way. */
  readonly pauses: Counter;
}

export const NULL_ABCI_METRICS: AbciMetrics = {
  callSeconds: NULL_HISTOGRAM,
  exceptions: NULL_COUNTER,
  connections: NULL_GAUGE,
  connectionsRefused: NULL_COUNTER,
  receivedBytes: NULL_COUNTER,
  sentBytes: NULL_COUNTER,
  pauses: NULL_COUNTER,
};
