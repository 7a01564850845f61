/** Bounds of a benchmark run: times in ms unless named otherwise, sizes in bytes. */
export const RUN_SECONDS_MAX = 600;
export const VALIDATORS_MAX = 16;
export const PARTITION_RUNS_MAX = 100;
export const RATE_MAX = 100_000;

/** Bytes of one payload: what a rollup posts. */
export const PAYLOAD_BYTES = 256;
/** Accounts that sign in turn, so that no account's share of the pool is the limit. */
export const ACCOUNTS = 64;
/** Load before the window: caches fill, the compiler settles, blocks grow to their size. */
export const WARMUP_MS = 1_500;
/** Blocks with payloads in a window, so that a rate is of whole blocks. */
export const BLOCKS_MIN = 4;
/** What a window waits for them at most. */
export const WINDOW_EXTRA_MS_MAX = 20_000;
/**
 * Heights that a signed transaction stays valid for, by the benchmark's genesis; the chain's own default
 * allows 600, and its rules 10,000,000 ids to remember, so many heights of 4,096.
 */
export const EXPIRY_AHEAD = 2_400;
/** A transaction that expires within so many heights is not sent any more. */
export const EXPIRY_MARGIN = 20;
/** Of the generator, beside the thread that submits. */
export const SIGNING_THREADS = 2;
/** Signed items held ready at once. */
export const SIGNED_BYTES_MAX = 384 << 20;
/** Submitted and neither committed nor refused: above it nothing is submitted. */
export const OUTSTANDING_BYTES_MAX = 12 << 20;
export const OUTSTANDING_ITEMS_MAX = 9_000;
/** Items of one answer of the signing thread. */
export const SIGNED_CHUNK_BYTES = 1 << 20;

export const NETWORK_START_TIMEOUT_MS = 60_000;
export const NETWORK_STOP_GRACE_MS = 15_000;
/** Time for what is outstanding after the window to be committed. */
export const DRAIN_TIMEOUT_MS = 15_000;

/** Blocks of the chain that is joined, and transactions of each. */
export const JOIN_BLOCKS_MAX = 1_000_000;
export const JOIN_TXS_MAX = 1_000;
/** Heights between the snapshots of that chain. */
export const JOIN_SNAPSHOT_INTERVAL = 1_000;
/** Submissions without an answer, above which none is made. */
export const JOIN_OUTSTANDING_MAX = 200;
export const JOIN_POLL_MS = 50;
export const JOIN_TIMEOUT_MS = 900_000;

/** Time for a network and its rollup's node to be ready, and for what was sent in a window to be executed. */
export const GATEWAY_START_MS = 60_000;
export const GATEWAY_DRAIN_MS = 20_000;
export const GATEWAY_POLL_MS = 5;
export const GATEWAY_WALLETS_MAX = 1_000;
export const GATEWAY_TRANSACTIONS_MAX = 100_000;

/** Time for the validators to make their first key: some 20 blocks. */
export const SEAL_KEY_TIMEOUT_MS = 120_000;
/** Bytes of a sealed payload: with its envelope it fills the smallest bucket. */
export const SEALED_PAYLOAD_BYTES = 200;
/** Sealed submissions that are neither in a block nor refused: two full blocks of them. */
export const SEALED_OUTSTANDING_MAX = 2_000;
/** Sealed ahead for so many a second: more than any run has reached. */
export const SEALED_READY_PER_SECOND = 1_500;
/** Time after a window for what is in blocks to be opened. */
export const SEALED_DRAIN_MS = 10_000;

/** Readers of one run of many streams, and the processes they are in. */
export const STREAM_READERS_MAX = 10_000;
/** Blocks that are there before the first reader comes. */
export const STREAM_HISTORY_MS = 10_000;
/** Between opening or closing readers and measuring. */
export const STREAM_SETTLE_MS = 2_000;
export const STREAM_FEED_EVERY_MS = 20;
export const STREAM_PROBE_EVERY_MS = 10;
/** What is streamed: rollups with data in every block, some 10 KB of each. */
export const STREAM_ROLLUPS = 8;
export const STREAM_PROCESSES = 2;
export const STREAM_ITEMS_PER_SECOND = 160;
export const STREAM_PAYLOAD_BYTES = 1_024;
