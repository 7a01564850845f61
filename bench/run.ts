/** The network benchmark: each mode at light load, then saturated, against one running network. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ACCOUNTS,
  BLOCKS_MIN,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_ITEMS_MAX,
  PAYLOAD_BYTES,
  SIGNED_BYTES_MAX,
  SIGNING_THREADS,
  WARMUP_MS,
} from "./limits.ts";
import { createItemSource } from "./load/item-source.ts";
import { openGrpcIngress } from "./load/grpc-ingress.ts";
import { openPhase } from "./load/phase.ts";
import { createNetworkMeter, type PhaseReport, phaseReport } from "./load/phase-report.ts";
import { type Mode, MODES } from "./load/shape.ts";
import { createSigner } from "./load/signer.ts";
import { receivedBytes } from "./measure/prometheus.ts";
import type { BenchNetwork } from "./network.ts";

export interface RunOptions {
  readonly modes: readonly Mode[];
  readonly seconds: number;
  /** Payloads per second of the light phase; 0: no light phase. */
  readonly rate: number;
  readonly ingress: "one" | "all";
}

export interface NetworkPhaseReport extends PhaseReport {
  /** Bytes that validators received from each other for each committed byte, by kind of message. */
  readonly trafficPerByte: Readonly<Record<string, number>>;
}

export interface ModeReport {
  readonly mode: Mode;
  readonly payloadsPerItem: number;
  readonly phases: readonly NetworkPhaseReport[];
}

/** Signed ahead for so many payloads per second: more than any run has reached. */
const READY_PER_SECOND: Readonly<Record<Mode, number>> = {
  single: 14_000,
  batch100: 120_000,
  batch1000: 160_000,
};
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
    const phases: NetworkPhaseReport[] = [];
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
): Promise<NetworkPhaseReport> {
  const payloadsPerItem = MODES[mode];
  const rate = load === "light" ? options.rate : undefined;
  const warmupMs = load === "light" ? WARMUP_MS / 4 : WARMUP_MS;
  const windowMs = options.seconds * 1_000;
  const phase = await openPhase({
    ingresses: network.validators.slice(0, options.ingress === "one" ? 1 : undefined).map(
      ({ grpc }) =>
        (listener) =>
          openGrpcIngress(grpc, listener),
    ),
    payloadsPerItem,
    rate,
    warmupMs,
    windowMs,
    blocksMin: BLOCKS_MIN,
    outstandingItemsMax: OUTSTANDING_ITEMS_MAX,
    outstandingBytesMax: OUTSTANDING_BYTES_MAX,
  });
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
    const meter = createNetworkMeter(network.validators);
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
    return { ...phaseReport(load, rate, result, source, meter.read()), trafficPerByte };
  } finally {
    phase.close();
    await signer.stop();
  }
}

/** Printed with the results: what bounds the closed loop. */
export const LOOP_BOUND = `at most ${OUTSTANDING_ITEMS_MAX} submissions and ${OUTSTANDING_BYTES_MAX >> 20} MiB outstanding`;
