/** Swaps across two rollups on a live network: both sides or neither, whatever executors do. */
import { expect, it } from "vitest";
import { runSwaps } from "../atomic-swaps/run.ts";

it("behavior: no swap ever happens on one side alone, and who votes twice loses the bond", async () => {
  const report = await runSwaps({ swaps: 24, seed: 7 });
  expect(report.swaps).toBe(24);
  expect(report.byFate.good.committed).toBeGreaterThan(5);
  expect(report.byFate).toMatchObject({
    poor: { committed: 0 },
    unread: { committed: 0 },
    few: { committed: 0 },
  });
  expect(report.aborted).toBeGreaterThan(0);
  expect(report.executorsStopped).toBeGreaterThan(0);
  expect(report.isLiarSlashed).toBe(true);
});
