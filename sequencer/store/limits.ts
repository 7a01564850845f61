/** Blocks that one pruning step removes, so that pruning never holds the loop. */
export const PRUNE_BLOCKS_PER_STEP_MAX = 100;
