/**
 * `npm run bench -- --seal`: sealed transactions through a network on this machine, at one block a second and as
 * fast as blocks go, and what each step of the arithmetic costs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ticketCount } from "../../mev/seal/dkg.ts";
import {
  ACCOUNTS,
  BLOCKS_MIN,
  OUTSTANDING_BYTES_MAX,
  SEALED_DRAIN_MS,
  SEALED_OUTSTANDING_MAX,
  SEALED_PAYLOAD_BYTES,
  SEALED_READY_PER_SECOND,
  SIGNING_THREADS,
  WARMUP_MS,
} from "../limits.ts";
import { openGrpcIngress } from "../load/grpc-ingress.ts";
import type { ObservedBlock } from "../load/ingress.ts";
import { createItemSource } from "../load/item-source.ts";
import { openPhase } from "../load/phase.ts";
import { createNetworkMeter, type PhaseReport, phaseReport } from "../load/phase-report.ts";
import { createSigner } from "../load/signer.ts";
import { type Calibration, calibrate } from "../measure/calibration.ts";
import { type ProfileSummary, summarizeProfiles } from "../measure/cpu-profile.ts";
import { type SealWork, sealWork } from "../measure/prometheus.ts";
import { type Quantiles, quantiles } from "../measure/statistics.ts";
import { measureSealSteps, type StepResult } from "../micro/seal.ts";
import { type BenchNetwork, startNetwork } from "../network.ts";
import { type BenchReport, machine } from "../report.ts";
import { untilKeyInForce } from "./key.ts";

export interface SealOptions {
  readonly validators: number;
  readonly seconds: number;
  /** Sealed transactions offered each second; 0: as many as the network takes. */
  readonly rate: number;
  readonly isProfiled: boolean;
  readonly isVerbose: boolean;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface SealRun extends PhaseReport {
  readonly timeoutCommit: string;
  /** Of the key that the validators made. */
  readonly threshold: number;
  readonly tickets: number;
  /** Blocks until the first key was in force. */
  readonly keyHeight: number;
  /** Opened in the blocks of the window, over the time from the first to the last of them. */
  readonly openedPerSecond: number;
  /** Transactions by the number of blocks from order to content. */
  readonly openedAfterBlocks: Readonly<Record<number, number>>;
  /** From a block to the one that tells its content, ms. */
  readonly revealMs: Quantiles;
  /** Arithmetic of all validators over the whole phase, its warm-up and its end. */
  readonly work: Readonly<Record<string, SealWork>>;
  /** Entries that ended in another way than opened, and that are still sealed after the run. */
  readonly lost: number;
  readonly unopened: number;
}

export interface SealReport {
  readonly machine: BenchReport["machine"];
  readonly startedAt: string;
  readonly validators: number;
  readonly calibrationBefore: Calibration;
  readonly calibrationAfter: Calibration;
  readonly steps: readonly StepResult[];
  readonly runs: readonly SealRun[];
  /** Of the last run, in which blocks go as fast as they can. */
  readonly profile: ProfileSummary | undefined;
}

const PACES = ["1s", "0s"] as const;
const HOT_FUNCTIONS = 45;
const EPOCH_BLOCKS = 20_000;

export async function runSeal(
  options: SealOptions,
  progress: (text: string) => void,
): Promise<SealReport> {
  const startedAt = new Date().toISOString();
  const calibrationBefore = calibrate();
  progress("steps on one thread");
  const steps = measureSealSteps();
  const runs: SealRun[] = [];
  let profile: ProfileSummary | undefined;
  for (const timeoutCommit of PACES) {
    progress(`timeout_commit ${timeoutCommit}: starting ${options.validators} validators`);
    const network = await startNetwork({
      validators: options.validators,
      isProfiled: options.isProfiled,
      isVerbose: options.isVerbose,
      config: { ...options.config, "consensus.timeout_commit": timeoutCommit },
      // One key for the whole run: what is sealed for it waits while blocks go by.
      params: { epoch_length: EPOCH_BLOCKS },
    });
    try {
      const run = await runPace(network, timeoutCommit, options, progress);
      runs.push(run);
      const profiles = await network.stop();
      if (options.isProfiled) profile = summarizeProfiles(profiles, [run.window], HOT_FUNCTIONS);
    } finally {
      await network.stop();
    }
  }
  return {
    machine: machine(),
    startedAt,
    validators: options.validators,
    calibrationBefore,
    calibrationAfter: calibrate(),
    steps,
    runs,
    profile,
  };
}

