import { describe, expect, it } from "vitest";
import { createLoopLag } from "./loop-lag.ts";
import { LAG_SAMPLE_MS } from "./limits.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";

function watched() {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  const lag = createLoopLag(
    {
      now: () => ({ seconds: 0n, nanos: 0 }),
      monotonicMs: () => nowMs,
      after(delayMs, run) {
        const timer = { atMs: nowMs + delayMs, run };
        timers.add(timer);
        return { cancel: () => void timers.delete(timer) };
      },
    },
    NULL_GRPC_METRICS,
  );
  /** The next timer runs so many ms late. */
  const turn = (lateMs: number) => {
    const due = Array.from(timers);
    timers.clear();
    for (const timer of due) {
      nowMs = timer.atMs + lateMs;
      timer.run();
    }
  };
  return { lag, timers, turn };
}

describe("how late the event loop is", () => {
  it("behavior: holds no timer unless somebody watches, so that a node that fails to start ends", () => {
    const { lag, timers } = watched();
    expect(timers.size).toBe(0);
    const first = lag.watch();
    const second = lag.watch();
    expect(timers.size).toBe(1);
    first();
    first();
    expect(timers.size).toBe(1);
    second();
    expect(timers.size).toBe(0);
    lag.watch();
    expect(timers.size).toBe(1);
  });

  it("behavior: says the worst of late, and nothing of what was before", () => {
    const { lag, turn } = watched();
    const unwatch = lag.watch();
    turn(0);
    turn(LAG_SAMPLE_MS);
    turn(3);
    expect(lag.lagMs()).toBe(LAG_SAMPLE_MS);
    unwatch();
    expect(lag.lagMs()).toBe(0);
  });
});
