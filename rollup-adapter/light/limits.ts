/** Limits of the light client's adapters. */

/** What is proven by a header that does not exist yet waits so long for it, in ms. */
export const NEXT_HEADER_WAIT_MS = 10_000;
/** It is looked for this often, in ms. */
export const NEXT_HEADER_POLL_MS = 250;
/** ... if it is at most so many heights above the highest verified one. */
export const HEIGHTS_AHEAD_MAX = 100;
/** Headers of one `blockchain` answer. */
export const BLOCKCHAIN_HEADERS_MAX = 20;
/** `broadcast_tx_commit` waits for a block before it answers, in ms. */
export const BROADCAST_TIMEOUT_MS = 15_000;
