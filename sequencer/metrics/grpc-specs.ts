import type { GrpcMetrics } from "../grpc/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";

export const GRPC_SPECS: SpecsOf<GrpcMetrics> = {
  calls: {
    type: "counter",
    name: "weft_grpc_calls_total",
    help: "Finished calls",
    labels: ["method", "status"],
  },
  callSeconds: {
    type: "histogram",
    name: "weft_grpc_call_seconds",
    help: "Duration of unary calls",
    labels: ["method"],
    buckets: SECONDS_BUCKETS,
  },
  connections: { type: "gauge", name: "weft_grpc_connections", help: "Connections that are open" },
  connectionsRefused: {
    type: "counter",
    name: "weft_grpc_connections_refused_total",
    help: "Connections closed at once: too many in all, or of one address",
    labels: ["reason"],
  },
  streams: { type: "gauge", name: "weft_grpc_streams", help: "Block streams that are open" },
  waitingStreams: {
    type: "gauge",
    name: "weft_grpc_streams_waiting",
    help: "Streams at level FILLED whose next block has sealed entries to be opened",
  },
  streamBlocks: {
    type: "counter",
    name: "weft_grpc_stream_blocks_total",
    help: "Blocks sent to streams",
  },
  streamBytes: {
    type: "counter",
    name: "weft_grpc_stream_bytes_total",
    help: "Bytes of blocks sent to streams",
  },
  streamsRefused: {
    type: "counter",
    name: "weft_grpc_streams_refused_total",
    help: "Streams refused: too many in all, or of one address",
    labels: ["reason"],
  },
  historyReads: {
    type: "counter",
    name: "weft_grpc_history_reads_total",
    help: "Messages made for readers of older blocks",
  },
  encodeSeconds: {
    type: "histogram",
    name: "weft_grpc_encode_seconds",
    help: "Encoding of one message, once for all its readers",
    buckets: SECONDS_BUCKETS,
  },
  loopLag: {
    type: "histogram",
    name: "weft_grpc_loop_lag_seconds",
    help: "How late the event loop is",
    buckets: SECONDS_BUCKETS,
  },
  proposedBlocks: {
    type: "counter",
    name: "weft_grpc_proposed_blocks_total",
    help: "Proposals sent to streams of what is not decided",
  },
  slowReaders: {
    type: "counter",
    name: "weft_grpc_slow_readers_total",
    help: "Streams dropped because the reader did not keep up",
  },
  unreadBytes: {
    type: "gauge",
    name: "weft_grpc_unread_bytes",
    help: "Bytes of answers that callers have not taken",
  },
  unreadCalls: {
    type: "counter",
    name: "weft_grpc_unread_calls_total",
    help: "Calls reset because their answers were not taken: for too long, or while all had too much",
    labels: ["reason"],
  },
  submissions: {
    type: "counter",
    name: "weft_grpc_submissions_total",
    help: "Submitted transactions, accepted, duplicate or refused",
    labels: ["result"],
  },
};
