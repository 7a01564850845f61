/** Bounds of the comparison of engines. Times in ms. */

/** WebSockets that submit to one validator; one more watches its blocks. */
export const SUBMISSION_SOCKETS = 2;
/** Bytes on their way into one of them, above which the load waits. */
export const SUBMISSION_WAITING_BYTES_MAX = 1 << 20;

/** Transactions per second that leave both engines most of their time, and a lower rate. */
export const LIGHT_RATE = 1_000;
export const LOW_RATE = 200;

/**
 * Transactions submitted and not committed, of a network that is given all it takes. CometBFT's rate falls
 * when more wait, ours rises little.
 */
export const OUTSTANDING_SINGLES = 4_000;
/** Of batches of 100, or values of that size. */
export const OUTSTANDING_BATCHES = 400;
export const OUTSTANDING_BYTES_MAX = 12 << 20;

/** Windows of the short form and of the long one. */
export const WINDOW_MS = 1_500;
export const FULL_WINDOW_MS = 8_000;
export const ROUNDS = 2;
export const FULL_ROUNDS = 3;
export const ROUNDS_MAX = 100;
/** Blocks with payloads that a window lasts for in any case. */
export const BLOCKS_MIN = 3;
/** Load before each window: longer than most transactions take to their block, so that as much is on its way when it begins as when it ends. */
export const WARMUP_MS = 1_000;
export const LIGHT_WARMUP_MS = 300;
/**
 * Load that is not reported, before the first round: a node that runs for days has its code compiled, one
 * that just started has not, and compiles while it is measured. CometBFT's was compiled before it started.
 */
export const FIRST_WARMUP_MS = 7_000;
export const FULL_FIRST_WARMUP_MS = 60_000;
export const COMPILED_FIRST_WARMUP_MS = 2_000;
/** Time that a network gets after it stood still to commit a block again. */
export const THAW_TIMEOUT_MS = 30_000;
export const HEIGHTS_AFTER_THAW = 2;
export const POLL_MS = 5;

/** Payloads per second that are made ahead: more than a network has taken. */
export const READY_SINGLES_PER_SECOND = 8_000;
/** By the number of validators: CometBFT's rate falls with it. */
export const READY_KV_PER_SECOND = 60_000;
export const READY_BATCHED_PER_SECOND = 80_000;
export const SIGNING_THREADS = 2;
