/** Limits of what a gateway tells about transactions. */

/** Transactions whose place in the order is kept; the oldest is forgotten. */
export const PLACEMENTS_KEPT = 100_000;
/** Heights before the first of a process whose places are looked up again, in case a crash took them. */
export const PLACEMENT_BACKFILL_HEIGHTS = 1_000;
/** Questions to the sequencer about transactions under way (a proof is large); a further one is refused. */
export const STATUS_QUESTIONS_MAX = 64;
/** Transactions of which it is kept why they were given up; the oldest is forgotten. */
export const LOST_KEPT = 10_000;
