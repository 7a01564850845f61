/** What one phase of load came to. */
import { createMeter, type Meter, type WindowUse } from "../measure/meter.ts";
import { type Quantiles, quantiles, throughput, type Throughput } from "../measure/statistics.ts";
import type { PhaseResult } from "./phase.ts";

/** Name of the process that makes the load, this one. */
export const GENERATOR = "generator";

/** Of validators, a process each, and of the generator. */
export function createNetworkMeter(
  validators: readonly { readonly name: string; readonly pid: number }[],
): Meter {
  return createMeter([
    ...validators.map(({ name, pid }) => ({ name, pids: [pid] })),
    { name: GENERATOR, pids: [process.pid] },
  ]);
}

export interface PhaseReport extends WindowUse {
  readonly load: "light" | "saturated";
  readonly offeredPerSecond: number | undefined;
  readonly throughput: Throughput;
  /** From submission until the validator that took it shows it in a block. */
  readonly latencyMs: Quantiles;
  readonly refusals: Readonly<Record<string, number>>;
  readonly lost: number;
  /** Signed while the window ran, at the cost of the system under test. */
  readonly signedLate: number;
  readonly stale: number;
  /** CPU time of validators and generator for one committed payload, µs. */
  readonly cpuMicrosPerPayload: number;
  readonly cpuMicrosPerPayloadOfValidators: number;
}

export function phaseReport(
  load: PhaseReport["load"],
  rate: number | undefined,
  result: PhaseResult,
  source: { readonly signedLate: number; readonly stale: number },
  use: WindowUse,
): PhaseReport {
  const { ledger, blocks, fromMs, toMs, lost } = result;
  const committed = blocks
    .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
    .reduce((sum, { payloads }) => sum + payloads, 0);
  const cpuMicros = (isCounted: (name: string) => boolean): number => {
    const counted = use.processes.filter(({ name }) => isCounted(name));
    const seconds = counted.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
    return committed === 0 ? 0 : (seconds * 1e6) / committed;
  };
  const inWindow = ledger.latencies.filter(
    ({ submittedMs, latencyMs }) =>
      submittedMs + latencyMs >= fromMs && submittedMs + latencyMs < toMs,
  );
  return {
    load,
    offeredPerSecond: rate,
    throughput: throughput(blocks, fromMs, toMs),
    latencyMs: quantiles(inWindow.map(({ latencyMs }) => latencyMs)),
    refusals: { ...ledger.refusals },
    lost,
    signedLate: source.signedLate,
    stale: source.stale,
    cpuMicrosPerPayload: cpuMicros(() => true),
    cpuMicrosPerPayloadOfValidators: cpuMicros((name) => name !== GENERATOR),
    ...use,
  };
}
