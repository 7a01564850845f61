/** A process of the pool: a seed comes in, its result goes out, until the parent is gone. */
import { runSeed } from "./run-seed.ts";

process.on("message", (message) => {
  runSeed(Number(message), undefined).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
