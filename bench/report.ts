/** What a run prints. */
import { arch, cpus, platform, release, totalmem } from "node:os";
import type { Calibration } from "./measure/calibration.ts";
import type { ProfileSummary } from "./measure/cpu-profile.ts";
import type { Quantiles } from "./measure/statistics.ts";
import type { ReferenceReport } from "./reference/pipeline.ts";
import { LOOP_BOUND, type ModeReport, type NetworkPhaseReport } from "./run.ts";

export interface BenchReport {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly startedAt: string;
  readonly validators: number;
  readonly ingress: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly calibrationBefore: Calibration;
  readonly calibrationAfter: Calibration;
  readonly references: readonly ReferenceReport[];
  readonly modes: readonly ModeReport[];
  readonly profile: ProfileSummary | undefined;
}

export function machine(): BenchReport["machine"] {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

export function printReport(report: BenchReport): void {
  const { machine: on, calibrationBefore: before, calibrationAfter: after } = report;
  print(
    `${on["cores"]} × ${on["cpu"]}, ${on["memoryGib"]} GiB, ${on["system"]}, Node ${on["node"]}`,
  );
  print(`calibration before  ${calibrationLine(before)}`);
  print(`calibration after   ${calibrationLine(after)}`);
  print(
    `${report.validators} validators, a process each; submissions to ${report.ingress}; ${LOOP_BOUND}`,
  );
  print(`configuration: ${JSON.stringify(report.config)}`);
  for (const { sealing, throughput: rates, cpuMicrosPerTx } of report.references) {
    print(
      `reference pipeline, ${sealing} frames: ${whole(rates.payloadsPerSecond)} tx/s, ${fixed(rates.megabytesPerSecond)} MB/s, ${fixed(rates.blocksPerSecond)} blocks/s, interval p50 ${fixed(rates.intervalMs.p50)} ms, ${fixed(cpuMicrosPerTx)} µs CPU per tx`,
    );
  }
  for (const mode of report.modes) {
    for (const phase of mode.phases) printPhase(mode, phase, report.references);
  }
  if (report.profile !== undefined) printProfile(report.profile, "saturated windows");
}

export function printProfile(profile: ProfileSummary, windows: string): void {
  printHot(`by function, validators together, ${windows}`, profile.self);
  printHot("by the function of ours that called it", profile.own);
}

function printPhase(
  { mode, payloadsPerItem }: ModeReport,
  phase: NetworkPhaseReport,
  references: readonly ReferenceReport[],
): void {
  const { throughput: rates, latencyMs, intervalMs } = { ...phase, ...phase.throughput };
  const load =
    phase.offeredPerSecond === undefined
      ? "saturated"
      : `${whole(phase.offeredPerSecond)} tx/s offered`;
  print(`\n${mode} (${payloadsPerItem} per signed submission), ${load}, ${fixed(rates.seconds)} s`);
  print(
    `  committed   ${whole(rates.payloadsPerSecond)} tx/s   ${fixed(rates.megabytesPerSecond)} MB/s   ${fixed(rates.blocksPerSecond)} blocks/s   ${whole(rates.payloadsPerBlock)} tx/block   ${rates.blocksOfLaterRounds} of ${rates.blocks} blocks in later rounds`,
  );
  if (phase.offeredPerSecond === undefined) {
    for (const { sealing, throughput, cpuMicrosPerTx } of references) {
      const ratio = rates.payloadsPerSecond / throughput.payloadsPerSecond;
      const cpuRatio = cpuMicrosPerTx / phase.cpuMicrosPerPayload;
      print(
        `  ratio       ${ratio.toFixed(2)} of the reference pipeline's rate, ${cpuRatio.toFixed(2)} by CPU time (${sealing} frames)`,
      );
    }
  }
  print(`  interval    ${quantileLine(intervalMs)}`);
  print(`  latency     ${quantileLine(latencyMs)}   n ${latencyMs.count}`);
  const refusals = Object.entries(phase.refusals).map(([reason, n]) => `${reason} ${n}`);
  print(
    `  refused     ${refusals.length === 0 ? "none" : refusals.join(", ")}; lost ${phase.lost}; stale ${phase.stale}; signed during the window ${phase.signedLate}`,
  );
  const traffic = Object.entries(phase.trafficPerByte)
    .filter(([, times]) => times >= 0.05)
    .map(([type, times]) => `${type} ${times.toFixed(1)}`);
  print(`  traffic     bytes between validators per committed byte: ${traffic.join(", ")}`);
  const uses = phase.processes.map(
    ({ name, cpuSeconds, residentBytes }) =>
      `${name} ${cpuSeconds.toFixed(2)} s ${whole(residentBytes / 2 ** 20)} MiB`,
  );
  print(
    `  CPU per tx  ${fixed(phase.cpuMicrosPerPayload)} µs, ${fixed(phase.cpuMicrosPerPayloadOfValidators)} µs of it in validators`,
  );
  print(
    `  CPU, memory ${uses.join("; ")}; others ${phase.foreignCpuSeconds.toFixed(2)} s in ${fixed(phase.windowSeconds)} s`,
  );
}

function printHot(title: string, functions: ProfileSummary["self"]): void {
  print(`\n${title}`);
  for (const { where, ms, share } of functions) {
    print(`  ${(share * 100).toFixed(1).padStart(5)} %  ${whole(ms).padStart(8)} ms  ${where}`);
  }
}

function calibrationLine(at: Calibration): string {
  return `ed25519 ${whole(at.verifySodiumPerSecond)}/s (sodium) ${whole(at.verifyOpensslPerSecond)}/s (openssl)   sha256 ${whole(at.sha256MegabytesPerSecond)} MB/s   fdatasync p50 ${at.fdatasyncP50Ms.toFixed(2)} ms`;
}

function quantileLine({ p50, p95, p99, max }: Quantiles): string {
  return `p50 ${fixed(p50)}   p95 ${fixed(p95)}   p99 ${fixed(p99)}   max ${fixed(max)} ms`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
