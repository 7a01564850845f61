/** Limits of the metrics and health server. */

/** Connections at once; a further one is closed at accept. */
export const CONNECTIONS_MAX = 64;
/** Size of a request's headers; there is no body. */
export const HEADER_BYTES_MAX = 16 << 10;
/** Time for a request to arrive. */
export const REQUEST_TIMEOUT_MS = 5_000;
/** Silence after which a connection is closed, an answer that is not read included. */
export const IDLE_TIMEOUT_MS = 10_000;
/** Time that a stop gives to answers under way. */
export const STOP_TIMEOUT_MS = 2_000;
