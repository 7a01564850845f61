import { Height } from "../../proto/brands.ts";
import { timeToMs } from "../../proto/time.ts";
import type { BlockMeta, ConsensusParams, Timestamp } from "../../proto/types.ts";
import { RETENTION_STEP_BLOCKS } from "./limits.ts";

/**
 * Which blocks may go after a commit, for an operator who keeps `retainBlocks` of them (0: all). What
 * evidence may still name is kept whatever the operator wishes: a height goes when it is older than the
 * evidence age both in blocks and in time.
 */
export function createRetention(
  options: {
    readonly retainBlocks: number;
    readonly evidence: ConsensusParams["evidence"];
  },
  blocks: { base(): Height; meta(height: Height): Promise<BlockMeta | undefined> },
): (height: Height, time: Timestamp) => Promise<Height> {
  const { retainBlocks, evidence } = options;
  const keptBlocks = Math.max(retainBlocks, Number(evidence.maxAgeBlocks) + 1);
  const keptMs = Number(evidence.maxAgeDurationNanos / 1_000_000n);
  return async (height, time) => {
    const base = blocks.base();
    if (retainBlocks === 0 || base === 0) return Height(0);
    // One step per block is faster than the chain grows; its last height tells for all of them.
    const first = Math.min(height - keptBlocks + 1, base + RETENTION_STEP_BLOCKS);
    if (first <= base) return Height(0);
    const last = await blocks.meta(Height(first - 1));
    const isOld = last !== undefined && timeToMs(time) - timeToMs(last.header.time) > keptMs;
    return isOld ? Height(first) : Height(0);
  };
}

/**
 * The same for an engine that keeps its own blocks: by height alone, for CometBFT keeps by itself what
 * evidence may still name by time.
 */
export function createHeightRetention(options: {
  readonly retainBlocks: number;
  readonly evidence: ConsensusParams["evidence"];
}): (height: Height) => Promise<Height> {
  const { retainBlocks, evidence } = options;
  const keptBlocks = Math.max(retainBlocks, Number(evidence.maxAgeBlocks) + 1);
  return async (height) => Height(retainBlocks === 0 ? 0 : Math.max(0, height - keptBlocks + 1));
}
