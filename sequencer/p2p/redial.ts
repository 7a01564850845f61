/** When a persistent peer is dialed again: steadily at first, then at leisure, for ever. */
import {
  REDIAL_DELAY_MAX_MS,
  REDIAL_FAST_DELAYS_MS,
  REDIAL_SLOW_DELAY_MS,
  REDIAL_SLOW_TRIES,
  REDIAL_STEADY_DELAY_MS,
  REDIAL_STEADY_TRIES,
} from "./limits.ts";

/**
 * Delay in ms before attempt number `attempt` (0 is the first redial). The delay is short and does
 * not grow for the first minute: an interrupted link is to be found again within a fraction of a
 * second of its return, which a growing delay would miss by as much as the interruption lasted.
 *
 * @param jitter in [0, 1): spreads nodes that lost each other at the same moment
 * @param capMs longest delay (`persistent_peers_max_dial_period`); 0: ours
 */
export function redialDelayMs(attempt: number, jitter: number, capMs = 0): number {
  const delay = baseDelayMs(attempt) * (1 + jitter / 4);
  return capMs > 0 ? Math.min(delay, capMs) : delay;
}

function baseDelayMs(attempt: number): number {
  const fast = REDIAL_FAST_DELAYS_MS[attempt];
  if (fast !== undefined) return fast;
  let rest = attempt - REDIAL_FAST_DELAYS_MS.length;
  if (rest < REDIAL_STEADY_TRIES) return REDIAL_STEADY_DELAY_MS;
  rest -= REDIAL_STEADY_TRIES;
  if (rest < REDIAL_SLOW_TRIES) return REDIAL_SLOW_DELAY_MS;
  const doublings = Math.min(rest - REDIAL_SLOW_TRIES + 1, 10);
  return Math.min(REDIAL_SLOW_DELAY_MS * 2 ** doublings, REDIAL_DELAY_MAX_MS);
}
