/**
 * The simulator's command line.
 *
 *     npm run sim -- --seeds 200 --from 1     many seeds; exits with 1 when one failed
 *     npm run sim -- --seeds 1 --from 42 --log    one seed again, with what its nodes log
 *     npm run sim -- --seeds 50 --sealed       those with sealed transactions alone, one in eight
 *     npm run sim -- --seeds 50 --mev          those about bundles and inclusion lists alone, one in sixteen
 *     npm run sim -- --seeds 50 --atomic       those about atomic execution alone, one in sixteen
 *
 * `--jobs` processes work at once; lines come in the order of the seeds all the same.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Logger, LogFields } from "../../sequencer/ports/logger.ts";
import {
  ATOMIC_EVERY_SEEDS,
  ATOMIC_SEED_REMAINDER,
  JOBS_MAX,
  MEV_EVERY_SEEDS,
  MEV_SEED_REMAINDER,
  SEALED_EVERY_SEEDS,
} from "./limits.ts";
import { runSeed } from "./run-seed.ts";
import { seedLine, SwarmTotals, type SeedResult } from "./seed-result.ts";
import { runPool } from "./worker-pool.ts";

const PROGRESS_EVERY_SEEDS = 100;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: String(Math.max(1, availableParallelism() - 1)) },
    sealed: { type: "boolean", default: false },
    mev: { type: "boolean", default: false },
    atomic: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const seeds = positive("--seeds", values.seeds);
const [step, remainder] = values.atomic
  ? [ATOMIC_EVERY_SEEDS, ATOMIC_SEED_REMAINDER]
  : values.mev
    ? [MEV_EVERY_SEEDS, MEV_SEED_REMAINDER]
    : values.sealed
      ? [SEALED_EVERY_SEEDS, SEALED_EVERY_SEEDS - 1]
      : [1, 0];
const wished = positive("--from", values.from);
const from = wished + ((((remainder - wished) % step) + step) % step);
const jobs = Math.min(positive("--jobs", values.jobs), JOBS_MAX);

const totals = new SwarmTotals();
const now = performance.now.bind(performance);
const startMs = now();
if (values.log) {
  for (let seed = from; seed < from + seeds * step; seed += step) {
    tell(await runSeed(seed, printingLogger));
  }
} else {
  await runPool(
    { from, seeds, step, jobs, workerPath: new URL("worker.js", import.meta.url) },
    tell,
  );
}
for (const line of totals.lines(seconds())) print(line);
print(`${totals.seeds - totals.failed} of ${seeds} seeds held`);
process.exit(totals.failed === 0 && totals.seeds === seeds ? 0 : 1);

function tell(result: SeedResult): void {
  totals.add(result);
  print(seedLine(result, values.verbose));
  if (result.failure !== undefined) {
    print(`  ${result.failure}`);
    print(`  again: npm run sim -- --seeds 1 --from ${result.seed} --log`);
  }
  if (totals.seeds % PROGRESS_EVERY_SEEDS !== 0 || totals.seeds === seeds) return;
  print(`-- ${totals.seeds} of ${seeds} seeds run in ${seconds()} s, ${totals.failed} failed --`);
}

function seconds(): number {
  return Math.round((now() - startMs) / 1_000);
}

function printingLogger(node: string, nowMs: () => number): Logger {
  const write = (level: string) => (message: string, fields?: LogFields) => {
    const text = Object.entries(fields ?? {})
      .map(([key, value]) => `${key}=${String(value)}`)
      .join(" ");
    print(`${nowMs().toFixed(2).padStart(10)} ${node} ${level} ${message} ${text}`);
  };
  const logger: Logger = {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    child: () => logger,
  };
  return logger;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  process.stderr.write(`${name} is a positive whole number, got ${text}\n`);
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
