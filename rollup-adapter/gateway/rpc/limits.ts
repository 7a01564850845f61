/** Limits of a gateway's JSON-RPC in front of an executor elsewhere: sizes in bytes, times in ms. */

/** An answer of the executor's RPC; a larger one is refused. A full block has half of it. */
export const UPSTREAM_ANSWER_BYTES_MAX = 32 << 20;
/** Bytes of all answers that are being read; a call whose answer comes beyond is refused with LIMIT_EXCEEDED. */
export const UPSTREAM_READING_BYTES_MAX = 128 << 20;
/** It has no answer by then. */
export const UPSTREAM_TIMEOUT_MS = 15_000;
/** Calls to the executor's RPC under way; a further one is refused with LIMIT_EXCEEDED. */
export const UPSTREAM_CALLS_MAX = 512;
/** Subscriptions kept at the executor for all connections of the gateway together; a further one is refused. */
export const UPSTREAM_SUBSCRIPTIONS_MAX = 1_024;
/** Options of one of them, encoded: they are kept, to subscribe again. */
export const UPSTREAM_OPTIONS_BYTES_MAX = 128 << 10;
/** The executor's WebSocket is asked whether it lives after so long; closed when it has not answered by the next time. */
export const UPSTREAM_PING_MS = 15_000;
/** Filters that were made here and live at the executor; the one asked about the longest ago is given up. */
export const UPSTREAM_FILTERS_MAX = 1_024;
/** First and longest pause before the executor's WebSocket is opened again. */
export const UPSTREAM_RECONNECT_MS_FIRST = 100;
export const UPSTREAM_RECONNECT_MS_MAX = 5_000;
/** Gas limit and base fee of the next block are asked for again after so long, or a new block. */
export const NEXT_BLOCK_AGE_MS = 1_000;
/** Accounts whose nonce and balance are kept until the next block; the oldest is dropped. */
export const ACCOUNTS_CACHED = 10_000;
