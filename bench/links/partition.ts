/** How soon a network goes on after a partition that left nobody a quorum. */
import { startCometBft } from "./cometbft-network.ts";
import type { NodeNamespace } from "./namespaces.ts";
import { startLinkHub } from "./link-hub.ts";
import { startSpreadNetwork } from "./spread-network.ts";
import { median } from "../measure/statistics.ts";

export interface PartitionOptions {
  readonly nodes: readonly NodeNamespace[];
  readonly seconds: number;
  readonly runs: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
  /** Path of a CometBFT binary to measure instead of ours. */
  readonly cometbft?: string | undefined;
}

/** Times in ms after the links were healed. */
export interface Recovery {
  /** The first node committed a new block. */
  readonly firstMs: number;
  /** The last node did. */
  readonly lastMs: number;
  /** Height at which everything stood still. */
  readonly height: number;
  /** Round that decided the first new block; undefined when the node does not say. */
  readonly round: number | undefined;
}

export interface PartitionReport {
  readonly validators: number;
  readonly seconds: number;
  readonly recoveries: readonly Recovery[];
  readonly firstMedianMs: number;
  readonly firstMaxMs: number;
  readonly lastMaxMs: number;
}

/** A commit that was under way when the links were cut may still arrive. */
const SETTLE_MS = 1_000;
const RECOVERY_TIMEOUT_MS = 120_000;
/** Between runs: so many blocks, and a moment that differs from run to run. */
const BLOCKS_BETWEEN = 4;
const PAUSE_MS_MAX = 700;

export async function runPartitions(
  options: PartitionOptions,
  progress: (text: string) => void,
): Promise<PartitionReport> {
  const { nodes, seconds, runs } = options;
  const hub = await startLinkHub({
    nodes,
    shape: () => ({ delayMs: 0, loss: 0 }),
    random: Math.random,
  });
  const { cometbft } = options;
  const network =
    cometbft === undefined
      ? await startSpreadNetwork(options)
      : await startCometBft({ ...options, binary: cometbft });
  const everybody = nodes.map((_, i) => i);
  const half = Math.floor(nodes.length / 2);
  const groups = [everybody.slice(0, half), everybody.slice(half)];
  const heights = (): readonly number[] => everybody.map((i) => network.height(i));
  const recoveries: Recovery[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      const from = Math.max(...heights()) + BLOCKS_BETWEEN;
      await network.until("blocks", () => Math.min(...heights()) >= from, RECOVERY_TIMEOUT_MS);
      // Anywhere in a height: what the cut interrupts differs.
      await pause((run * PAUSE_MS_MAX) / runs);
      hub.partition(groups);
      await pause(Math.min(SETTLE_MS, (seconds * 1_000) / 2));
      const height = Math.max(...heights());
      await pause(seconds * 1_000 - Math.min(SETTLE_MS, (seconds * 1_000) / 2));
      if (Math.max(...heights()) !== height) throw new Error("a half without quorum committed");
      const healedMs = performance.now();
      hub.partition(undefined);
      await network.until(
        `a block above ${height} everywhere`,
        () => Math.min(...heights()) > height,
        RECOVERY_TIMEOUT_MS,
      );
      const news = everybody.map((i) =>
        network.seen.find((one) => one.node === i && one.atMs > healedMs && one.height > height),
      );
      const times = news.map((one) => (one?.atMs ?? 0) - healedMs);
      await network.until(
        "one more",
        () => Math.max(...heights()) > height + 1,
        RECOVERY_TIMEOUT_MS,
      );
      // A block's line tells the round of the one below it.
      const round = network.seen.find((one) => one.height === height + 2)?.round;
      const recovery = {
        firstMs: Math.round(Math.min(...times)),
        lastMs: Math.round(Math.max(...times)),
        height,
        round,
      };
      recoveries.push(recovery);
      progress(
        `run ${run + 1}: first new block after ${recovery.firstMs} ms, everywhere after ${recovery.lastMs} ms (height ${height + 1}${round === undefined ? "" : `, round ${round}`})`,
      );
    }
  } finally {
    await network.stop();
    hub.close();
  }
  const first = recoveries.map(({ firstMs }) => firstMs);
  return {
    validators: nodes.length,
    seconds,
    recoveries,
    firstMedianMs: median(first),
    firstMaxMs: Math.max(...first),
    lastMaxMs: Math.max(...recoveries.map(({ lastMs }) => lastMs)),
  };
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
