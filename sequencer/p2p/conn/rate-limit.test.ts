import { describe, expect, test } from "vitest";
import { createRateLimit } from "./rate-limit.ts";

describe("rate limit", () => {
  test("lets a burst pass, then bytes per second", () => {
    const limit = createRateLimit({ bytesPerSecond: 1_000_000, nowMs: 0 });
    limit.take(100_000, 0);
    expect(limit.delayMs(0)).toBe(1);
    limit.take(50_000, 0);
    expect(limit.delayMs(0)).toBe(50);
    expect(limit.delayMs(49)).toBe(1);
    expect(limit.delayMs(51)).toBe(0);
  });

  test("a rate of 0 is no limit", () => {
    const limit = createRateLimit({ bytesPerSecond: 0, nowMs: 0 });
    limit.take(1e12, 0);
    expect(limit.delayMs(0)).toBe(0);
  });

  test("idle time does not pile up beyond the burst", () => {
    const limit = createRateLimit({ bytesPerSecond: 1_000_000, nowMs: 0 });
    limit.take(200_000, 1_000_000);
    expect(limit.delayMs(1_000_000)).toBe(100);
  });
});
