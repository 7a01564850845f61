import { performance } from "node:perf_hooks";
import type { Cancel, Clock } from "./clock.ts";

const EPOCH_NANOS = BigInt(Math.round(performance.timeOrigin * 1_000)) * 1_000n;

/** The real clock. Wall time follows `Date.now()` with sub-millisecond digits that only grow. */
export function createSystemClock(): Clock {
  let last = EPOCH_NANOS;
  return {
    now() {
      const wall = BigInt(Date.now()) * 1_000_000n;
      const fraction = BigInt(Math.trunc((performance.now() % 1) * 1_000_000));
      let nanos = wall + fraction;
      if (nanos <= last && last - nanos < 2_000_000n) nanos = last + 1n;
      last = nanos;
      return { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) };
    },
    monotonicMs: () => performance.now(),
    after(delayMs, task): Cancel {
      const timer = setTimeout(task, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}
