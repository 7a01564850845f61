/** Accounts that one block pays escrow back to; the rest wait for the next block, in order. */
export const ESCROW_PAID_PER_BLOCK_MAX = 1_000;
