/** Bounds of a benchmark run. */
export const RUN_SECONDS_MAX = 600;
