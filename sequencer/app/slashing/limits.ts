/** Sizes of slashing that are not parameters in state. */

/** Heights of the window whose bits stand in one record. */
export const MISSED_CHUNK_HEIGHTS = 1_024;
export const MISSED_CHUNK_BYTES = MISSED_CHUNK_HEIGHTS / 8;
/** Every so many heights the block time is remembered; a fault is dated that exactly. */
export const HEIGHT_TIME_STRIDE = 100;
/** Remembered block times that one block forgets at most. */
export const HEIGHT_TIMES_FORGOTTEN_MAX = 8;
/**
 * Windows of blocks, from where a validator joined, within which its next jail for missing blocks counts
 * as a repeat. It cannot be judged before one is over.
 */
export const DOWNTIME_REPEAT_WINDOWS = 2;
