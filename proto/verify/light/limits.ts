/** Limits of the light client. */

/** Blocks that a trusted store keeps unless told otherwise: the lowest of all, and the highest. */
export const TRUSTED_BLOCKS_KEPT = 1_000;
/** Verifications that wait for their turn; a further one is refused. */
export const LIGHT_WAITING_MAX = 256;
/** Witnesses of one client. */
export const WITNESSES_MAX = 32;
/** Heights of one stretch of sequential verification; each stretch is cross-checked and stored. */
export const SEQUENTIAL_STRETCH_HEIGHTS = 1_000;
/** A primary that lacks so few heights is asked again, so often, before another one is. */
export const PRIMARY_LAG_HEIGHTS_MAX = 2;
export const PRIMARY_POLLS_MAX = 3;
/** A primary whose last block is so far below a verified one is told of: it stands, or is of another chain of that name. */
export const PRIMARY_BEHIND_HEIGHTS = 20;
/** A lagging witness or primary is asked again after this long, in ms. */
export const WITNESS_POLL_MS = 500;
/** A provider that did not answer rests this long at first, at most so long, in ms. */
export const PROVIDER_REST_MS_FIRST = 1_000;
export const PROVIDER_REST_MS_MAX = 300_000;
/** Reporting evidence is given up after this long, in ms; a provider that refuses is asked this often. */
export const EVIDENCE_REPORT_TIMEOUT_MS = 5_000;
export const EVIDENCE_RETRY_MS = 1_000;
/** How far a header may be ahead of the clock unless told otherwise, in ns: 10 s, as CometBFT has it. */
export const CLOCK_DRIFT_NANOS_DEFAULT = 10_000_000_000n;
/** How far a witness may lag behind the primary unless told otherwise, in ns: 10 s, as CometBFT has it. */
export const BLOCK_LAG_NANOS_DEFAULT = 10_000_000_000n;
/** Headers walked below the lowest trusted one, one by one; a height further down is refused. */
export const BACKWARD_HEIGHTS_MAX = 10_000;
