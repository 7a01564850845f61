/** Figures of one scenario, and the ratios between scenarios. Pure. */
import { GENERATOR, type PhaseReport } from "../load/phase-report.ts";
import { median } from "../measure/statistics.ts";

export interface Figures {
  /** Committed payloads of 256 bytes per second. */
  readonly payloadsPerSecond: number;
  readonly blocksPerSecond: number;
  /** From submission to the block's arrival at the client, ms. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** CPU seconds of all validators and of the generator for each second of the window. */
  readonly validatorsCpuPerSecond: number;
  readonly generatorCpuPerSecond: number;
  /** For one committed payload, µs. */
  readonly validatorsCpuMicros: number;
  readonly generatorCpuMicros: number;
  /** Of the largest validator. */
  readonly residentBytesMax: number;
  /** CPU seconds of everything else on the machine for each second of the window. */
  readonly foreignCpuPerSecond: number;
  readonly refused: number;
  readonly lost: number;
}

/** The median of each figure by itself. */
export function medianFigures(reports: readonly PhaseReport[]): Figures {
  const all = reports.map(figures);
  const of = (value: (figures: Figures) => number): number => median(all.map(value));
  return {
    payloadsPerSecond: of((one) => one.payloadsPerSecond),
    blocksPerSecond: of((one) => one.blocksPerSecond),
    latencyMs: {
      p50: of((one) => one.latencyMs.p50),
      p95: of((one) => one.latencyMs.p95),
      p99: of((one) => one.latencyMs.p99),
    },
    validatorsCpuPerSecond: of((one) => one.validatorsCpuPerSecond),
    generatorCpuPerSecond: of((one) => one.generatorCpuPerSecond),
    validatorsCpuMicros: of((one) => one.validatorsCpuMicros),
    generatorCpuMicros: of((one) => one.generatorCpuMicros),
    residentBytesMax: of((one) => one.residentBytesMax),
    foreignCpuPerSecond: of((one) => one.foreignCpuPerSecond),
    refused: of((one) => one.refused),
    lost: of((one) => one.lost),
  };
}

function figures(report: PhaseReport): Figures {
  const { throughput, latencyMs, processes, windowSeconds } = report;
  const isGenerator = ({ name }: { readonly name: string }): boolean => name === GENERATOR;
  const cpu = (these: PhaseReport["processes"]): number =>
    these.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  const validators = processes.filter((one) => !isGenerator(one));
  return {
    payloadsPerSecond: throughput.payloadsPerSecond,
    blocksPerSecond: throughput.blocksPerSecond,
    latencyMs: { p50: latencyMs.p50, p95: latencyMs.p95, p99: latencyMs.p99 },
    validatorsCpuPerSecond: cpu(validators) / windowSeconds,
    generatorCpuPerSecond: cpu(processes.filter(isGenerator)) / windowSeconds,
    validatorsCpuMicros: report.cpuMicrosPerPayloadOfValidators,
    generatorCpuMicros: report.cpuMicrosPerPayload - report.cpuMicrosPerPayloadOfValidators,
    residentBytesMax: Math.max(...validators.map(({ residentBytes }) => residentBytes)),
    foreignCpuPerSecond: report.foreignCpuSeconds / windowSeconds,
    refused: Object.values(report.refusals).reduce((sum, count) => sum + count, 0),
    lost: report.lost,
  };
}
