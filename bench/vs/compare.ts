/** Runs both engines in turns on one machine, and takes medians over the rounds. */
import { setTimeout as sleep } from "node:timers/promises";
import { CHAIN_ID } from "../homes.ts";
import { ACCOUNTS, PAYLOAD_BYTES } from "../limits.ts";
import { openGrpcIngress } from "../load/grpc-ingress.ts";
import type { OpenIngress } from "../load/ingress.ts";
import { createItemSource } from "../load/item-source.ts";
import { openPhase, type Phase } from "../load/phase.ts";
import { GENERATOR, type PhaseReport, phaseReport } from "../load/phase-report.ts";
import { createSigner, type Signer } from "../load/signer.ts";
import { createMeter } from "../measure/meter.ts";
import { openCometIngress } from "./comet-ingress.ts";
import { type ComparedNetwork, type ComparedValidator, freeze, thaw } from "./compared-network.ts";
import { asCometFrames, createKvMaker } from "./items.ts";
import {
  BLOCKS_MIN,
  HEIGHTS_AFTER_THAW,
  LIGHT_WARMUP_MS,
  OUTSTANDING_BYTES_MAX,
  POLL_MS,
  READY_BATCHED_PER_SECOND,
  READY_KV_PER_SECOND,
  READY_SINGLES_PER_SECOND,
  SIGNING_THREADS,
  THAW_TIMEOUT_MS,
  WARMUP_MS,
} from "./limits.ts";
import { type Figures, medianFigures } from "./figures.ts";
import type { Scenario, SubjectName } from "./scenarios.ts";

export interface ScenarioResult extends Scenario {
  /** Of each figure over the rounds. */
  readonly median: Figures;
  readonly rounds: readonly PhaseReport[];
}

export interface CompareOptions {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly windowMs: number;
  /** Saturating load that a network takes before it is measured, all its interfaces together. */
  readonly firstWarmupMs: (subject: SubjectName) => number;
  /** Starts a network; called once for each that a scenario names. */
  readonly start: (subject: SubjectName) => Promise<ComparedNetwork>;
}

/** Resolves with a result for each scenario, in their order. All networks have ended then. */
export async function compare(
  options: CompareOptions,
  progress: (text: string) => void,
): Promise<readonly ScenarioResult[]> {
  const { scenarios, rounds, windowMs, firstWarmupMs } = options;
  const networks = new Map<SubjectName, ComparedNetwork>();
  const stopAll = async (): Promise<void> => {
    for (const network of networks.values()) thaw(network);
    await Promise.all([...networks.values()].map((network) => network.stop()));
  };
  const stopAndExit = (): void => {
    void stopAll().then(() => process.exit(130));
  };
  process.once("SIGINT", stopAndExit);
  process.once("SIGTERM", stopAndExit);
  try {
    for (const { subject } of scenarios) {
      if (networks.has(subject)) continue;
      progress(`starting ${subject}`);
      const network = await options.start(subject);
      networks.set(subject, network);
      // Each way of submitting has code of its own to compile.
      const warming = new Map(
        scenarios
          .filter((one) => one.subject === subject && one.rate === undefined)
          .map((one) => [`${one.wire} ${one.payloadsPerItem}`, one]),
      );
      for (const scenario of warming.values()) {
        progress(`warming up ${scenario.name}`);
        await measure(network, scenario, firstWarmupMs(subject) / warming.size);
      }
      freeze(network);
    }
    const reports = new Map<Scenario, PhaseReport[]>(scenarios.map((one) => [one, []]));
    for (let round = 0; round < rounds; round++) {
      // There and back, so that a drift of the machine meets all alike.
      for (const scenario of round % 2 === 0 ? scenarios : [...scenarios].reverse()) {
        const network = networks.get(scenario.subject);
        if (network === undefined) continue;
        thaw(network);
        const report = await measure(network, scenario, windowMs);
        freeze(network);
        reports.get(scenario)?.push(report);
        const { throughput, latencyMs } = report;
        progress(
          `round ${round + 1}: ${scenario.name}: ${Math.round(throughput.payloadsPerSecond)} tx/s, p50 ${latencyMs.p50.toFixed(0)} ms, ${report.cpuMicrosPerPayload.toFixed(0)} µs CPU per tx`,
        );
      }
    }
    return scenarios.map((scenario) => {
      const of = reports.get(scenario) ?? [];
      return { ...scenario, median: medianFigures(of), rounds: of };
    });
  } finally {
    process.removeListener("SIGINT", stopAndExit);
    process.removeListener("SIGTERM", stopAndExit);
    await stopAll();
  }
}

