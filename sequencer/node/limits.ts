/** Time a graceful stop may take before it is forced. */
export const STOP_TIMEOUT_MS = 10_000;
