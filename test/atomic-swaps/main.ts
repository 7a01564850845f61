/**
 * Atomic swaps between two rollups on a live network, with faults.
 *
 *     npm run atomic:swaps -- --swaps 1000 --seed 1
 *
 * Prints what came of them. Exits with 1, and says why, when a swap has happened on one side alone, or nodes differ.
 */
import { parseArgs } from "node:util";
import { runSwaps } from "./run.ts";

const { values } = parseArgs({
  options: {
    swaps: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    concurrency: { type: "string", default: "6" },
    "block-ms": { type: "string", default: "400" },
    "control-per-signer": { type: "string", default: "8" },
  },
});

const started = performance.now();
const print = (line: string): void => {
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  process.stdout.write(`${seconds.padStart(6)}  ${line}\n`);
};
try {
  const report = await runSwaps({
    swaps: Number(values.swaps),
    seed: Number(values.seed),
    concurrency: Number(values.concurrency),
    blockMs: Number(values["block-ms"]),
    controlPerSigner: Number(values["control-per-signer"]),
    log: print,
  });
  print("all that was to hold holds");
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  process.exit((report.isLiarSlashed || report.swaps < 20) && report.honestSlashed === 0 ? 0 : 1);
} catch (error) {
  print(error instanceof Error ? `${error.message}\n${error.stack}` : String(error));
  print(`again: npm run atomic:swaps -- --swaps ${values.swaps} --seed ${values.seed}`);
  process.exit(1);
}
