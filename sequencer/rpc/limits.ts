/** Limits of the JSON-RPC server (spec §20). */
export const BODY_BYTES_MAX = 1_000_000;
