/**
 * Whether this node is behind the chain. The engine alone cannot tell: it decides, or is given,
 * whatever height comes next, and a height long past looks to it like any other.
 */
import { timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { Clock } from "../ports/clock.ts";
import { BEHIND_AGE_MS, BEHIND_BLOCKS_MAX } from "./limits.ts";

export interface SyncState {
  /** A block was applied. */
  applied(time: Timestamp): void;
  /**
   * A peer announces a height well above ours, and our last block is not recent. Both are asked for,
   * because any peer may announce anything, and a chain without transactions may pause.
   */
  isBehind(): boolean;
}

/** @param lastTime time of the last block on disk; undefined when there is none */
export function createSyncState(
  lastTime: Timestamp | undefined,
  deps: {
    readonly height: () => number;
    /** What peers say of themselves. */
    readonly peerHeights: () => readonly number[];
    readonly clock: Clock;
  },
): SyncState {
  let last = lastTime;
  return {
    applied(time) {
      last = time;
    },
    isBehind() {
      const isRecent =
        last !== undefined && timeToMs(deps.clock.now()) - timeToMs(last) < BEHIND_AGE_MS;
      if (isRecent) return false;
      const height = deps.height();
      return deps.peerHeights().some((peer) => peer > height + BEHIND_BLOCKS_MAX);
    },
  };
}
