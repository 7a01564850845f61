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
/** Last lines of a process that ended, for the message that says so. */
export const TAIL_LINES_MAX = 20;
/** They are said so long before its end at most. */
export const LAST_WORDS_MS = 10_000;
/** Lines kept of it, so that the reason of a panic is found above its goroutines. */
export const KEPT_LINES_MAX = 400;
/** Characters of one of them. */
export const TAIL_LINE_LENGTH_MAX = 500;
/** A line of its log is read as an entry up to this size: why consensus stopped may name a whole commit. */
export const LOG_ENTRY_BYTES_MAX = 1 << 20;
/** Longer texts in it, and lines that are no entry, are cut. */
export const LOG_LINE_BYTES_MAX = 16 << 10;
/** Restarts in a row; one that has served for STABLE_MS begins anew. */
export const RESTARTS_MAX = 5;
export const STABLE_MS = 60_000;
/** Pause before the first restart; each further one waits twice as long. */
export const RESTART_MS_FIRST = 1_000;
/** Between two looks whether a process that is no child of ours is gone. */
export const ORPHAN_POLL_MS = 100;
/**
 * How long one that was left by a crash of ours may take to end by itself, as it does within two seconds; as long
 * again when it was told to, and it is killed: its disk is good at any moment, and a validator waits for it.
 */
export const ORPHAN_GRACE_MS = 5_000;
/** How long CometBFT may take to stop before it is killed; its disk is good at any moment. */
export const STOP_GRACE_MS = 8_000;
/** Between two looks at its RPC while it starts. */
export const READY_POLL_MS = 50;
/** Between two looks at its status and its peers while it runs. */
export const STATUS_POLL_MS = 1_000;
export const PEERS_POLL_MS = 2_000;
/** Without a block for so long, what consensus waits for is asked too. */
export const QUIET_MS = 3_000;
/** A call for the block just applied that fails is sent again after so long. */
export const FOLLOW_RETRY_MS = 100;
/** Applied blocks kept in memory, and their items' bytes; the oldest goes first. */
export const RECENT_BLOCKS_MAX = 8;
export const RECENT_BLOCKS_BYTES_MAX = 16 << 20;
/** Headers with their commits, and validator sets, that are kept; the oldest goes first. */
export const SIGNED_HEADERS_MAX = 256;
export const VALIDATOR_SETS_MAX = 8;
/** Transactions that wait to be handed to CometBFT, and their bytes; a further one is refused. */
export const HANDOVER_QUEUE_MAX = 10_000;
export const HANDOVER_BYTES_MAX = 64 << 20;
/** Transactions of one call, and bytes of its body besides one transaction that is larger alone. */
export const HANDOVER_BATCH_MAX = 64;
export const HANDOVER_BODY_BYTES_MAX = 768 << 10;
/** Bytes of one call in a body besides its transaction in base64. */
export const HANDOVER_CALL_BYTES = 128;
/** Handovers that fail in a row before that is told as a warning. */
export const HANDOVER_FAILURES_TOLD = 10;
/** A handover that fails is tried again after so long. */
export const HANDOVER_RETRY_MS = 200;
/** Size and time of its page of metrics. */
export const METRICS_BYTES_MAX = 8 << 20;
export const METRICS_TIMEOUT_MS = 2_000;
/** How long one answer to a duty's submission is waited for. */
export const DUTY_SUBMIT_MS = 5_000;
