/** What no module measures: the process, its home and its limits. */
import { statfs } from "node:fs/promises";
import { getHeapStatistics } from "node:v8";
import type { Gauge } from "../ports/instruments.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export interface ProcessMetrics {
  /** weft_node_info: Constant 1 with the node's version, network and moniker. */
  readonly info: Gauge<"version" | "network" | "moniker">;
  /** weft_node_genesis_time_seconds: When the chain begins, in seconds since 1970: its genesis time. */
  readonly genesisTime: Gauge;
  /** weft_node_ready: 1 when /readyz answers 200. */
  readonly ready: Gauge;
  /** cometbft_blocksync_syncing: 1 while the node catches up with the chain. */
  readonly syncing: Gauge;
  /** weft_node_disk_free_bytes: Free space of the file system that holds the node's home. */
  readonly diskFree: Gauge;
  /** weft_node_disk_size_bytes: Size of the file system that holds the node's home. */
  readonly diskSize: Gauge;
  /** weft_node_heap_limit_bytes: Heap at which the process runs out of memory. */
  readonly heapLimit: Gauge;
  /** weft_pool_transactions_max: Transactions the pool takes at most. */
  readonly poolTransactionsMax: Gauge;
  /** weft_pool_bytes_max: Bytes the pool takes at most. */
  readonly poolBytesMax: Gauge;
}

export interface ProcessMetricsOptions {
  /** Directory whose file system is watched. */
  readonly homeDirectory: string;
  readonly isReady: () => boolean;
  readonly isSyncing: () => boolean;
}

export function processSpecs(options: ProcessMetricsOptions): SpecsOf<ProcessMetrics> {
  const disk = () => statfs(options.homeDirectory);
  return {
    info: {
      type: "gauge",
      name: "weft_node_info",
      help: "Constant 1 with the node's version, network and moniker",
      labels: ["version", "network", "moniker"],
    },
    genesisTime: {
      type: "gauge",
      name: "weft_node_genesis_time_seconds",
      help: "When the chain begins, in seconds since 1970: its genesis time",
    },
    ready: {
      type: "gauge",
      name: "weft_node_ready",
      help: "1 when /readyz answers 200",
      collect: () => Number(options.isReady()),
    },
    syncing: {
      type: "gauge",
      name: "cometbft_blocksync_syncing",
      help: "1 while the node catches up with the chain",
      collect: () => Number(options.isSyncing()),
    },
    diskFree: {
      type: "gauge",
      name: "weft_node_disk_free_bytes",
      help: "Free space of the file system that holds the node's home",
      collect: async () => {
        const { bavail, bsize } = await disk();
        return bavail * bsize;
      },
    },
    diskSize: {
      type: "gauge",
      name: "weft_node_disk_size_bytes",
      help: "Size of the file system that holds the node's home",
      collect: async () => {
        const { blocks, bsize } = await disk();
        return blocks * bsize;
      },
    },
    heapLimit: {
      type: "gauge",
      name: "weft_node_heap_limit_bytes",
      help: "Heap at which the process runs out of memory",
      collect: () => getHeapStatistics().heap_size_limit,
    },
    poolTransactionsMax: {
      type: "gauge",
      name: "weft_pool_transactions_max",
      help: "Transactions the pool takes at most",
    },
    poolBytesMax: {
      type: "gauge",
      name: "weft_pool_bytes_max",
      help: "Bytes the pool takes at most",
    },
  };
}
