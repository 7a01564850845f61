/**
 * A chain begins at its genesis time: a node that is started before it waits, as CometBFT's does
 * (`node/node.go`, OnStart), so that all begin in round 0 and no block is older than the chain.
 */
import { formatTime, timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import { pause } from "../../proto/verify/light/clock.ts";
import type { Clock } from "../ports/clock.ts";
import { GENESIS_LOOK_MS } from "./limits.ts";

/** What the node waits for, for people; undefined once the chain may begin. */
export function genesisWait(genesisTime: Timestamp, clock: Pick<Clock, "now">): string | undefined {
  if (msUntil(genesisTime, clock) <= 0) return undefined;
  return `genesis_time is ${formatTime(genesisTime)}: the chain begins then`;
}

/**
 * Resolves at the genesis time; looks at the wall clock now and then, which may be set meanwhile.
 * @throws the reason of `signal` when that comes first
 */
export async function untilGenesis(
  genesisTime: Timestamp,
  clock: Pick<Clock, "now" | "after">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const ms = msUntil(genesisTime, clock);
    if (ms <= 0) return;
    await pause(clock, Math.min(ms, GENESIS_LOOK_MS), signal);
  }
}

function msUntil(time: Timestamp, clock: Pick<Clock, "now">): number {
  return timeToMs(time) - timeToMs(clock.now());
}
