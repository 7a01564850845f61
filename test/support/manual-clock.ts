/** A clock that a test moves by hand. */
import type { Clock } from "../../sequencer/ports/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time on and runs what falls due, in order, with microtasks in between. */
  advance(ms: number): Promise<void>;
}

const START_SECONDS = 1_700_000_000n;

export function createManualClock(): ManualClock {
  let nowMs = 0;
  let order = 0;
  const timers = new Set<{ atMs: number; order: number; task: () => void }>();
  const settle = async (): Promise<void> => {
    for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
  };
  return {
    now: () => ({
      seconds: START_SECONDS + BigInt(Math.floor(nowMs / 1_000)),
      nanos: Math.floor(nowMs % 1_000) * 1_000_000,
    }),
    monotonicMs: () => nowMs,
    after(delayMs, task) {
      const timer = { atMs: nowMs + delayMs, order: order++, task };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      await settle();
      for (;;) {
        const [next] = [...timers]
          .filter(({ atMs }) => atMs <= endMs)
          .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.task();
        await settle();
      }
      nowMs = endMs;
    },
  };
}

/** Enough turns for a chain of promises to finish. */
const MICROTASKS = 50;
