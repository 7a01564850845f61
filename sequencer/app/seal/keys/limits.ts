/** Sizes of key generations that are not parameters in state. */

/** Blocks of each window of a key generation; more in sets in which as many proposers in a row may be faulty. */
export const GENERATION_WINDOW_MIN = 10;
/** Generations that an epoch tries; the second one without those who were silent in the first. */
export const GENERATION_ATTEMPTS_MAX = 2;
/** Blocks of an epoch that validators without an encryption key are waited for, and between two looks after that. */
export const REGISTRATION_BLOCKS = 10;
/** Blocks until a validator may replace its encryption key: that is free. */
export const REGISTRATION_PAUSE_BLOCKS = 10;
/** More than the blocks after its replacement in which shares of a key can still be asked for: 2f + 4 of 1,000 validators. */
export const KEY_LAST_SHARES_BLOCKS = 1_000;
/** Members for which tickets are always found, 6 for each: with more, it is tried every `REGISTRATION_BLOCKS` only. */
export const TICKETS_FOUND_MEMBERS_MAX = 100;
