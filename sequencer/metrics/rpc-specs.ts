import type { RpcMetrics } from "../rpc/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";

export const RPC_SPECS: SpecsOf<RpcMetrics> = {
  requests: {
    type: "counter",
    name: "weft_rpc_requests_total",
    help: "Calls answered, by method and outcome (ok, error)",
    labels: ["method", "outcome"],
  },
  requestDuration: {
    type: "histogram",
    name: "weft_rpc_request_duration_seconds",
    help: "Time from a parsed call to its answer, by method",
    labels: ["method"],
    buckets: SECONDS_BUCKETS,
  },
  refused: {
    type: "counter",
    name: "weft_rpc_refused_total",
    help: "Requests, connections and subscriptions refused, by reason",
    labels: ["reason"],
  },
  connections: {
    type: "gauge",
    name: "weft_rpc_connections",
    help: "Open connections, by transport (http, websocket)",
    labels: ["transport"],
  },
  subscriptions: {
    type: "gauge",
    name: "weft_rpc_subscriptions",
    help: "Open event subscriptions",
  },
  slowClientsDropped: {
    type: "counter",
    name: "weft_rpc_slow_clients_dropped_total",
    help: "WebSocket clients dropped because they read too slowly",
  },
  eventsSent: {
    type: "counter",
    name: "weft_rpc_events_sent_total",
    help: "Events sent to subscribers",
  },
  indexedHeight: {
    type: "gauge",
    name: "weft_indexer_height",
    help: "Last height whose transactions and events are indexed",
  },
  indexLag: {
    type: "gauge",
    name: "weft_indexer_lag_blocks",
    help: "Heights committed but not yet indexed",
  },
  indexedTxs: { type: "counter", name: "weft_indexer_txs_total", help: "Transactions indexed" },
  indexDuration: {
    type: "histogram",
    name: "weft_indexer_batch_duration_seconds",
    help: "Time to index and write one block",
    buckets: SECONDS_BUCKETS,
  },
};
