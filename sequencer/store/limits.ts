/** Limits of the stores. */

/** Blocks that one pruning step removes, so that pruning never holds the loop. */
export const PRUNE_BLOCKS_PER_STEP_MAX = 100;
/** A validator set is stored in full at least this often (spec §8.4). */
export const VALIDATORS_CHECKPOINT_HEIGHTS = 100_000;
/** Size at which a file of block bytes is followed by a new one. */
export const BLOB_FILE_BYTES_MAX = 128 << 20;
/** Heights of one piece of a rotation: some milliseconds with 100 validators. The set after each is kept. */
export const ROTATION_HEIGHTS = 1_000;
/** Sets that are kept so: two changes of the set, or checkpoints, in full. */
export const ROTATIONS_KEPT_MAX = 200;
