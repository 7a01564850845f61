/** When a persistent peer is dialed again: quickly at first, then at leisure, for ever. */
import {
  REDIAL_DELAY_MAX_MS,
  REDIAL_DELAY_MS,
  REDIAL_FAST_DELAYS_MS,
  REDIAL_SLOW_TRIES,
} from "./limits.ts";

/**
 * Delay in ms before attempt number `attempt` (0 is the first redial). `jitter` in [0, 1) spreads
 * nodes that lost each other at the same moment.
 */
export function redialDelayMs(attempt: number, jitter: number): number {
  const fast = REDIAL_FAST_DELAYS_MS[attempt];
  if (fast !== undefined) return fast * (1 + jitter);
  const slowTries = attempt - REDIAL_FAST_DELAYS_MS.length;
  const doublings = Math.max(0, slowTries - REDIAL_SLOW_TRIES);
  const delay = Math.min(REDIAL_DELAY_MS * 2 ** Math.min(doublings, 10), REDIAL_DELAY_MAX_MS);
  return delay * (1 + jitter / 2);
}
