import { describe, expect, it } from "vitest";
import type { PhaseReport } from "../load/phase-report.ts";
import { medianFigures } from "./figures.ts";
import { ratios } from "./ratios.ts";
import { FULL, KEY, type Scenario, SHORT } from "./scenarios.ts";

function report(payloadsPerSecond: number, p50: number): PhaseReport {
  const quantiles = { count: 9, p50, p95: p50 * 2, p99: p50 * 3, max: p50 * 4 };
  return {
    load: "saturated",
    offeredPerSecond: undefined,
    throughput: {
      seconds: 2,
      blocks: 8,
      payloads: payloadsPerSecond * 2,
      payloadsPerSecond,
      megabytesPerSecond: 0,
      blocksPerSecond: 4,
      payloadsPerBlock: payloadsPerSecond / 4,
      intervalMs: quantiles,
      blocksOfLaterRounds: 0,
    },
    latencyMs: quantiles,
    refusals: { "mempool is full": 2, other: 1 },
    lost: 0,
    signedLate: 0,
    stale: 0,
    cpuMicrosPerPayload: 110,
    cpuMicrosPerPayloadOfValidators: 100,
    windowSeconds: 2,
    window: { fromMicros: 0, toMicros: 2e6 },
    processes: [
      { name: "validator-0", cpuSeconds: 1, residentBytes: 100 },
      { name: "validator-1", cpuSeconds: 2, residentBytes: 300 },
      { name: "generator", cpuSeconds: 0.5, residentBytes: 900 },
    ],
    foreignCpuSeconds: 0.2,
  };
}

function result(scenario: Scenario, rate: number, p50: number) {
  return { ...scenario, median: medianFigures([report(rate, p50)]) };
}

describe("medianFigures", () => {
  it("takes each figure's median by itself, the generator apart from the validators", () => {
    const median = medianFigures([report(100, 9), report(300, 1), report(200, 5)]);
    expect(median).toMatchObject({
      payloadsPerSecond: 200,
      latencyMs: { p50: 5, p95: 10, p99: 15 },
      validatorsCpuPerSecond: 1.5,
      generatorCpuPerSecond: 0.25,
      validatorsCpuMicros: 100,
      generatorCpuMicros: 10,
      residentBytesMax: 300,
      foreignCpuPerSecond: 0.1,
      refused: 3,
    });
  });
});

describe("ratios", () => {
  it("are ours by CometBFT's with its key-value application", () => {
    const all = ratios([
      result(KEY.kvstoreSingle, 1_000, 100),
      result(KEY.weftSingleWebSocket, 1_500, 80),
      result(KEY.weftSingle, 1_200, 80),
      result(KEY.weftBatch100, 12_000, 80),
      result(KEY.kvstoreLight, 900, 40),
      result(KEY.weftLightWebSocket, 900, 10),
    ]);
    expect(all).toMatchObject({ single: 1.5, batch100: 12, latency: 0.25, singleGrpc: 1.2 });
    expect(all.latencyLowRate).toBeUndefined();
  });

  it("are undefined, not infinite, when nothing was committed", () => {
    const all = ratios([result(KEY.kvstoreSingle, 0, 0), result(KEY.weftSingleWebSocket, 5, 5)]);
    expect(all.single).toBeUndefined();
  });
});

describe("scenarios", () => {
  it("have names of their own, and the short form has what the three ratios need", () => {
    expect(new Set(FULL.map(({ name }) => name)).size).toBe(FULL.length);
    const known = ratios(SHORT.map((one) => result(one, 1, 1)));
    expect([known.single, known.batch100, known.latency]).toEqual([1, 1, 1]);
  });
});
