/** A process of the pool: a seed comes in, its result goes out, until the parent is gone. */
import { REGRESSION_SEEDS } from "./regressions.ts";
import { runSeed } from "./run-seed.ts";

/** Named when the seeds are run with the changes of a regression. */
const regression = REGRESSION_SEEDS.find(({ mutation }) => mutation === process.argv[3]);

process.on("message", (message) => {
  runSeed(Number(message), undefined, regression?.changes).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
