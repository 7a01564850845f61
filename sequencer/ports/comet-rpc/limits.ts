/** Limits of the client of CometBFT's JSON-RPC. */

/** Bytes of an answer with one header, commit or page of validators: 10,000 signatures fit. */
export const ANSWER_BYTES_MAX = 16 << 20;
/** Bytes of an answer with a whole block: 100 MiB, in base64, with its commit and results. */
export const BLOCK_ANSWER_BYTES_MAX = 256 << 20;
/** A call without a whole answer by then has failed, in ms; it is CometBFT's light client's. */
export const CALL_TIMEOUT_MS = 5_000;
/** Connections to one node; further calls wait for a free one. */
export const CONNECTIONS_MAX = 8;
/** Times that a light block's request is sent before its provider counts as silent. */
export const ATTEMPTS_MAX = 3;
/** Pause before the second attempt, in ms; each further one waits twice as long. */
export const RETRY_MS_FIRST = 200;
/** Validators of one page, the most that a node gives. */
export const VALIDATORS_PER_PAGE = 100;
