/**
 * `npm run fuzz -- --inputs N --seed S [--target NAME] [--jobs J] [--live C]`: N inputs in all, shared out
 * over the targets by weight and over J processes, then C hostile connections to a live switch. Prints a
 * line per target, then the findings; exit 1 when there are any.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fuzz, type FuzzReport } from "./fuzzer.ts";
import { fuzzSwitch } from "./live-switch.ts";
import { TARGETS } from "./registry.ts";
import type { Target } from "./target.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
    jobs: { type: "string", default: "1" },
    /** Connections to a live switch; 0: none. */
    live: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    worker: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  // Most inputs end in an error, and most of its cost is the stack that nobody reads.
  Error.stackTraceLimit = 4;
  const [inputs, seed, jobs] = [Number(values.inputs), Number(values.seed), Number(values.jobs)];
  const targets = TARGETS.filter(
    ({ name }) => values.target === undefined || name.includes(values.target),
  );
  if (!Number.isSafeInteger(inputs) || !Number.isSafeInteger(seed) || targets.length === 0) {
    console.log(
      `usage: fuzz --inputs N --seed S [--target NAME] [--jobs J] [--live C]; targets:\n${TARGETS.map(({ name }) => `  ${name}`).join("\n")}`,
    );
    process.exitCode = 2;
    return;
  }
  const reports =
    values.worker || jobs <= 1
      ? await runTargets(targets, inputs, seed, values.worker ? () => {} : printReport)
      : await runJobs(jobs, inputs, seed);
  if (values.worker) {
    process.send?.(reports);
    return;
  }
  if (jobs > 1) for (const report of reports) printReport(report);
  await live(Number(values.live), seed);
  printFindings(reports);
}

async function runTargets(
  targets: readonly Target[],
  inputs: number,
  seed: number,
  onReport: (report: FuzzReport) => void,
): Promise<readonly FuzzReport[]> {
  const total = targets.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const reports: FuzzReport[] = [];
  for (const target of targets) {
    const share = Math.ceil((inputs * (target.weight ?? 1)) / total);
    const report = await fuzz(target, { inputs: share, seed, isTimed: true });
    reports.push(report);
    onReport(report);
  }
  return reports;
}

/** Every job does its share of every target, with a seed of its own. */
async function runJobs(jobs: number, inputs: number, seed: number): Promise<readonly FuzzReport[]> {
  const all = await Promise.all(
    Array.from({ length: jobs }, (_, i) => {
      const args = [
        "--worker",
        "--inputs",
        String(Math.ceil(inputs / jobs)),
        "--seed",
        String(seed * 1_000 + i),
      ];
      if (values.target !== undefined) args.push("--target", values.target);
      const child = fork(fileURLToPath(import.meta.url), args);
      return new Promise<readonly FuzzReport[]>((resolve, reject) => {
        child.once("message", (reports) => resolve(reports as readonly FuzzReport[]));
        child.once("exit", (code) =>
          reject(new Error(`job ${i} ended with exit code ${String(code)}`)),
        );
      });
    }),
  );
  const merged = new Map<string, FuzzReport>();
  for (const report of all.flat()) {
    const other = merged.get(report.target);
    merged.set(report.target, other === undefined ? report : merge(other, report));
  }
  return [...merged.values()];
}

function merge(a: FuzzReport, b: FuzzReport): FuzzReport {
  const slowest = a.slowestMs > b.slowestMs ? a : b;
  return {
    target: a.target,
    inputs: a.inputs + b.inputs,
    accepted: a.accepted + b.accepted,
    verdicts: Math.max(a.verdicts, b.verdicts),
    slowestMs: slowest.slowestMs,
    slowestBytes: slowest.slowestBytes,
    seconds: a.seconds + b.seconds,
    findings: [...a.findings, ...b.findings],
  };
}

async function live(connections: number, seed: number): Promise<void> {
  if (connections === 0) return;
  const report = await fuzzSwitch({ connections, seed, isTimed: true });
  const { inputs, blocks, stallMs, heapGrowthBytes } = report;
  console.log(
    `live switch: ${report.connections} connections, ${inputs} inputs, ${blocks} blocks decided meanwhile, ` +
      `longest hold of the loop ${stallMs.toFixed(1)} ms of CPU, heap +${heapGrowthBytes} bytes`,
  );
  if (report.faults.length > 0) {
    console.log(report.faults.join("\n"));
    process.exitCode = 1;
  }
}

function printReport(report: FuzzReport): void {
  const { target, inputs, accepted, verdicts, slowestMs, slowestBytes, seconds, findings } = report;
  const share = ((100 * accepted) / Math.max(1, inputs)).toFixed(0);
  const found = findings.length === 0 ? "" : `  ${findings.length} FOUND`;
  console.log(
    `${target.padEnd(40)} ${String(inputs).padStart(9)}  ${share.padStart(3)}% accepted  ${String(verdicts).padStart(4)} answers` +
      `  slowest ${slowestMs.toFixed(2)} ms (${slowestBytes} bytes)  ${seconds.toFixed(1)} s${found}`,
  );
}

function printFindings(reports: readonly FuzzReport[]): void {
  const findings = reports.flatMap((report) => report.findings);
  for (const { target, kind, message, inputHex } of findings) {
    console.log(`\n${target}: ${kind}: ${message}\n  ${inputHex.slice(0, 400)}`);
  }
  const inputs = reports.reduce((sum, report) => sum + report.inputs, 0);
  console.log(`\n${inputs} inputs, ${findings.length} findings, seed ${values.seed}`);
  if (values.json) console.log(JSON.stringify(findings));
  if (findings.length > 0) process.exitCode = 1;
}

await main();
