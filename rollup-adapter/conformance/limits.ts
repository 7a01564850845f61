/** Limits of the conformance suite. The first group is part of the contract (docs/execution.md). */

/** Newest sequencer heights of which an executor still answers a repeated call. */
export const ANSWERS_KEPT_MIN = 64;
/** One request as it travels: what an executor takes, and what drivers send at most. */
export const REQUEST_BYTES_MAX = 64 << 20;
/** Payloads of one request that an executor takes. */
export const PAYLOADS_MAX = 100_000;

/** What stands around the payloads of the large request that is sent, in bytes. */
export const REQUEST_OVERHEAD_BYTES = 64 << 10;
/** Payloads of the large request. */
export const LARGE_PAYLOADS = 16;
/** Calls that are under way at a time where the suite overlaps them. */
export const CALLS_AT_ONCE = 16;
/** Blocks tried until one is made; executors that gather need two. */
export const BLOCK_TRIES_MAX = 6;
/** A call that has no answer by then has failed, in ms; large blocks take their time. */
export const CALL_TIMEOUT_MS = 120_000;
/** An executor that is busy or starts is asked again for so long, in ms, after a pause of so many. */
export const BUSY_PATIENCE_MS = 20_000;
export const BUSY_PAUSE_MS = 20;
/** Legs that the checks of level 1 use up. */
export const LEGS_MIN = 10;
/** Lines read from a file. */
export const FILE_PAYLOADS_MAX = 10_000;
/** Times that blocks which came too early are sent again. */
export const GAP_TRIES_MAX = 64;
/** Slices in which a connection is watched, in ms. */
export const WATCH_MS = 200;
/** Time after a restart within which the old connection is seen to break, in ms. */
export const BREAK_PATIENCE_MS = 5_000;
/** What a leg may lock where a check says nothing else. */
export const LOCKS_GIVEN = 64;
