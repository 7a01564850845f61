/** Longest input made, unless a target says otherwise. */
export const BYTES_MAX = 64 << 10;
/** An input of at most BYTES_MAX that takes longer than this is a finding, ms. */
export const SLOW_MS = 5;
/** Longest hold of the event loop, ms. */
export const STALL_MS = 50;
/** Inputs kept beside the seeds because something about them was new. */
export const CORPUS_MAX = 200;
/** Longer inputs are not kept: whatever is new about them, mutants of theirs take long to make. */
export const KEPT_BYTES_MAX = 4 << 10;
/** Kinds of answers told apart; where messages repeat input there would be no end of them. */
export const VERDICTS_MAX = 1_000;
/** How much more heap a target may hold after many inputs than after its first ones. */
export const HEAP_GROWTH_BYTES_MAX = 16 << 20;
/** Tries to make a finding's input smaller. */
export const MINIMISE_TRIES_MAX = 2_000;
/** How much more heap a switch may hold after strangers have come and gone. */
export const LIVE_HEAP_GROWTH_BYTES_MAX = 32 << 20;
/** Strangers that are connected to a live switch at one time. */
export const ATTACKERS_AT_ONCE = 8;
