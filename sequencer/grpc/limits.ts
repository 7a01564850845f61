/** Limits of the gRPC services: sizes in bytes, times in ms, queues in entries. */

/** Largest request. */
export const REQUEST_BYTES_MAX = 8 << 20;
/** Largest answer: one block of a rollup. */
export const RESPONSE_BYTES_MAX = 64 << 20;
/** Submissions of one stream whose answers its reader has not taken; the stream is paused above. */
export const SUBMISSIONS_IN_FLIGHT_MAX = 256;
/**
 * A reader that has not taken for so long what it was sent is ended with RESOURCE_EXHAUSTED and the resume height, which
 * come behind what it has not read.
 */
export const SLOW_READER_MS = 30_000;
/**
 * A call whose caller has for so long taken none of its answers is reset, with all that waits, and its slot is free: longer
 * than SLOW_READER_MS, so that a reader that reads on meanwhile is told its resume height. Whether a message was taken shows
 * at its end, so that each byte that waits gives it more time, as over a link of half a megabit.
 */
export const UNREAD_ANSWER_MS = 40_000;
export const UNREAD_BYTES_PER_SECOND_MIN = 64 << 10;
/** How often late calls are looked for, while any has something unread. */
export const UNREAD_LOOK_MS = 5_000;
/** Answers that one connection has not taken: beyond it GetBlock and GetBlocks are refused, one answer more at most. */
export const UNREAD_BYTES_OF_CONNECTION_MAX = 64 << 20;
/**
 * Answers that no connection has taken, beside what all streams may have of them: beyond it calls are reset, those first of
 * which nothing was taken for the longest, until that share of all is left.
 */
export const UNREAD_BYTES_MAX = 512 << 20;
export const UNREAD_KEPT_SHARE = 7 / 8;
/**
 * Messages, and their bytes, that one stream has written and its reader not taken: then it waits. A larger message goes
 * alone. What waits is what all readers of a height share, so that it is held once for those who stand at the same one.
 */
export const STREAM_UNREAD_MESSAGES_MAX = 16;
export const STREAM_UNREAD_BYTES_MAX = 1 << 20;
/** Messages that are kept encoded for further readers, and their bytes; the one used the longest ago goes first. */
export const ENCODED_BLOCKS_MAX = 1_024;
export const ENCODED_BYTES_MAX = 64 << 20;
/** Smaller messages go as they are: they would hardly shrink. */
export const COMPRESSED_BYTES_MIN = 1_024;
/** Of gzip: most of the gain at a third of the time. */
export const COMPRESSION_LEVEL = 3;
/** Messages that a reader is given at its turn, if they are at hand, and their bytes: they leave in one write. */
export const MESSAGES_PER_TURN = 8;
export const BYTES_PER_TURN = 64 << 10;
/**
 * Readers that wait for a block are told of the next one so long after the last one, for each of them: 100 ms for a thousand.
 * A chain of faster blocks gives them several at once, at a fraction of the cost.
 */
export const NEWS_PAUSE_MS_PER_READER = 0.1;
/** Time that readers may take of one turn of the event loop. */
export const TURNS_SLICE_MS = 4;
/** Between two slices: readers have half of the loop at most. */
export const TURNS_PAUSE_MS = 4;
/** A loop that is later than this has more to do than readers: they have a quarter of it then. */
export const LOOP_LATE_MS = 30;
export const TURNS_LATE_PAUSE_MS = 12;
/** Readers of new blocks that are served before one that reads history, when there are both. */
export const LIVE_TURNS_IN_A_ROW_MAX = 8;
/** The loop's lateness is looked at so often, and the largest of so many looks counts: 200 ms. */
export const LAG_SAMPLE_MS = 20;
export const LAG_WINDOW_SAMPLES = 10;
/** Blocks kept ready for streams and proofs; the oldest used one goes first. */
export const BLOCKS_CACHED_MAX = 64;
/** Their items' bytes. */
export const BLOCKS_CACHED_BYTES_MAX = 64 << 20;
/** Blocks that are read and taken apart at once; further heights wait. */
export const BLOCK_LOADS_MAX = 4;
/** Of them for heights below the newest ones: history never takes all. */
export const HISTORY_LOADS_MAX = 2;
/** Heights below the head that are new. */
export const NEW_HEIGHTS = 8;
/** While the loop is late, history is not read for so long, but no longer. */
export const HISTORY_PAUSE_MS = 100;
/** Heights that may wait to be read; a further one is refused with RESOURCE_EXHAUSTED. */
export const BLOCK_LOADS_WAITING_MAX = 4_096;
/** Rollups of one stream. */
export const STREAM_ROLLUPS_MAX = 32;
/** Where heights come without a message of their own, one that is a multiple of this has one: a reader hears so often. */
export const OMITTED_HEIGHTS = 32;
/** Headers that are read at once for streams of headers; further ones wait. */
export const HEADER_LOADS_MAX = 4;
/**
 * Blocks of one GetBlocks, and their bytes, unless the first one alone has more. The answer says where to go on.
 */
export const RANGE_BLOCKS_MAX = 64;
export const RANGE_BYTES_MAX = 4 << 20;
/** Connections at once, in all and of one address: a further one is closed. */
export const CONNECTIONS_MAX = 2_000;
export const CONNECTIONS_OF_PEER_MAX = 400;
/** Connections that are not accepted are logged so often at most, with how many there were. */
export const CONNECTION_LOG_MS = 30_000;
/** HTTP/2 streams of one connection. */
export const STREAMS_PER_CONNECTION_MAX = 1_000;
/** Time streams get to end when the server stops. */
export const STOP_GRACE_MS = 2_000;
/** Votes that one tally counts; with more it is partial. */
export const TALLY_VOTES_MAX = 1_000;
/** Votes that it counts before the loop runs on: a few milliseconds with a hundred validators. */
export const TALLY_VOTES_PER_SLICE = 20;
/** Times that a tally begins anew because a block came. */
export const TALLY_ATTEMPTS_MAX = 4;
/** Transactions of one GetBodies, and their bytes, unless a single one is larger. More ids: INVALID_ARGUMENT. */
export const BODY_IDS_MAX = 64;
export const BODY_BYTES_MAX = 1 << 20;
/** Bytes that GetBodies gives per second, all callers together, and at once after a pause. Beyond it: nothing. */
export const BODY_BYTES_PER_SECOND = 16 << 20;
/** The same for one address, so that none uses up what all others may have. */
export const BODY_BYTES_PER_SECOND_OF_CALLER = 4 << 20;
/** Addresses whose rates are kept; the one that has not called the longest gives way. */
export const BODY_CALLERS_MAX = 1_024;
/** Time that a node has for the answer to one GetBodies; then the next one is asked. */
export const BODY_TIMEOUT_MS = 1_000;
/** Nodes that are asked for the same transactions at most, each time others. */
export const BODY_PEERS_ASKED_MAX = 8;
/** Answers of one SubmitStream that are handed to HTTP/2 and have not left; the next one waits. */
export const ANSWERS_UNDER_WAY_MAX = 64;
