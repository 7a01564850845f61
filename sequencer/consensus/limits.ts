/** Limits of the consensus core (spec §20). A full table rejects; nothing here grows without bound. */
export const CATCHUP_ROUNDS_PER_PEER_MAX = 2;
export const VALIDATORS_MAX = 10_000;
export const VOTE_EXTENSION_BYTES_MAX = 1 << 20;
