import { describe, expect, it } from "vitest";
import { createQuota } from "./quota.ts";

describe("a requester's quota", () => {
  it("behavior: money comes back by the minute, and no faster for asking often", () => {
    let nowMs = 0;
    const quota = createQuota(
      () => ({ waitingMax: 0, spendPerMinute: 600n }),
      () => nowMs,
    );
    expect(quota.take("a", 600n)).toBeUndefined();
    for (let i = 0; i < 1_000; i++) {
      nowMs += 9; // one nweft takes 100 ms
      expect(quota.take("a", 100n)).toContain("are left");
    }
    nowMs = 10_000;
    expect(quota.take("a", 100n)).toBeUndefined();
    expect(quota.take("a", 1n)).toContain("0 are left");
    nowMs = 10_000_000;
    expect(quota.take("a", 601n)).toContain("600 are left");
    expect(quota.take("a", 600n)).toBeUndefined();
  });
});