/** What blocks of one network tell of sealed entries. */
class Reveals {
  readonly #blockMs = new Map<number, number>();
  readonly openings: { readonly atMs: number; readonly blocks: number; readonly waitMs: number }[] =
    [];
  lost = 0;

  saw({ height, openedHeights = [], lostHeights = [] }: ObservedBlock, atMs: number): void {
    this.#blockMs.set(height, atMs);
    this.lost += lostHeights.length;
    for (const of of openedHeights) {
      const waitMs = atMs - (this.#blockMs.get(of) ?? atMs);
      this.openings.push({ atMs, blocks: height - of, waitMs });
    }
  }
}

async function runPace(
  network: BenchNetwork,
  timeoutCommit: string,
  { seconds, rate }: SealOptions,
  progress: (text: string) => void,
): Promise<SealRun> {
  const [first] = network.validators;
  if (first === undefined) throw new RangeError("a network has validators");
  progress(`timeout_commit ${timeoutCommit}: waiting for a key`);
  const key = await Promise.race([untilKeyInForce(first.rpc), network.failed]);
  const reveals = new Reveals();
  const windowMs = seconds * 1_000;
  const phase = await openPhase({
    ingresses: [(listener) => openGrpcIngress(first.grpc, listener)],
    payloadsPerItem: 1,
    rate: rate === 0 ? undefined : rate,
    warmupMs: WARMUP_MS,
    windowMs,
    blocksMin: BLOCKS_MIN,
    outstandingItemsMax: SEALED_OUTSTANDING_MAX,
    outstandingBytesMax: OUTSTANDING_BYTES_MAX,
    onBlock: (block, atMs) => reveals.saw(block, atMs),
  });
  const signer = createSigner(
    {
      chainId: network.chainId,
      payloadsPerItem: 1,
      payloadBytes: SEALED_PAYLOAD_BYTES,
      accounts: ACCOUNTS,
      sealing: key,
    },
    SIGNING_THREADS,
  );
  try {
    const perSecond = rate === 0 ? SEALED_READY_PER_SECOND : rate;
    const source = createItemSource(signer, () => phase.height(), Math.ceil(perSecond / 4));
    progress(`timeout_commit ${timeoutCommit}: sealing`);
    await source.fill(Math.ceil((perSecond * (WARMUP_MS + windowMs)) / 1_000));
    progress(`timeout_commit ${timeoutCommit}: running`);
    const meter = createNetworkMeter(network.validators);
    const urls = network.validators.map(({ metricsUrl }) => metricsUrl);
    const before = await sealWork(urls);
    const result = await Promise.race([
      phase.run(source, (edge) => meter.edge(edge)),
      network.failed,
    ]);
    const { fromMs, toMs, ledger } = result;
    const endMs = performance.now() + SEALED_DRAIN_MS;
    const unopened = (): number =>
      ledger.committedPayloads - reveals.openings.length - reveals.lost;
    while (unopened() > 0 && performance.now() < endMs) await sleep(50);
    const work = difference(await sealWork(urls), before);
    const inWindow = reveals.openings.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
    const openedAfterBlocks: Record<number, number> = {};
    for (const { blocks } of inWindow) {
      openedAfterBlocks[blocks] = (openedAfterBlocks[blocks] ?? 0) + 1;
    }
    return {
      ...phaseReport("saturated", rate === 0 ? undefined : rate, result, source, meter.read()),
      timeoutCommit,
      threshold: key.threshold,
      tickets: ticketCount(key.members),
      keyHeight: key.activeHeight,
      openedPerSecond: ratePerSecond(inWindow),
      openedAfterBlocks,
      work,
      revealMs: quantiles(inWindow.map(({ waitMs }) => waitMs)),
      lost: reveals.lost,
      unopened: unopened(),
    };
  } finally {
    phase.close();
    await signer.stop();
  }
}

/** Of whole blocks: those after the first, over the time that they took. */
function ratePerSecond(openings: readonly { readonly atMs: number }[]): number {
  const [firstMs, lastMs] = [openings[0]?.atMs ?? 0, openings.at(-1)?.atMs ?? 0];
  const counted = openings.filter(({ atMs }) => atMs > firstMs).length;
  return lastMs > firstMs ? (counted * 1_000) / (lastMs - firstMs) : 0;
}

function difference(
  after: Readonly<Record<string, SealWork>>,
  before: Readonly<Record<string, SealWork>>,
): Readonly<Record<string, SealWork>> {
  return Object.fromEntries(
    Object.entries(after).map(([work, { batches, seconds }]) => [
      work,
      {
        batches: batches - (before[work]?.batches ?? 0),
        seconds: seconds - (before[work]?.seconds ?? 0),
      },
    ]),
  );
}
