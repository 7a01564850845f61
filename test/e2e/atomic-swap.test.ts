/** Swaps across two rollups on a live network: both sides or neither, whatever executors do. */
import { expect, it } from "vitest";
import { runSwaps } from "../atomic-swaps/run.ts";

it("behavior: no swap ever happens on one side alone, whoever is killed, late, or says two things", async () => {
  const report = await runSwaps({ swaps: 24, seed: 7 });
  expect(report.swaps).toBe(24);
  expect(report.byFate.good.COMMITTED).toBeGreaterThan(5);
  expect(report.byFate.late.TIMEOUT).toBeGreaterThan(0);
  expect(report.lateVotes).toBeGreaterThan(0);
  const killed = Object.values(report.executorsKilled).reduce((sum, count) => sum + count, 0);
  expect(killed).toBeGreaterThan(1);
  expect(report.executorsWiped).toBe(1);
  expect(report.validatorsKilled).toBe(1);
  expect(report.isLiarSlashed).toBe(true);
  expect(report.honestSlashed).toBe(0);
});
