/** Of the open bundles of a rollup (`ATOMIC_OPEN_MAX`), those of one sender: no account alone fills all places. */
export const ATOMIC_SENDER_OPEN_MAX = 16;
/** Requests of executors that one block pays; the rest waits for the next. */
export const EXECUTORS_PAID_PER_BLOCK_MAX = 1_000;
/** Bundles of all rollups that wait for their decision: each block looks at each of them. */
export const ATOMIC_OPEN_TOTAL_MAX = 1_024;
