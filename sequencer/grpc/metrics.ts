import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../ports/instruments.ts";

/** Metrics of the gRPC services. Label values are closed sets: method names and gRPC status names. */
export interface GrpcMetrics {
  /** weft_grpc_calls_total{method,status}: finished calls. */
  readonly calls: Counter<"method" | "status">;
  /** weft_grpc_call_seconds{method}: duration of unary calls. */
  readonly callSeconds: Histogram<"method">;
  /** weft_grpc_connections: connections that are open. */
  readonly connections: Gauge;
  /** weft_grpc_connections_refused_total{reason}: connections closed at once: too many in all, or of one address. */
  readonly connectionsRefused: Counter<"reason">;
  /** weft_grpc_streams: block streams that are open. */
  readonly streams: Gauge;
  /** weft_grpc_streams_waiting: streams at level FILLED whose next block has sealed entries to be opened. */
  readonly waitingStreams: Gauge;
  /** weft_grpc_stream_blocks_total: blocks sent to streams. */
  readonly streamBlocks: Counter;
  /** weft_grpc_stream_bytes_total: bytes of blocks sent to streams. */
  readonly streamBytes: Counter;
  /** weft_grpc_streams_refused_total{reason}: streams refused: too many in all, or of one address. */
  readonly streamsRefused: Counter<"reason">;
  /** weft_grpc_history_reads_total: messages made for readers of older blocks. */
  readonly historyReads: Counter;
  /** weft_grpc_encode_seconds: encoding of one message, once for all its readers. */
  readonly encodeSeconds: Histogram;
  /** weft_grpc_loop_lag_seconds: how late the event loop is. */
  readonly loopLag: Histogram;
  /** weft_grpc_proposed_blocks_total: proposals sent to streams of what is not decided. */
  readonly proposedBlocks: Counter;
  /** weft_grpc_slow_readers_total: streams dropped because the reader did not keep up. */
  readonly slowReaders: Counter;
  /** weft_grpc_unread_bytes: bytes of answers that callers have not taken. */
  readonly unreadBytes: Gauge;
  /** weft_grpc_unread_calls_total{reason}: calls reset because their answers were not taken: for too long, or while all had too much. */
  readonly unreadCalls: Counter<"reason">;
  /** weft_grpc_submissions_total{result}: submitted transactions, accepted, duplicate or refused. */
  readonly submissions: Counter<"result">;
}

export const NULL_GRPC_METRICS: GrpcMetrics = {
  calls: NULL_COUNTER,
  callSeconds: NULL_HISTOGRAM,
  connections: NULL_GAUGE,
  connectionsRefused: NULL_COUNTER,
  streams: NULL_GAUGE,
  waitingStreams: NULL_GAUGE,
  streamBlocks: NULL_COUNTER,
  streamBytes: NULL_COUNTER,
  streamsRefused: NULL_COUNTER,
  historyReads: NULL_COUNTER,
  encodeSeconds: NULL_HISTOGRAM,
  loopLag: NULL_HISTOGRAM,
  proposedBlocks: NULL_COUNTER,
  slowReaders: NULL_COUNTER,
  unreadBytes: NULL_GAUGE,
  unreadCalls: NULL_COUNTER,
  submissions: NULL_COUNTER,
};
