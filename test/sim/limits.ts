/** Limits of the simulator. Times are virtual milliseconds. */

/** Events of one seed; more means that something spins, and fails the seed. */
export const EVENTS_MAX = 3_000_000;
/** Heights that every honest node must decide after the faults have stopped. */
export const LIVE_HEIGHTS = 3;
/** How long that may take. Rounds begun under faults have long timeouts that must first run out. */
export const LIVENESS_BOUND_MS = 45_000;
/** The same among peers that claim heights which are not so: block sync waits up to 30 s for those. */
export const LIVENESS_BOUND_LIES_MS = 75_000;
/** Verdicts on signatures that are kept; the oldest goes first. */
export const SIGNATURE_MEMO_MAX = 50_000;
/** Bytes of one simulated message queue of one channel are not counted; its messages are. */
export const HELD_MESSAGES_MAX = 10_000;
/** Worker processes of one swarm. */
export const JOBS_MAX = 64;
/** How far ahead of the oldest seed that is under way others are begun: their lines wait for its line. */
export const SEEDS_AHEAD_MAX = 1_000;
/** A seed that takes longer than this, in ms of real time, spins without an event and has failed. */
export const SEED_REAL_MS_MAX = 600_000;
/** Heights for which a client's sealed transaction may wait for a block. */
export const SEALED_WINDOW_HEIGHTS = 12;
/** Heights for which a client's bundle may wait for a block. */
export const MEV_WINDOW_HEIGHTS = 12;
/** Of so many seeds one is about bundles and inclusion lists: that with this remainder. */
export const MEV_EVERY_SEEDS = 16;
export const MEV_SEED_REMAINDER = 11;
/** Of so many seeds one has large transactions, where the application is Weft's. */
export const LADEN_EVERY_SEEDS = 16;
export const LADEN_SEED_REMAINDER = 12;
/** Of so many seeds one is about atomic execution beside that. */
export const ATOMIC_EVERY_SEEDS = 16;
export const ATOMIC_SEED_REMAINDER = 14;
/** Of so many seeds the last has sealed transactions, which need longer chains than others draw. */
export const SEALED_EVERY_SEEDS = 8;