async function measure(
  network: ComparedNetwork,
  scenario: Scenario,
  windowMs: number,
): Promise<PhaseReport> {
  const { payloadsPerItem, rate } = scenario;
  const warmupMs = rate === undefined ? WARMUP_MS : LIGHT_WARMUP_MS;
  const phase = await openPhase({
    // Those of the first validator: a client has one node. Blocks come from the same.
    ingresses: network.validators.slice(0, 1).map((validator) => ingressOf(validator, scenario)),
    payloadsPerItem,
    rate,
    warmupMs,
    windowMs,
    blocksMin: BLOCKS_MIN,
    outstandingItemsMax: scenario.outstandingItemsMax,
    outstandingBytesMax: OUTSTANDING_BYTES_MAX,
  });
  const signer = signerOf(scenario);
  try {
    // While the network stands still: to sign takes all of the machine.
    freeze(network);
    const perSecond = rate ?? readyPerSecond(scenario, network.validators.length);
    const source = createItemSource(
      signer,
      () => phase.height(),
      Math.max(1, Math.ceil(perSecond / 4 / payloadsPerItem)),
    );
    await source.fill(Math.ceil((perSecond * (warmupMs + windowMs)) / 1_000 / payloadsPerItem) + 2);
    thaw(network);
    await Promise.race([untilCommitting(phase), network.failed]);
    const meter = createMeter([
      ...network.validators.map(({ name, pids }) => ({ name, pids })),
      { name: GENERATOR, pids: [process.pid] },
    ]);
    const running = phase.run(source, (edge) => meter.edge(edge));
    const result = await Promise.race([running, network.failed]);
    const load = rate === undefined ? "saturated" : "light";
    return phaseReport(load, rate, result, source, meter.read());
  } finally {
    phase.close();
    await signer.stop();
  }
}

function ingressOf({ name, rpc, grpc }: ComparedValidator, { wire }: Scenario): OpenIngress {
  if (wire === "websocket") return (listener) => openCometIngress(rpc, listener);
  if (grpc === undefined) throw new RangeError(`${name} serves no gRPC`);
  return (listener) => openGrpcIngress(grpc, listener);
}

function signerOf({ subject, wire, payloadsPerItem }: Scenario): Signer {
  const signer =
    subject === "cometbft+kvstore"
      ? createKvMaker(payloadsPerItem * PAYLOAD_BYTES)
      : createSigner(
          { chainId: CHAIN_ID, payloadsPerItem, payloadBytes: PAYLOAD_BYTES, accounts: ACCOUNTS },
          SIGNING_THREADS,
        );
  return wire === "websocket" ? asCometFrames(signer) : signer;
}

function readyPerSecond({ subject, payloadsPerItem }: Scenario, validators: number): number {
  if (payloadsPerItem > 1) return READY_BATCHED_PER_SECOND;
  return subject === "cometbft+kvstore"
    ? READY_KV_PER_SECOND / validators
    : READY_SINGLES_PER_SECOND;
}

/** It stood still: its validators find each other's votes again first. */
async function untilCommitting(phase: Phase): Promise<void> {
  const height = phase.height() + HEIGHTS_AFTER_THAW;
  const endMs = performance.now() + THAW_TIMEOUT_MS;
  while (phase.height() < height) {
    if (performance.now() > endMs) {
      throw new Error(`no ${HEIGHTS_AFTER_THAW} blocks within ${THAW_TIMEOUT_MS} ms of going on`);
    }
    await sleep(POLL_MS);
  }
}
