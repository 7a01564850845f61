import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rollupBpsOf, splitRevenue } from "./ledger.ts";

const AMOUNT = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
const BPS = fc.integer({ min: 0, max: 10_000 });

describe("the split of revenue", () => {
  test("property: parts are never negative and sum to the amount; each is what it should be, rounded down", () => {
    fc.assert(
      fc.property(AMOUNT, BPS, BPS, BPS, (amount, rollupBps, proposerBps, communityBps) => {
        const split = splitRevenue(amount, { rollupBps, proposerBps, communityBps });
        const { rollup, proposer, community, stakers } = split;
        for (const part of Object.values(split)) expect(part).toBeGreaterThanOrEqual(0n);
        expect(rollup + proposer + community + stakers).toBe(amount);
        expect(rollup).toBe((amount * BigInt(rollupBps)) / 10_000n);
        const proposerOf = Math.min(proposerBps, 10_000 - rollupBps);
        expect(proposer).toBe((amount * BigInt(proposerOf)) / 10_000n);
      }),
      { numRuns: 2_000 },
    );
  });

  test("behavior: 80% to the rollup by default, 15% to stakers, 3% to the proposer, 2% and the dust to the community", () => {
    const terms = { rollupBps: 8_000, proposerBps: 300, communityBps: 200 };
    expect(splitRevenue(10_000n, terms)).toEqual({
      rollup: 8_000n,
      proposer: 300n,
      community: 200n,
      stakers: 1_500n,
    });
    expect(splitRevenue(9_999n, terms)).toEqual({
      rollup: 7_999n,
      proposer: 299n,
      community: 202n,
      stakers: 1_499n,
    });
    expect(splitRevenue(1n, terms).community).toBe(1n);
  });

  test("behavior: where a rollup takes nearly all, the community's part shrinks first, then the proposer's, then there is none", () => {
    const terms = { proposerBps: 300, communityBps: 200 };
    const of = (rollupBps: number) => splitRevenue(10_000n, { ...terms, rollupBps });
    expect(of(9_600)).toMatchObject({ proposer: 300n, community: 100n, stakers: 0n });
    expect(of(9_900)).toMatchObject({ proposer: 100n, community: 0n, stakers: 0n });
    expect(of(10_000)).toMatchObject({ rollup: 10_000n, proposer: 0n, community: 0n, stakers: 0n });
  });

  test("behavior: a policy gets what it asks for, at least half; without a word the parameter", () => {
    expect(rollupBpsOf(0, 8_000)).toBe(8_000);
    expect(rollupBpsOf(1, 8_000)).toBe(5_000);
    expect(rollupBpsOf(9_000, 8_000)).toBe(9_000);
  });
});
