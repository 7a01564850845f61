// Panels of the node's dashboard about block streams.
import { gauge, NODE, panel, quantile, rate, sumBy } from "./panels.mjs";

export const STREAM_PANELS = [
  panel(
    "Block streams",
    "short",
    [gauge("weft_grpc_streams"), `${NODE} open`],
    [gauge("weft_grpc_streams_waiting"), `${NODE} wait for openings`],
    [rate("weft_grpc_stream_blocks_total"), `${NODE} blocks/s`],
    [rate("weft_grpc_proposed_blocks_total"), `${NODE} proposals/s`],
    [rate("weft_grpc_slow_readers_total"), `${NODE} slow readers dropped/s`],
    [sumBy("instance, reason", rate("weft_grpc_unread_calls_total")), `${NODE} unread calls reset ({{reason}})/s`],
    [sumBy("instance, reason", rate("weft_grpc_streams_refused_total")), `${NODE} refused ({{reason}})/s`],
  ),
  panel("Block streams: bytes", "Bps", [rate("weft_grpc_stream_bytes_total"), NODE]),
  panel(
    "gRPC connections",
    "short",
    [gauge("weft_grpc_connections"), `${NODE} open`],
    [sumBy("instance, reason", rate("weft_grpc_connections_refused_total")), `${NODE} refused ({{reason}})/s`],
  ),
  panel("gRPC answers not taken", "bytes", [gauge("weft_grpc_unread_bytes"), NODE]),
  panel(
    "Block streams: work",
    "short",
    [rate("weft_grpc_history_reads_total"), `${NODE} older messages made/s`],
    [rate("weft_grpc_encode_seconds_count"), `${NODE} encoded/s`],
    [rate("weft_grpc_encode_seconds_sum"), `${NODE} seconds/s of encoding`],
  ),
  panel("Event loop, as streams see it (p99)", "s", [
    quantile(0.99, "weft_grpc_loop_lag_seconds", "instance"),
    NODE,
  ]),
];
