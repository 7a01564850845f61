import { describe, expect, test } from "vitest";
import { REGRESSION_SEEDS } from "./regressions.ts";
import { simulate } from "./simulation.ts";

/** Few, because `npm run check` waits for them; swarms run by `npm run sim`. */
const SEEDS = [1, 5, 13, 16, 22];

describe("simulator", () => {
  test.each(SEEDS)("seed %i holds", async (seed) => {
    const { failure, height } = await simulate(seed);
    expect(failure, `again: npm run sim -- --seeds 1 --from ${seed} --log`).toBeUndefined();
    expect(height).toBeGreaterThan(3);
  });

  test.each(REGRESSION_SEEDS)("seed $seed holds, which failed: $fault", async ({ seed }) => {
    const { failure } = await simulate(seed);
    expect(failure, `again: npm run sim -- --seeds 1 --from ${seed} --log`).toBeUndefined();
  });

  test("the same seed takes the same course", async () => {
    const [first, second, other] = [await simulate(13), await simulate(13), await simulate(16)];
    expect(second).toEqual(first);
    expect(other?.digest).not.toBe(first?.digest);
  });
});
