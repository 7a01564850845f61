/** Time for `cometbft version`; it answers in some milliseconds, on a busy machine in a second. */
export const VERSION_TIMEOUT_MS = 20_000;
/** Bytes of its answer. */
export const VERSION_BYTES_MAX = 4 << 10;
/** Transactions that CometBFT's mempool remembers at least: its own default. */
export const MEMPOOL_CACHE_MIN = 10_000;
/** CometBFT refuses to start with a shorter discovery of snapshots, or a shorter wait for a chunk. */
export const STATE_SYNC_WAIT_MS_MIN = 5_000;
/** How long CometBFT lets the application check its mempool again after a block: its own default. */
export const RECHECK_TIMEOUT_MS = 1_000;
