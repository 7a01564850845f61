/** Limits of staking that are not parameters in state. */

/** nweft of one unit of voting power. */
export const POWER_REDUCTION = 1_000_000n;
/** Blocks from the one that returns an update to the first whose votes it counts for (spec staking C1). */
export const UPDATE_DELAY_BLOCKS = 2;
/** Due entries of the queue that one block completes; the rest wait for the next block, in order. */
export const QUEUE_PER_BLOCK_MAX = 1_000;
/** Seconds between two changes of a commission rate. */
export const COMMISSION_CHANGE_SECONDS = 86_400;
/**
 * Changes of power that are remembered of a validator. Beyond that the two oldest become one with the
 * larger power: a fault of that age is never priced below what the validator had.
 */
export const POWER_CHANGES_KEPT = 1_024;
/**
 * Blocks between two changes of an application key; more in large sets, until several honest proposers have
 * had their turn. The state knows the last two keys, and evidence of what one signed has to come into a block.
 */
export const APPLICATION_KEY_PAUSE_BLOCKS_MIN = 10;
/**
 * Decimal shares of one validator. Where hardly a token is left for them, new stake buys more than any record can
 * hold: beyond this a validator takes none. All nweft at the first rate are below 2^144.
 */
export const VALIDATOR_SHARES_MAX: bigint = 2n ** 200n;
