/** A node whose last block is older, while peers are further ahead than a few blocks, is behind. */
export const BEHIND_AGE_MS = 10_000;
export const BEHIND_BLOCKS_MAX = 2;
/** A configuration file larger than this is not one. */
export const CONFIG_BYTES_MAX = 1 << 20;
/** Blocks that one commit gives up at most when old ones are pruned. */
export const RETENTION_STEP_BLOCKS = 10;
