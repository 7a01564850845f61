/** Limits of the application that are not parameters in state. */
export const TX_BYTES_MAX = 1 << 20;
