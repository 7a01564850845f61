/** Limits of the application that are not parameters in state. */
export const TX_BYTES_MAX = 1 << 20;

/** Nodes of the state tree in memory (about 150 bytes each); above it the lower levels are dropped. */
export const RESIDENT_NODES_MAX = 1_000_000;
/** Values of the state in memory; above it the least recently used ones are dropped. */
export const VALUE_CACHE_BYTES_MAX = 64 << 20;
