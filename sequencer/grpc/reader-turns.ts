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

/** Of readers of new blocks, or of others. */
export type TurnKind = "live" | "history";

export interface ReaderTurns {
  /** Calls `step` when it is its turn; a step is short and does not throw. */
  add(step: () => void, kind: TurnKind): void;
  /** Resolves when it is the caller's turn: what it does until it waits again for something is its step. */
  turn(kind: TurnKind): Promise<void>;
  stop(): void;
}

export function createReaderTurns(clock: Clock, lagMs: () => number): ReaderTurns {
  const live = createQueue();
  const history = createQueue();
  let liveInARow = 0;
  /** Of the slice that goes on when what a step has resolved has been done. */
  let goesOnUntilMs: number | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let pause: Cancel | undefined;
  let isStopped = false;

  function next(): Step | undefined {
    const isLive =
      live.size() > 0 && (liveInARow < LIVE_TURNS_IN_A_ROW_MAX || history.size() === 0);
    liveInARow = isLive ? liveInARow + 1 : 0;
    return isLive ? live.take() : history.take();
  }

  function slice(): void {
    immediate = undefined;
    const endMs = goesOnUntilMs ?? clock.monotonicMs() + TURNS_SLICE_MS;
    goesOnUntilMs = undefined;
    while (clock.monotonicMs() < endMs) {
      const step = next();
      if (step === undefined) return;
      step.take();
      if (!step.isAsync) continue;
      goesOnUntilMs = endMs;
      immediate = setImmediate(slice);
      return;
    }
    pauseFor(lagMs() > LOOP_LATE_MS ? TURNS_LATE_PAUSE_MS : TURNS_PAUSE_MS);
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

  function add(step: Step, kind: TurnKind): void {
    (kind === "live" ? live : history).add(step);
    schedule();
  }

  return {
    add: (take, kind) => add({ take, isAsync: false }, kind),
    turn: (kind) => new Promise((take) => add({ take, isAsync: true }, kind)),
    stop() {
      isStopped = true;
      clearImmediate(immediate);
      pause?.cancel();
    },
  };
}

interface Step {
  readonly take: () => void;
  /** Most of it is done by what waits for it. */
  readonly isAsync: boolean;
}

/** First in, first out, without moving what waits. */
function createQueue() {
  let steps: Step[] = [];
  let taken = 0;
  return {
    size: () => steps.length - taken,
    add(step: Step): void {
      steps.push(step);
    },
    take(): Step | undefined {
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
