/** Commits that one block may hold; one more fails. What a block voids at once follows from it. */
export const COMMITS_PER_BLOCK_MAX = 1_000;
/** Bytes that a reveal takes in a block beside its content, at most: keys, numbers, salt, signature, framing. */
export const REVEAL_OVERHEAD_BYTES = 256;
/** Commits that lapsed double the next bond; no further than this often. */
export const BOND_DOUBLINGS_MAX = 10;
