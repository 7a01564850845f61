/**
 * The simulator's command line.
 *
 *     npm run sim -- --seeds 200 --from 1     many seeds; exits with 1 when one failed
 *     npm run sim -- --seeds 1 --from 42 --log    one seed again, with what its nodes log
 */
import { parseArgs } from "node:util";
import type { Logger, LogFields } from "../../sequencer/ports/logger.ts";
import { assertNothingOutside, forbidOutsideWorld } from "./determinism.ts";
import { simulate, type SimulationReport } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    log: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const seeds = positive("--seeds", values.seeds);
const from = positive("--from", values.from);

const totals = new Map<string, number>();
let failed = 0;
let heights = 0;
let events = 0;
let virtualMs = 0;
let slowestMs = 0;
const now = performance.now.bind(performance);
const startMs = now();
forbidOutsideWorld();
for (let seed = from; seed < from + seeds; seed++) {
  const report = await simulate(seed, {
    assertAlone: assertNothingOutside,
    ...(values.log ? { logger: printingLogger } : {}),
  });
  for (const [kind, count] of report.faults) totals.set(kind, (totals.get(kind) ?? 0) + count);
  heights += report.height;
  events += report.events;
  virtualMs += report.virtualMs;
  slowestMs = Math.max(slowestMs, report.recoveryMs);
  print(lineOf(report));
  if (report.failure === undefined) continue;
  failed += 1;
  print(`  ${report.failure}`);
  print(`  again: npm run sim -- --seeds 1 --from ${seed} --log`);
}
const seconds = Math.round((now() - startMs) / 1_000);
print(`faults: ${listOf(totals)}`);
print(
  `${events} events, ${heights} heights, ${Math.round(virtualMs / 60_000)} virtual minutes in ${seconds} s; slowest recovery ${Math.round(slowestMs / 1_000)} virtual s`,
);
print(`${seeds - failed} of ${seeds} seeds held`);
process.exit(failed === 0 ? 0 : 1);

function lineOf(report: SimulationReport): string {
  const { seed, options, height, txCount, evidenceCount, failure, digest } = report;
  const byzantine = [...options.byzantine.values()].map((kinds) => kinds.join("+")).join(", ");
  const parts = [
    `seed ${seed} ${failure === undefined ? "held" : "FAILED"}`,
    `${options.powers.length} validators${options.fullNodes > 0 ? " + 1" : ""}`,
    byzantine === "" ? "none byzantine" : `byzantine ${byzantine}`,
    `height ${height}`,
    `${txCount} items`,
    `${evidenceCount} evidence`,
    `${report.events} events`,
    `${Math.round(report.virtualMs / 1_000)} virtual s`,
    `recovered in ${(report.recoveryMs / 1_000).toFixed(1)} s`,
    `state ${digest.slice(0, 16)}`,
  ];
  if (values.verbose) parts.push(`faults: ${listOf(report.faults)}`);
  return parts.join(" | ");
}

function listOf(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([kind, count]) => `${kind} ${count}`).join(", ");
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
