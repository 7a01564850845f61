/** What a JSON-RPC server counts. */
import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../sequencer/ports/instruments.ts";

export interface JsonRpcMetrics {
  /** `weft_evm_rpc_requests_total`: JSON-RPC calls by method (unknown ones as "other") and code. */
  readonly rpcRequests: Counter<"method" | "code">;
  /** `weft_evm_rpc_request_seconds`: time to answer one JSON-RPC call, by method. */
  readonly rpcRequestSeconds: Histogram<"method">;
  /** `weft_evm_rpc_websockets`: open WebSocket connections. */
  readonly rpcWebSockets: Gauge;
  /** `weft_evm_rpc_dropped_total`: refused or dropped, by what was full (`catching_up`: the state is behind the order). */
  readonly rpcDropped: Counter<"what">;
}

export const NULL_JSON_RPC_METRICS: JsonRpcMetrics = {
  rpcRequests: NULL_COUNTER,
  rpcRequestSeconds: NULL_HISTOGRAM,
  rpcWebSockets: NULL_GAUGE,
  rpcDropped: NULL_COUNTER,
};
