/** What a light client has verified. */
import type { Height } from "../../brands.ts";
import type { LightBlock } from "../../types.ts";

/** Verified light blocks of one chain by height. Only the client writes to it. */
export interface TrustedStore {
  get(height: Height): Promise<LightBlock | undefined>;
  first(): Promise<LightBlock | undefined>;
  last(): Promise<LightBlock | undefined>;
  /** The nearest block below that height. */
  before(height: Height): Promise<LightBlock | undefined>;
  /** The nearest block above that height. */
  after(height: Height): Promise<LightBlock | undefined>;
  /** Durable when it resolves, if the store is a durable one. */
  put(block: LightBlock): Promise<void>;
  /**
   * Removes blocks until at most `kept` (2 or more) are left: the lowest first, except for the very
   * lowest. Trust began there, and heights above it are reached from it by bisection.
   */
  prune(kept: number): Promise<void>;
}

/** A store that ends with the process: for state sync and tests. */
export function createMemoryTrustedStore(): TrustedStore {
  /** Ascending. */
  let heights: Height[] = [];
  const blocks = new Map<Height, LightBlock>();

  async function at(index: number): Promise<LightBlock | undefined> {
    const height = heights.at(index);
    return height === undefined ? undefined : blocks.get(height);
  }

  return {
    get: async (height) => blocks.get(height),
    first: () => at(0),
    last: () => at(-1),
    async before(height) {
      const found = heights.findLast((candidate) => candidate < height);
      return found === undefined ? undefined : blocks.get(found);
    },
    async after(height) {
      const found = heights.find((candidate) => candidate > height);
      return found === undefined ? undefined : blocks.get(found);
    },
    async put(block) {
      const { height } = block.signedHeader.header;
      if (!blocks.has(height)) heights = [...heights, height].sort((a, b) => a - b);
      blocks.set(height, block);
    },
    async prune(kept) {
      const excess = Math.max(0, heights.length - kept);
      for (const height of heights.splice(1, excess)) blocks.delete(height);
    },
  };
}
