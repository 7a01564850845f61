/**
 * Shares the event loop among peers that send much: in one turn of the loop messages are handled for
 * a few milliseconds, the rest waits its turn, longest waiting first. A flood of small, valid messages
 * is within every limit of bytes and would otherwise hold up timers and everybody else for as long
 * as it takes to handle what all sockets hold.
 */
import { RECEIVE_TURN_MS } from "../limits.ts";

export interface ReceiveTurns {
  /** Whether messages may still be handled in this turn of the loop. */
  hasTime(): boolean;
  /** Calls `task` in a later turn, when there is time. */
  later(task: () => void): void;
}

export function createReceiveTurns(dependencies: {
  readonly monotonicMs: () => number;
  /** Calls back in the next turn of the loop; `setImmediate`. */
  readonly nextTurn: (task: () => void) => void;
}): ReceiveTurns {
  const { monotonicMs, nextTurn } = dependencies;
  const waiting: (() => void)[] = [];
  let startMs: number | undefined;
  const hasTime = (): boolean => {
    const now = monotonicMs();
    if (startMs === undefined) {
      startMs = now;
      nextTurn(() => {
        startMs = undefined;
        // No more than wait now: who needs another turn gets it after the others.
        for (let left = waiting.length; left > 0 && hasTime(); left--) waiting.shift()?.();
        // Keeps turning until nobody waits.
        if (waiting.length > 0) hasTime();
      });
    }
    return now - startMs < RECEIVE_TURN_MS;
  };
  return {
    hasTime,
    later(task) {
      waiting.push(task);
      hasTime();
    },
  };
}
