/** How late the event loop is: what anything else on it, consensus included, has to wait. */
import type { Clock } from "../ports/clock.ts";
import { LAG_SAMPLE_MS, LAG_WINDOW_SAMPLES } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface LoopLag {
  /** The most that a timer was late of late, in ms. */
  lagMs(): number;
  stop(): void;
}

export function createLoopLag(clock: Clock, metrics: Pick<GrpcMetrics, "loopLag">): LoopLag {
  const late: number[] = [];
  let at = 0;
  let expectedMs = clock.monotonicMs() + LAG_SAMPLE_MS;
  let timer = clock.after(LAG_SAMPLE_MS, sample);

  function sample(): void {
    const nowMs = clock.monotonicMs();
    const lagMs = Math.max(0, nowMs - expectedMs);
    late[at] = lagMs;
    at = (at + 1) % LAG_WINDOW_SAMPLES;
    metrics.loopLag.observe(lagMs / 1_000);
    expectedMs = nowMs + LAG_SAMPLE_MS;
    timer = clock.after(LAG_SAMPLE_MS, sample);
  }

  return {
    lagMs: () => Math.max(0, ...late),
    stop: () => timer.cancel(),
  };
}
