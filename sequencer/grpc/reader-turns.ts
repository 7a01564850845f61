/**
 * Whose turn it is among the readers of streams. Writing to a thousand readers takes the event loop tens of
 * milliseconds: it is done in slices, with pauses in between in which consensus runs. Readers that wait for new blocks
 * come before those that read history; while the loop is late, all of them wait longer.
 */
import type { Cancel, Clock } from "../ports/clock.ts";
import {
  LIVE_TURNS_IN_A_ROW_MAX,
  LOOP_LATE_MS,
  TURNS_LATE_PAUSE_MS,
  TURNS_PAUSE_MS,
  TURNS_SLICE_MS,
} from "./limits.ts";

export interface ReaderTurns {
  /** Calls `step` when it is its turn; a step is short and does not throw. */
  add(step: () => void, kind: "live" | "history"): void;
  stop(): void;
}

export function createReaderTurns(clock: Clock, lagMs: () => number): ReaderTurns {
  const live = createQueue();
  const history = createQueue();
  let liveInARow = 0;
  let immediate: NodeJS.Immediate | undefined;
  let pause: Cancel | undefined;
  let isStopped = false;

  function next(): (() => void) | undefined {
    const isLive =
      live.size() > 0 && (liveInARow < LIVE_TURNS_IN_A_ROW_MAX || history.size() === 0);
    liveInARow = isLive ? liveInARow + 1 : 0;
    return isLive ? live.take() : history.take();
  }

  function slice(): void {
    immediate = undefined;
    const endMs = clock.monotonicMs() + TURNS_SLICE_MS;
    for (let step = next(); step !== undefined; step = next()) {
      step();
      if (clock.monotonicMs() < endMs) continue;
      pauseFor(lagMs() > LOOP_LATE_MS ? TURNS_LATE_PAUSE_MS : TURNS_PAUSE_MS);
      return;
    }
  }

  /** What else the loop has to do comes first, also what comes meanwhile. */
  function pauseFor(ms: number): void {
    pause = clock.after(ms, () => {
      pause = undefined;
      schedule();
    });
  }

  function schedule(): void {
    if (isStopped || immediate !== undefined || pause !== undefined) return;
    if (live.size() + history.size() === 0) return;
    immediate = setImmediate(slice);
  }

  return {
    add(step, kind) {
      (kind === "live" ? live : history).add(step);
      schedule();
    },
    stop() {
      isStopped = true;
      clearImmediate(immediate);
      pause?.cancel();
    },
  };
}

/** First in, first out, without moving what waits. */
function createQueue() {
  let steps: (() => void)[] = [];
  let taken = 0;
  return {
    size: () => steps.length - taken,
    add(step: () => void): void {
      steps.push(step);
    },
    take(): (() => void) | undefined {
      const step = steps[taken];
      if (step === undefined) return undefined;
      taken += 1;
      if (taken === steps.length) {
        steps = [];
        taken = 0;
      }
      return step;
    },
  };
}
