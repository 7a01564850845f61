import type { StateSyncMetrics } from "../engine/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const STATE_SYNC_SPECS: SpecsOf<StateSyncMetrics> = {
  syncing: {
    type: "gauge",
    name: "cometbft_statesync_syncing",
    help: "Whether the node restores a snapshot, 0 or 1",
  },
  snapshots: {
    type: "gauge",
    name: "weft_statesync_snapshots",
    help: "Snapshots of peers that could be tried",
  },
  height: {
    type: "gauge",
    name: "weft_statesync_height",
    help: "Height of the snapshot tried last",
  },
  chunks: {
    type: "gauge",
    name: "weft_statesync_chunks",
    help: "Chunks of the snapshot tried last",
  },
  pendingChunks: {
    type: "gauge",
    name: "weft_statesync_pending_chunks",
    help: "Chunks asked for and not here yet",
  },
  chunksApplied: {
    type: "counter",
    name: "weft_statesync_chunks_applied_total",
    help: "Chunks that the application took",
  },
  chunkBytes: {
    type: "counter",
    name: "weft_statesync_chunk_bytes_total",
    help: "Bytes of the chunks that the application took",
  },
  rejected: {
    type: "counter",
    name: "weft_statesync_rejected_total",
    help: 'Refusals, by what ("snapshot", "format", "sender", "chunk", "late")',
    labels: ["what"],
  },
};
