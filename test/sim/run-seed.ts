/** One seed in a process that does nothing else. */
import { assertNothingOutside, forbidOutsideWorld } from "./determinism.ts";
import { seedResult, type SeedResult } from "./seed-result.ts";
import { simulate, type SimulationDependencies } from "./simulation.ts";

let isAlone = false;

export async function runSeed(
  seed: number,
  logger: SimulationDependencies["logger"],
): Promise<SeedResult> {
  if (!isAlone) forbidOutsideWorld();
  isAlone = true;
  const before = process.cpuUsage();
  const report = await simulate(seed, {
    assertAlone: assertNothingOutside,
    ...(logger === undefined ? {} : { logger }),
  });
  const { user, system } = process.cpuUsage(before);
  return seedResult(report, (user + system) / 1_000);
}
