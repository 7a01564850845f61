import type { PrometheusRegistry, SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";
import type { RemoteSignerMetrics, SignerProcessMetrics } from "../signer/metrics.ts";

export const REMOTE_SIGNER_SPECS: SpecsOf<RemoteSignerMetrics> = {
  connected: {
    type: "gauge",
    name: "weft_privval_connected",
    help: "1 while a remote signer is connected and has proven its key",
  },
  connections: {
    type: "counter",
    name: "weft_privval_connections_total",
    help: "Connections of remote signers that proved the key",
  },
  refused: {
    type: "counter",
    name: "weft_privval_connections_refused_total",
    help: "Connections closed before they were used; reasons are bounded",
    labels: ["reason"],
  },
  failures: {
    type: "counter",
    name: "weft_privval_request_failures_total",
    help: "Requests to the remote signer without a good answer; reasons are bounded",
    labels: ["reason"],
  },
  requestSeconds: {
    type: "histogram",
    name: "weft_privval_request_seconds",
    help: "How long the remote signer took to answer, by kind of request",
    labels: ["kind"],
    buckets: SECONDS_BUCKETS,
  },
};

const SIGNER_PROCESS_SPECS: SpecsOf<SignerProcessMetrics> = {
  connections: {
    type: "gauge",
    name: "weft_signer_connections",
    help: "Nodes that this signer is connected to",
  },
  answers: {
    type: "counter",
    name: "weft_signer_answers_total",
    help: "Requests answered; result is signed or refused",
    labels: ["kind", "result"],
  },
  failed: {
    type: "counter",
    name: "weft_signer_connections_failed_total",
    help: "Connections that failed or were closed for a fault; reasons are bounded",
    labels: ["reason"],
  },
  lastSignedHeight: {
    type: "gauge",
    name: "weft_signer_last_signed_height",
    help: "Height of the last signature",
  },
  signSeconds: {
    type: "histogram",
    name: "weft_signer_sign_seconds",
    help: "How long a signature took, its own sync included",
    labels: ["kind"],
    buckets: SECONDS_BUCKETS,
  },
};

/** Metrics of a signer process; a second call on the same registry throws. */
export function createSignerProcessMetrics(registry: PrometheusRegistry): SignerProcessMetrics {
  return registry.createInstruments<SignerProcessMetrics>(SIGNER_PROCESS_SPECS);
}
