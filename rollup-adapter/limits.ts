/** Limits of the adapter. */
export const STREAM_MESSAGE_BYTES_MAX = 64 << 20;
