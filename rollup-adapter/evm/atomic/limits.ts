/** Limits of atomic execution on the reference EVM rollup. */

/** Bundles that are prepared and not decided; a further leg is answered NO (OTHER). The chain takes no more of a rollup. */
export const OPEN_BUNDLES_MAX = 64;
/** Payloads of one leg; more is MALFORMED. */
export const LEG_PAYLOADS_MAX = 64;
/** Bytes of one declared message; more is MALFORMED. */
export const MESSAGE_BYTES_MAX = 8_192;
/** The most that a leg may be allowed to lock. */
export const LOCKS_MAX = 256;
/**
 * Gas of all open legs together is at most this part of a block's, and so is what the legs of one height are run for, NO
 * or YES; a leg that could exceed either is answered NO (OTHER) and not run.
 */
export const OPEN_GAS_DIVISOR = 2n;
/**
 * Gas limits of a leg's transactions are together at most this for each lock that the leg may take: locks are what its
 * sender pays for. A leg that asks for more is answered NO (TOO_MANY_LOCKS) and not run.
 */
export const LOCK_GAS = 100_000n;
/** Open bundles that a status lists. */
export const OPEN_BUNDLES_LISTED_MAX = 256;
