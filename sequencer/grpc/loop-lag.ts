/** How late the event loop is: what anything else on it, consensus included, has to wait. */
import type { Clock } from "../ports/clock.ts";
import { LAG_SAMPLE_MS, LAG_WINDOW_SAMPLES } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface LoopLag {
  /** The most that a timer was late of late, in ms; 0 while nobody watches. */
  lagMs(): number;
  /** Measures until what it returns is called. While nobody watches there is no timer, which would keep a process alive. */
  watch(): () => void;
  /** Whoever watches: no timer is left. */
  stop(): void;
}

export function createLoopLag(clock: Clock, metrics: Pick<GrpcMetrics, "loopLag">): LoopLag {
  let late: number[] = [];
  let at = 0;
  let watchers = 0;
  let expectedMs = 0;
  let timer: { cancel(): void } | undefined;

  function expect(nowMs: number): void {
    expectedMs = nowMs + LAG_SAMPLE_MS;
    timer = clock.after(LAG_SAMPLE_MS, sample);
  }

  function sample(): void {
    const nowMs = clock.monotonicMs();
    const lagMs = Math.max(0, nowMs - expectedMs);
    late[at] = lagMs;
    at = (at + 1) % LAG_WINDOW_SAMPLES;
    metrics.loopLag.observe(lagMs / 1_000);
    expect(nowMs);
  }

  return {
    lagMs: () => Math.max(0, ...late),

    watch() {
      watchers += 1;
      if (watchers === 1) expect(clock.monotonicMs());
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        watchers -= 1;
        if (watchers > 0) return;
        timer?.cancel();
        late = [];
        at = 0;
      };
    },

    stop: () => timer?.cancel(),
  };
}
