/** Limits of the consensus core (spec §20). A full table rejects unless said otherwise. */

/** Later rounds that one peer may open per height (spec §9.5). */
export const CATCHUP_ROUNDS_PER_PEER_MAX = 2;
/** Later rounds open at once; when full, the one with the least voting power makes room. */
export const CATCHUP_ROUNDS_MAX = 128;
/** Peers whose catch-up rounds are counted per height; votes of further peers open none. */
export const CATCHUP_PEERS_MAX = 1024;
/** Claims of a majority (VoteSetMaj23) kept per vote set, one per peer. */
export const MAJORITY_CLAIMS_MAX = 256;
export const VALIDATORS_MAX = 10_000;
/** Validation results remembered per height; when full, the oldest is forgotten and asked again. */
export const VALIDATIONS_MAX = 256;
