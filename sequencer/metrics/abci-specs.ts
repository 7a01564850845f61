import type { AbciMetrics } from "../abci/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";

export const ABCI_SPECS: SpecsOf<AbciMetrics> = {
  callSeconds: {
    type: "histogram",
    name: "weft_abci_call_seconds",
    help: "from a request of the external engine to its answer, waiting included",
    labels: ["method"],
    buckets: SECONDS_BUCKETS,
  },
  exceptions: {
    type: "counter",
    name: "weft_abci_exceptions_total",
    help: "requests answered with an exception, which stops the engine",
    labels: ["method"],
  },
  connections: {
    type: "gauge",
    name: "weft_abci_connections",
    help: "connections of the external engine; CometBFT opens four",
  },
  connectionsRefused: {
    type: "counter",
    name: "weft_abci_connections_refused_total",
    help: "connections closed because there were too many",
  },
  receivedBytes: {
    type: "counter",
    name: "weft_abci_received_bytes_total",
    help: "bytes of requests",
  },
  sentBytes: {
    type: "counter",
    name: "weft_abci_sent_bytes_total",
    help: "bytes of answers",
  },
  pauses: {
    type: "counter",
    name: "weft_abci_pauses_total",
    help: "times a connection was not read because too much was under way",
  },
};
