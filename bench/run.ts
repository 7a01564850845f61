/** The network benchmark: each mode at light load, then saturated, against one running network. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ACCOUNTS,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_ITEMS_MAX,
  PAYLOAD_BYTES,
  SIGNED_BYTES_MAX,
  WARMUP_MS,
} from "./limits.ts";
import { createItemSource } from "./load/item-source.ts";
import { openPhase, type PhaseResult } from "./load/phase.ts";
import { type Mode, MODES } from "./load/shape.ts";
import { createSigner } from "./load/signer.ts";
import { type ProcessUse, readMachineCpuSeconds, readProcess } from "./measure/processes.ts";
import { receivedBytes } from "./measure/prometheus.ts";
import { type Quantiles, quantiles, throughput, type Throughput } from "./measure/statistics.ts";
import type { ProfileWindow } from "./measure/cpu-profile.ts";
import type { BenchNetwork } from "./network.ts";

export interface RunOptions {
  readonly modes: readonly Mode[];
  readonly seconds: number;
  /** Payloads per second of the light phase; 0: no light phase. */
  readonly rate: number;
  readonly ingress: "one" | "all";
}

/** Use of one process during a window. */
export interface ProcessReport {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export interface PhaseReport {
  readonly load: "light" | "saturated";
  readonly offeredPerSecond: number | undefined;
  readonly throughput: Throughput;
  /** From submit to the block on the stream of the validator that took the submission. */
  readonly latencyMs: Quantiles;
  readonly refusals: Readonly<Record<string, number>>;
  readonly lost: number;
  /** Signed while the window ran, at the cost of the system under test. */
  readonly signedLate: number;
  readonly stale: number;
  /** Bytes that validators received from each other for each committed byte, by kind of message. */
  readonly trafficPerByte: Readonly<Record<string, number>>;
  readonly windowSeconds: number;
  readonly window: ProfileWindow;
  readonly processes: readonly ProcessReport[];
  /** CPU time of validators and generator for one committed payload, µs. */
  readonly cpuMicrosPerPayload: number;
  readonly cpuMicrosPerPayloadOfValidators: number;
  /** CPU seconds of everything else on the machine during the window. */
  readonly foreignCpuSeconds: number;
}

export interface ModeReport {
  readonly mode: Mode;
  readonly payloadsPerItem: number;
  readonly phases: readonly PhaseReport[];
}

/** Signed ahead for so many payloads per second: more than any run has reached. */
const READY_PER_SECOND: Readonly<Record<Mode, number>> = {
  single: 14_000,
  batch100: 120_000,
  batch1000: 160_000,
};
const GENERATOR = "generator";
const SIGNING_THREADS = 2;
/** Time for the chain to settle after the network's start. */
const SETTLE_MS = 500;
/** Load that is not reported, so that the first mode does not pay for the compiler. */
const WARMING_SECONDS = 2;

export async function runModes(
  network: BenchNetwork,
  options: RunOptions,
  progress: (text: string) => void,
): Promise<readonly ModeReport[]> {
  await sleep(SETTLE_MS);
  progress("warming up");
  await runPhase(
    network,
    { ...options, seconds: WARMING_SECONDS },
    "single",
    "saturated",
    () => {},
  );
  const reports: ModeReport[] = [];
  for (const mode of options.modes) {
    const payloadsPerItem = MODES[mode];
    const phases: PhaseReport[] = [];
    if (options.rate > 0) phases.push(await runPhase(network, options, mode, "light", progress));
    phases.push(await runPhase(network, options, mode, "saturated", progress));
    reports.push({ mode, payloadsPerItem, phases });
  }
  return reports;
}

async function runPhase(
  network: BenchNetwork,
  options: RunOptions,
  mode: Mode,
  load: PhaseReport["load"],
  progress: (text: string) => void,
): Promise<PhaseReport> {
  const payloadsPerItem = MODES[mode];
  const rate = load === "light" ? options.rate : undefined;
  const warmupMs = load === "light" ? WARMUP_MS / 4 : WARMUP_MS;
  const windowMs = options.seconds * 1_000;
  const addresses = network.validators
    .slice(0, options.ingress === "one" ? 1 : undefined)
    .map(({ grpc }) => grpc);
  const phase = await openPhase({ addresses, payloadsPerItem, rate, warmupMs, windowMs });
  const signer = createSigner(
    { chainId: network.chainId, payloadsPerItem, payloadBytes: PAYLOAD_BYTES, accounts: ACCOUNTS },
    SIGNING_THREADS,
  );
  try {
    const perSecond = rate ?? READY_PER_SECOND[mode];
    const items = Math.ceil((perSecond * (warmupMs + windowMs)) / 1_000 / payloadsPerItem) + 2;
    const itemsMax = Math.floor(SIGNED_BYTES_MAX / (payloadsPerItem * PAYLOAD_BYTES));
    const refill = Math.max(1, Math.ceil(perSecond / 4 / payloadsPerItem));
    const source = createItemSource(signer, () => phase.height(), refill);
    progress(`${mode} ${load}: signing`);
    await source.fill(Math.min(items, itemsMax));
    progress(`${mode} ${load}: running`);
    const meter = createMeter(network);
    const urls = network.validators.map(({ metricsUrl }) => metricsUrl);
    // Over the whole phase, its warm-up and its end: nothing is under way at either edge.
    const before = await receivedBytes(urls);
    const running = phase.run(source, (edge) => meter.edge(edge));
    const result = await Promise.race([running, network.failed]);
    const after = await receivedBytes(urls);
    const committedBytes = result.ledger.committedPayloads * PAYLOAD_BYTES;
    const trafficPerByte = Object.fromEntries(
      Object.entries(after).map(([type, bytes]) => [
        type,
        committedBytes > 0 ? (bytes - (before[type] ?? 0)) / committedBytes : 0,
      ]),
    );
    return { ...report(load, rate, result, source, meter.read()), trafficPerByte };
  } finally {
    phase.close();
    await signer.stop();
  }
}

function report(
  load: PhaseReport["load"],
  rate: number | undefined,
  result: PhaseResult,
  source: { readonly signedLate: number; readonly stale: number },
  use: Pick<PhaseReport, "processes" | "foreignCpuSeconds" | "windowSeconds" | "window">,
): Omit<PhaseReport, "trafficPerByte"> {
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

/** Reads CPU time and memory at both edges of the window. */
function createMeter(network: BenchNetwork) {
  const names = [
    ...network.validators.map(({ name, pid }) => ({ name, pid })),
    { name: GENERATOR, pid: process.pid },
  ];
  interface Reading {
    readonly atMicros: number;
    readonly machineCpuSeconds: number;
    readonly uses: readonly ProcessUse[];
  }
  const take = (): Reading => ({
    atMicros: Number(process.hrtime.bigint() / 1_000n),
    machineCpuSeconds: readMachineCpuSeconds(),
    uses: names.map(({ pid }) => readProcess(pid)),
  });
  const readings: Partial<Record<"begin" | "end", Reading>> = {};
  return {
    edge(edge: "begin" | "end"): void {
      readings[edge] = take();
    },
    read(): Pick<PhaseReport, "processes" | "foreignCpuSeconds" | "windowSeconds" | "window"> {
      const begin = readings.begin ?? take();
      const end = readings.end ?? take();
      const processes = names.map(({ name }, i) => ({
        name,
        cpuSeconds: (end.uses[i]?.cpuSeconds ?? 0) - (begin.uses[i]?.cpuSeconds ?? 0),
        residentBytes: end.uses[i]?.residentBytes ?? 0,
      }));
      const own = processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
      const all = end.machineCpuSeconds - begin.machineCpuSeconds;
      return {
        windowSeconds: (end.atMicros - begin.atMicros) / 1e6,
        window: { fromMicros: begin.atMicros, toMicros: end.atMicros },
        processes,
        foreignCpuSeconds: Math.max(0, all - own),
      };
    },
  };
}

/** Printed with the results: what bounds the closed loop. */
export const LOOP_BOUND = `at most ${OUTSTANDING_ITEMS_MAX} submissions and ${OUTSTANDING_BYTES_MAX >> 20} MiB outstanding`;
