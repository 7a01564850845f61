import { describe, expect, it } from "vitest";
import { createRateLimit } from "./rate-limit.ts";

describe("token buckets", () => {
  it("behavior: allow a burst, then so many a second, each sender by itself", () => {
    let nowMs = 0;
    const limit = createRateLimit({ perSecond: 2, burst: 3 }, () => nowMs);
    const times = (name: string, count: number) =>
      Array.from({ length: count }, () => limit.take([name]));
    expect(times("a", 4)).toEqual([true, true, true, false]);
    expect(limit.take(["b"])).toBe(true);
    nowMs = 500;
    expect(times("a", 2)).toEqual([true, false]);
    nowMs = 10_000;
    expect(times("a", 4)).toEqual([true, true, true, false]);
  });

  it("behavior: what one of two buckets refuses, the other does not pay for", () => {
    const limit = createRateLimit({ perSecond: 1, burst: 1 }, () => 0);
    expect(limit.take(["signer"])).toBe(true);
    expect(limit.take(["address", "signer"])).toBe(false);
    expect(limit.take(["address"])).toBe(true);
  });

  it("behavior: 0 a second is no limit", () => {
    const limit = createRateLimit({ perSecond: 0, burst: 1 }, () => 0);
    expect([limit.take(["a"]), limit.take(["a"])]).toEqual([true, true]);
  });
});
