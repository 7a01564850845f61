/**
 * How many seeds it takes to find each deliberate fault:
 *
 *     npm run sim:mutations -- --seeds 500 --from 1           all of them; exits with 1 when one stays hidden
 *     npm run sim:mutations -- --seeds 500 --only no-lock     one
 *     npm run sim:mutations -- --regressions    those that take a mend back, each with its regression seed
 *     npm run sim:mutations -- --regressions --from 1 --seeds 60   finds new seeds for them
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { MUTATIONS } from "./mutations.ts";
import { REGRESSION_SEEDS } from "./regressions.ts";
import { LOST_PROCESS, type SeedResult } from "./seed-result.ts";
import { runPool } from "./worker-pool.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string" },
    jobs: { type: "string", default: String(Math.max(1, availableParallelism() - 1)) },
    only: { type: "string", multiple: true },
    regressions: { type: "boolean", default: false },
  },
});
const seeds = Number(values.seeds ?? (values.regressions ? 1 : 500));
const regressions = new Map(
  values.regressions ? REGRESSION_SEEDS.map(({ mutation, seed }) => [mutation, seed]) : [],
);
const chosen = MUTATIONS.filter(
  ({ name }) =>
    (values.only?.includes(name) ?? true) && (!values.regressions || regressions.has(name)),
);
const hidden: string[] = [];
for (const { name, fault } of chosen) {
  const from = Number(values.from ?? regressions.get(name) ?? 1);
  const found = await firstFailure(name, from);
  if (found === undefined) hidden.push(name);
  const what =
    found === undefined
      ? `NOT FOUND in ${seeds} seeds`
      : `found by seed ${found.seed}, the ${found.seed - from + 1}. of them: ${found.failure?.slice(0, 160) ?? ""}`;
  process.stdout.write(`${name} (${fault}): ${what}\n`);
}
process.stdout.write(
  `${chosen.length - hidden.length} of ${chosen.length} mutations found, within ${seeds} seeds each\n`,
);
process.exit(hidden.length === 0 && chosen.length > 0 ? 0 : 1);

async function firstFailure(mutation: string, from: number): Promise<SeedResult | undefined> {
  let found: SeedResult | undefined;
  await runPool(
    {
      from,
      seeds,
      jobs: Number(values.jobs),
      workerPath: new URL("mutant-worker.js", import.meta.url),
      workerArguments: values.regressions ? [mutation, mutation] : [mutation],
      isEnough: () => found !== undefined,
    },
    (result) => {
      if (result.failure?.startsWith(LOST_PROCESS) === true) {
        throw new Error(`the process of ${mutation} ended: the mutant is none (see above)`);
      }
      if (result.failure !== undefined) found ??= result;
    },
  );
  return found;
}
