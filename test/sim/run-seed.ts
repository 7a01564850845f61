/** One seed in a process that does nothing else. */
import { assertNothingOutside, forbidOutsideWorld } from "./determinism.ts";
import { seedResult, type SeedResult } from "./seed-result.ts";
import type { SwarmOptions } from "./swarm.ts";
import { simulate, type SimulationDependencies } from "./simulation.ts";

let isAlone = false;

export async function runSeed(
  seed: number,
  logger: SimulationDependencies["logger"],
  changes: Partial<SwarmOptions> = {},
): Promise<SeedResult> {
  if (!isAlone) forbidOutsideWorld();
  isAlone = true;
  const before = process.cpuUsage();
  const dependencies = {
    assertAlone: assertNothingOutside,
    ...(logger === undefined ? {} : { logger }),
  };
  const report = await simulate(seed, dependencies, changes);
  const { user, system } = process.cpuUsage(before);
  return seedResult(report, (user + system) / 1_000);
}
