/** Limits of state sync (spec/cometbft-v0.38.md §17.6). */

/** Snapshots that one peer may name; the oldest gives way. */
export const SNAPSHOTS_PER_PEER_MAX = 10;
/** Snapshots known at once, each with up to 4 MB of metadata; when full, what ranks last gives way. */
export const SNAPSHOTS_MAX = 50;
/** Snapshots, formats and peers remembered as rejected; the oldest is forgotten. */
export const REJECTIONS_MAX = 1_000;
/** How often peers are asked for snapshots, after the first time, before it is given up. */
export const DISCOVERY_ROUNDS_MAX = 4;
/** Chunks fetched or waiting beyond the next one to apply: 16 MB each at most. */
export const CHUNKS_AHEAD_MAX = 8;
/** Without the next chunk for this long, a snapshot is given up. */
export const CHUNK_TIMEOUT_MS = 120_000;
/** How often the application may ask to begin with a snapshot again. */
export const SNAPSHOT_RETRIES_MAX = 3;
/** How long the two blocks after a snapshot are waited for, and how often they are looked for. */
export const TRUST_WAIT_MS = 30_000;
export const TRUST_RETRY_MS = 500;
/** How often the state of things is looked at when nothing happens. */
export const TICK_MS = 200;
