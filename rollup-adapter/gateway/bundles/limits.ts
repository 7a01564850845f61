/** Limits of bundles and bids at a gateway: sizes in bytes, times in ms. */

/** Transactions of one request, over all its rollups. */
export const BUNDLE_TXS_MAX = 100;
/** Their bytes together, encoded; sealed ones a little less, because of what stands around them. */
export const BUNDLE_REQUEST_BYTES_MAX = 65_536;
/** Heights of a bundle whose sender names none: the next one, and so many after it. */
export const DEFAULT_WINDOW_HEIGHTS = 24;
/** Heights for which a cancellation, or a sealed transaction, may wait for a block. */
export const SEALED_WAIT_HEIGHTS = 60;
/** Characters of a replacement's uuid. */
export const UUID_LENGTH_MAX = 64;
/** Replacement keys whose sequences are kept; a further one is refused with RATE_LIMITED. */
export const KEYS_KEPT_MAX = 100_000;
/** Blocks for which a key's sequence is kept after the last block that its bundles may be in: as long as any cancellation. */
export const KEY_KEPT_BLOCKS = 700;
