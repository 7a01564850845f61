import { describe, expect, it } from "vitest";
import { median, quantiles, type SeenBlock, throughput } from "./statistics.ts";

describe("quantiles", () => {
  it("are values that were measured, by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(quantiles(values)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  });

  it("of one value are that value, of none are zero", () => {
    expect(quantiles([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
    expect(quantiles([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });

  it("order numbers as numbers", () => {
    expect(quantiles([9, 100, 20]).p50).toBe(20);
  });
});

describe("median", () => {
  it("is the middle value, of an even number of them the mean of two, of none zero", () => {
    expect(median([30, 1, 2])).toBe(2);
    expect(median([9, 100, 20, 10])).toBe(15);
    expect(median([7])).toBe(7);
    expect(median([])).toBe(0);
  });
});

describe("throughput", () => {
  const block = (atMs: number, payloads: number, round = 0): SeenBlock => ({
    atMs,
    payloads,
    bytes: payloads * 1_000,
    round,
  });

  it("counts whole blocks over the time between the first and the last of the window", () => {
    const blocks = [block(900, 999), block(1_000, 10), block(1_500, 20, 1), block(2_000, 30)];
    const rates = throughput([...blocks, block(2_600, 999)], 1_000, 2_500);
    expect(rates).toMatchObject({
      seconds: 1,
      blocks: 2,
      payloads: 50,
      payloadsPerSecond: 50,
      megabytesPerSecond: 0.05,
      blocksPerSecond: 2,
      payloadsPerBlock: 25,
      blocksOfLaterRounds: 1,
    });
    expect(rates.intervalMs).toMatchObject({ count: 2, p50: 500, max: 500 });
  });

  it("is zero, not infinite, when a window has fewer than two blocks", () => {
    expect(throughput([block(10, 5)], 0, 100)).toMatchObject({
      payloads: 0,
      payloadsPerSecond: 0,
      blocksPerSecond: 0,
      payloadsPerBlock: 0,
    });
  });
});
