/** Metrics of a node's remote signer and of a signer process. */
import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../ports/instruments.ts";

/** In the node. */
export interface RemoteSignerMetrics {
  /** `weft_privval_connected`: 1 while a remote signer is connected and has proven its key. */
  readonly connected: Gauge;
  /** `weft_privval_connections_total`: connections of remote signers that proved the key. */
  readonly connections: Counter;
  /** `weft_privval_connections_refused_total{reason}`: connections closed before they were used; reasons are bounded. */
  readonly refused: Counter<"reason">;
  /** `weft_privval_request_failures_total{reason}`: requests to the remote signer without a good answer; reasons are bounded. */
  readonly failures: Counter<"reason">;
  /** `weft_privval_request_seconds{kind}`: how long the remote signer took to answer, by kind of request. */
  readonly requestSeconds: Histogram<"kind">;
}

export const NULL_REMOTE_SIGNER_METRICS: RemoteSignerMetrics = {
  connected: NULL_GAUGE,
  connections: NULL_COUNTER,
  refused: NULL_COUNTER,
  failures: NULL_COUNTER,
  requestSeconds: NULL_HISTOGRAM,
};

/** In the process that holds the key. */
export interface SignerProcessMetrics {
  /** `weft_signer_connections`: nodes that this signer is connected to. */
  readonly connections: Gauge;
  /** `weft_signer_answers_total{kind,result}`: requests answered; result is signed or refused. */
  readonly answers: Counter<"kind" | "result">;
  /** `weft_signer_connections_failed_total{reason}`: connections that failed or were closed for a fault; reasons are bounded. */
  readonly failed: Counter<"reason">;
  /** `weft_signer_last_signed_height`: height of the last signature. */
  readonly lastSignedHeight: Gauge;
  /** `weft_signer_sign_seconds{kind}`: how long a signature took, its own sync included. */
  readonly signSeconds: Histogram<"kind">;
}

export const NULL_SIGNER_PROCESS_METRICS: SignerProcessMetrics = {
  connections: NULL_GAUGE,
  answers: NULL_COUNTER,
  failed: NULL_COUNTER,
  lastSignedHeight: NULL_GAUGE,
  signSeconds: NULL_HISTOGRAM,
};
