/** Requests of executors that one block pays; the rest waits for the next. */
export const EXECUTORS_PAID_PER_BLOCK_MAX = 1_000;
