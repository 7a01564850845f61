import type { BlockSyncMetrics } from "../engine/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const BLOCK_SYNC_SPECS: SpecsOf<BlockSyncMetrics> = {
  latestBlockHeight: {
    type: "gauge",
    name: "cometbft_blocksync_latest_block_height",
    help: "Last height that block sync applied",
  },
  numTxs: {
    type: "gauge",
    name: "cometbft_blocksync_num_txs",
    help: "Transactions in the last synced block",
  },
  totalTxs: {
    type: "counter",
    name: "cometbft_blocksync_total_txs",
    help: "Transactions synced since the process started",
  },
  blockSizeBytes: {
    type: "gauge",
    name: "cometbft_blocksync_block_size_bytes",
    help: "Size of the last synced block as it was received",
  },
  blocks: {
    type: "counter",
    name: "weft_blocksync_blocks_total",
    help: "Blocks applied by block sync",
  },
  returns: {
    type: "counter",
    name: "weft_blocksync_returns_total",
    help: "Times that consensus was left because the node fell behind",
  },
  peers: {
    type: "gauge",
    name: "weft_blocksync_peers",
    help: "Peers that blocks can be asked of",
  },
  pendingRequests: {
    type: "gauge",
    name: "weft_blocksync_pending_requests",
    help: "Block requests without an answer yet",
  },
  bufferedBytes: {
    type: "gauge",
    name: "weft_blocksync_buffered_bytes",
    help: "Bytes of blocks that wait to be applied",
  },
  received: {
    type: "counter",
    name: "weft_blocksync_blocks_received_total",
    help: 'Blocks received that were "wanted" or came too "late"',
    labels: ["use"],
  },
  peersDropped: {
    type: "counter",
    name: "weft_blocksync_peers_dropped_total",
    help: "Peers banned for a minute, by fault; faults are bounded",
    labels: ["fault"],
  },
};
