/** A node whose last block is older, while peers are further ahead than a few blocks, is behind. */
export const BEHIND_AGE_MS = 10_000;
export const BEHIND_BLOCKS_MAX = 2;
/** Time a graceful stop may take before the process is ended anyway. */
export const STOP_TIMEOUT_MS = 15_000;
/** A configuration file larger than this is not one. */
export const CONFIG_BYTES_MAX = 1 << 20;
