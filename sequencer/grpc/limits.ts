/** Limits of the gRPC services. */
export const MESSAGE_BYTES_MAX = 8 << 20;
