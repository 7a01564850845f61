import type { Counter, Gauge, Histogram } from "../ports/instruments.ts";
import { NULL_COUNTER, NULL_GAUGE, NULL_HISTOGRAM } from "../ports/instruments.ts";

/** What the RPC server and its indexer count. `method` is a route's name or "unknown". */
export interface RpcMetrics {
  /** weft_rpc_requests_total: Calls answered, by method and outcome (ok, error). */
  readonly requests: Counter<"method" | "outcome">;
  /** weft_rpc_request_duration_seconds: Time from a parsed call to its answer, by method. */
  readonly requestDuration: Histogram<"method">;
  /** weft_rpc_refused_total: Requests, connections and subscriptions refused, by reason. */
  readonly refused: Counter<"reason">;
  /** weft_rpc_connections: Open connections, by transport (http, websocket). */
  readonly connections: Gauge<"transport">;
  /** weft_rpc_subscriptions: Open event subscriptions. */
  readonly subscriptions: Gauge;
  /** weft_rpc_slow_clients_dropped_total: WebSocket clients dropped because they read too slowly. */
  readonly slowClientsDropped: Counter;
  /** weft_rpc_events_sent_total: Events sent to subscribers. */
  readonly eventsSent: Counter;
  /** weft_indexer_height: Last height whose transactions and events are indexed. */
  readonly indexedHeight: Gauge;
  /** weft_indexer_lag_blocks: Heights committed but not yet indexed. */
  readonly indexLag: Gauge;
  /** weft_indexer_txs_total: Transactions indexed. */
  readonly indexedTxs: Counter;
  /** weft_indexer_batch_duration_seconds: Time to index and write one block. */
  readonly indexDuration: Histogram;
}

export const NULL_RPC_METRICS: RpcMetrics = {
  requests: NULL_COUNTER,
  requestDuration: NULL_HISTOGRAM,
  refused: NULL_COUNTER,
  connections: NULL_GAUGE,
  subscriptions: NULL_GAUGE,
  slowClientsDropped: NULL_COUNTER,
  eventsSent: NULL_COUNTER,
  indexedHeight: NULL_GAUGE,
  indexLag: NULL_GAUGE,
  indexedTxs: NULL_COUNTER,
  indexDuration: NULL_HISTOGRAM,
};
