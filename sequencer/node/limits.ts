/** Time a graceful stop may take before the process is ended anyway. */
export const STOP_TIMEOUT_MS = 15_000;
/** A configuration file larger than this is not one. */
export const CONFIG_BYTES_MAX = 1 << 20;
