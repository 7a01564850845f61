/** Limits of conversion. */

/** Bytes that one write to a database gathers. */
export const BULK_WRITE_BYTES_MAX = 1 << 20;
/** Blocks that are converted at once, and the bytes after which no further one is begun with them. */
export const BLOCKS_PER_TURN_MAX = 64;
export const TURN_BYTES_MAX = 8 << 20;
/** Heights whose validators, parameters and answers are converted at once. */
export const HEIGHTS_PER_TURN = 64;
/** Heights between two notes of progress. */
export const PROGRESS_HEIGHTS = 1_000;
/** A key or a name in CometBFT's databases. */
export const TEXT_BYTES_MAX = 256;
/** Payload of a record of CometBFT's log: a consensus message and its time (`consensus/wal.go`). */
export const COMET_LOG_PAYLOAD_BYTES_MAX = (1 << 20) + 24;
/** An answer of the application, as stored. */
export const RESPONSE_BYTES_MAX = 256 << 20;
/** Newest files of CometBFT's log, 10 MB each, in which the last vote of its validator is looked for. */
export const OWN_VOTE_FILES_MAX = 2;
/** A record of CometBFT's log that ends a height is shorter than this. */
export const MARKER_BYTES_MAX = 64;
