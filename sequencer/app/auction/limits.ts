/** Bids of one account in one block. */
export const BIDS_PER_ACCOUNT_MAX = 5;
/** Blocks for which the result of an auction is kept: for queries; nothing else reads it. */
export const AUCTION_RESULTS_KEPT = 1_000;
/** Accounts that one block pays escrow back to; the rest wait for the next block, in order. */
export const ESCROW_PAID_PER_BLOCK_MAX = 1_000;
/** Wins that the metric of their concentration counts. */
export const WINS_COUNTED = 1_000;
