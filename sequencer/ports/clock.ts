import type { Timestamp } from "../../proto/types.ts";

/** Something that can be cancelled once; cancelling twice is harmless. */
export interface Cancel {
  cancel(): void;
}

/** Wall and monotonic time plus timers. The simulator has its own. */
export interface Clock {
  /** Wall time in UTC with nanoseconds. */
  now(): Timestamp;
  /** Milliseconds of a monotonic clock; only differences mean something. */
  monotonicMs(): number;
  /** Calls `task` once after `delayMs` (>= 0). */
  after(delayMs: number, task: () => void): Cancel;
}
