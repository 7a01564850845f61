/** Limits of the evidence pool. What does not fit is refused and counted; it may be offered again. */

/** Pieces that wait for a block. */
export const EVIDENCE_PENDING_MAX = 1_000;
/** Bytes of those. */
export const EVIDENCE_PENDING_BYTES_MAX = 16 << 20;
/**
 * Those against one validator: it can sign as many contradictions as it likes, and must not crowd out
 * evidence against others.
 */
export const EVIDENCE_PENDING_PER_VALIDATOR_MAX = 50;
/** Those of attacks on light clients. */
export const EVIDENCE_PENDING_ATTACKS_MAX = 50;
/** Bytes of a vote extension that is kept with its vote; a longer one is left out. */
export const EVIDENCE_EXTENSION_BYTES_MAX = 4_096;
/** Pairs of conflicting votes that wait for their height to end; more are not recorded. */
export const CONFLICTS_MAX = 1_000;
/** Expired marks of committed evidence deleted per block, of each kind. */
export const EVIDENCE_PRUNED_PER_BLOCK_MAX = 100;
