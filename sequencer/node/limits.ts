/** A node whose last block is older, while peers are further ahead than a few blocks, is behind. */
export const BEHIND_AGE_MS = 10_000;
export const BEHIND_BLOCKS_MAX = 2;
/** A configuration file larger than this is not one. */
export const CONFIG_BYTES_MAX = 1 << 20;
/** Chunks that state sync asks for at once. */
export const STATE_SYNC_FETCHERS_MAX = 16;
/** Blocks that one commit gives up at most when old ones are pruned. */
export const RETENTION_STEP_BLOCKS = 10;
/** Signatures that cross to a worker in one message, and what they sign: about 4 ms of its time. */
export const SIGNATURE_BATCH_MAX = 100;
export const SIGNATURE_BATCH_BYTES = 512 << 10;
/** So many that come at once while the thread is idle are checked on the main loop: 0.8 ms at most. */
export const SIGNATURES_CHECKED_HERE_MAX = 16;
export const SIGNATURES_CHECKED_HERE_BYTES_MAX = 16 << 10;
/** Fewer signatures than this cost a native batch as much as one by one. */
export const NATIVE_BATCH_MIN = 2;
/** Messages a worker has at once: one to work on, one to go on with; the rest waits here. */
export const SIGNATURE_BATCHES_ABROAD_MAX = 2;
/** Applied blocks kept in memory, and their items' bytes; the oldest goes first. */
export const RECENT_BLOCKS_MAX = 8;
export const RECENT_BLOCKS_BYTES_MAX = 16 << 20;
/** Growth of the heap, buffers included, that V8 lets pass before it collects, in percent of what is live. */
export const HEAP_GROWING_PERCENT = 300;
/** Without a block for this long, or for as many whole rounds if those take longer, a node says that it stands. */
export const STALL_AFTER_MS_MIN = 10_000;
export const STALL_AFTER_ROUNDS = 3;
/** Between two looks, and between two lines of the log. */
export const STALL_CHECK_MS = 1_000;
export const STALL_LOG_MS = 30_000;
/** Validators, or peers, named in one line. */
export const STALL_NAMES_MAX = 10;
/** Files of evidence that a node writes for its operator; faults of one validator come once a round at most. */
export const FOUND_EVIDENCE_FILES_MAX = 64;
/** Edits between an unknown name and the known one that is suggested. */
export const NAME_DISTANCE_MAX = 4;
/** CometBFT's pool has room for so many times what the application's takes: the application's decides. */
export const COMETBFT_POOL_FACTOR = 2;
/** Bytes of a call's body besides its transaction, in CometBFT's RPC. */
export const RPC_BODY_OVERHEAD_BYTES = 4 << 10;
/** Accepted signatures that the lane of votes and blocks remembers: several heights of 150 validators. */
export const REMEMBERED_SIGNATURES_MAX = 8_192;
/** Longer messages are checked again: an extension of 64 KiB, say, is seldom seen twice. */
export const REMEMBERED_MESSAGE_BYTES_MAX = 1_024;
/** How long a node stays up for its peers when the next block needs an upgrade that it does not have. */
export const UPGRADE_GRACE_MS = 3_000;
/** Threads for the arithmetic of sealed transactions at most; one block's is spread over so many. */
export const SEAL_WORKERS_MAX = 4;
/** Proofs of possession that are checked on the main loop: under 1 ms. */
export const SEAL_CHECKED_HERE_MAX = 4;
/** Proofs of sealed transactions in one task of a thread: about 6 ms of its time. */
export const SEAL_CHECKS_PER_TASK = 128;
/** Points of share vectors that are verified in one task, unless one vector has more: about 8 ms. */
export const SEAL_SHARES_PER_TASK = 512;
/** Sealed items that are opened in one task: about 4 ms. */
export const SEAL_ITEMS_PER_TASK = 128;
/** Proofs of submitted transactions that wait for a thread: as many as the application looks at at once, dry runs included; more are refused (SEAL_COMPUTE_BUSY). */
export const SEAL_INCOMING_WAITING_MAX = 16_384;
/** Where no engine says whether it catches up, a last block that is older means that it does. */
export const DUTY_BLOCK_AGE_MAX_SECONDS = 600;
/** Blocks for which a submitted duty may wait for its block, and until one that was refused is tried again. */
export const DUTY_EXPIRY_BLOCKS = 5;
export const DUTY_RETRY_BLOCKS = 2;
/** Blocks for which an encryption key that is not (yet) in the state keeps its secret: many times what a transaction lives. */
export const SEAL_SECRET_ERASE_BLOCKS = 1_000;
/** Evidence that waits to be submitted; more is dropped. */
export const EVIDENCE_REPORTS_MAX = 64;
/** A node that waits for its genesis time looks at the clock after so long at the latest: clocks are set. */
export const GENESIS_LOOK_MS = 60_000;
