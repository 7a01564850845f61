/** Limits of state sync (spec/cometbft-v0.38.md §17.6). */

/** Snapshots that one peer may name; the oldest gives way. */
export const SNAPSHOTS_PER_PEER_MAX = 10;
/** Snapshots known at once; when full, whoever named most loses what ranks last of his. */
export const SNAPSHOTS_MAX = 200;
/** A snapshot with more metadata is left out. */
export const SNAPSHOT_METADATA_BYTES_MAX = 1 << 20;
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
/** How long the two blocks after a snapshot are waited for when no other can be tried, and how often they are looked for. */
export const TRUST_WAIT_MS = 30_000;
export const TRUST_RETRY_MS = 500;
/** How often the state of things is looked at when nothing happens. */
export const TICK_MS = 200;
/** Failed snapshots that the message at the end names; the oldest are left out. */
export const FAILURES_TOLD_MAX = 20;
