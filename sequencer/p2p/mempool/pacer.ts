/**
 * When the same small work comes again and again: at once if it has rested, else as often as its interval
 * allows, for all that has come meanwhile.
 */
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";

export interface Pacer {
  /** Runs the task once, soon; further calls until then change nothing. */
  schedule(): void;
  stop(): void;
}

/** @param options.intervalMs from the start of one run to the start of the next, at least */
export function createPacer(
  options: { readonly intervalMs: number },
  dependencies: {
    readonly task: () => void;
    readonly clock: Clock;
    readonly yieldToLoop: YieldToLoop;
  },
): Pacer {
  const { task, clock, yieldToLoop } = dependencies;
  let isScheduled = false;
  let isStopped = false;
  let restedAtMs = Number.NEGATIVE_INFINITY;
  let timer: Cancel | undefined;
  const run = (): void => {
    isScheduled = false;
    timer = undefined;
    if (isStopped) return;
    restedAtMs = clock.monotonicMs() + options.intervalMs;
    task();
  };
  return {
    schedule() {
      if (isScheduled || isStopped) return;
      isScheduled = true;
      const waitMs = restedAtMs - clock.monotonicMs();
      if (waitMs > 0) timer = clock.after(waitMs, run);
      // After the messages of this turn: consensus goes first, and more of the same joins.
      else void yieldToLoop().then(run);
    },
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}
