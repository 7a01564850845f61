/**
 * Many swaps at once, while executors and validators are killed and one executor lies. In the end both chains tell, node
 * by node, what has happened: of each swap both sides or neither, and all nodes of a rollup the same.
 */
import { toHex } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import { AtomicProgress } from "../../proto/grpc/mev-service.ts";
import { until } from "../support/local-network.ts";
import { Random } from "../support/random.ts";
import { type BundleWatch, createBundleWatch } from "./bundle-watch.ts";
import { checkAll, type Decided } from "./check.ts";
import { createFaults, type Faults, type FaultsReport, type Hold } from "./faults.ts";
import { type BundleAnswer, createSwapNetwork, type SwapNetwork, untilDesks } from "./network.ts";
import {
  type Fate,
  FATES,
  makeSwap,
  MEANT,
  type Nonces,
  type Outcome,
  type Swap,
  useNonces,
} from "./swap.ts";

export interface SwapsOptions {
  readonly swaps: number;
  readonly seed: number;
  /** Swaps under way at a time. */
  readonly concurrency?: number;
  /** Parameter `control_per_signer_max` of the network: votes and reports of one executor in a block; default: the chain's. */
  readonly controlPerSigner?: number;
  /** `timeout_commit` of validators, ms: on a busy machine more of it lets executors follow. */
  readonly blockMs?: number;
  readonly log?: (line: string) => void;
}

export interface SwapsReport extends FaultsReport {
  readonly swaps: number;
  readonly committed: number;
  readonly aborted: number;
  /** By what they were meant to be, how many came to what. Anything that is not meant is an error. */
  readonly byFate: Readonly<Record<Fate, Partial<Record<Outcome, number>>>>;
  /** Of those aborted, by the reason of the decision, how many. */
  readonly abortReasons: Partial<Record<Outcome, number>>;
  /** Heights from the block that orders a bundle to the one that decides it. */
  readonly latencyBlocks: Latency;
  readonly latencyBlocksCommitted: Latency;
  /** Of the blocks from the first decision to the last. */
  readonly decisionsPerBlock: { readonly mean: number; readonly max: number };
}

export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

const CONCURRENCY = 6;
/** Of two swaps in this many, votes are held back. */
const HELD_EVERY = 16;
const PATIENCE_MS = 120_000;
/** A bundle that no rollup has heard of for so long is sent again: the node that had it may be dead. */
const RESEND_MS = 3_000;

/** Throws when anything does not hold. */
export async function runSwaps(options: SwapsOptions): Promise<SwapsReport> {
  const { swaps, seed, concurrency = CONCURRENCY, log = () => {} } = options;
  const network = await createSwapNetwork(2 * concurrency, options);
  try {
    await untilDesks(network);
    log(`two rollups with ${network.rollups[0].executors.length} executors each`);
    return await swapAll(network, swaps, seed, concurrency, log);
  } finally {
    await network.close();
  }
}

async function swapAll(
  network: SwapNetwork,
  swaps: number,
  seed: number,
  concurrency: number,
  log: (line: string) => void,
): Promise<SwapsReport> {
  const random = new Random(seed);
  const decided: Decided[] = [];
  const nonces: Nonces = new Map();
  const watches = network.rollups.map(createBundleWatch);
  const faults = createFaults(network, new Random(seed + 1), log);
  let next = 0;

  async function trade(lane: number): Promise<void> {
    const [a, b] = [network.traders[2 * lane], network.traders[2 * lane + 1]];
    if (a === undefined || b === undefined) throw new Error("two traders for each lane");
    while (next < swaps) {
      const index = next;
      next += 1;
      const pair = random.below(2) === 0 ? ([a, b] as const) : ([b, a] as const);
      const amounts = [BigInt(1 + random.below(50)), BigInt(1 + random.below(50))] as const;
      const { fate, hold } = drawFate(random, index, faults);
      const swap = await makeSwap(network, { seed, index, fate, pair, amounts, nonces });
      hold?.on(swap);
      await submit(network, swap);
      const lie = faults.whenSent(decided.length, swap);
      const one = await untilDecided(network, watches, swap);
      decided.push(one);
      log(
        `swap ${index} (${fate}): ${one.outcome} after ${one.latencyBlocks} blocks (${one.votes})`,
      );
      hold?.release();
      await lie;
      if (!isCommitted(one)) continue;
      useNonces(nonces, swap);
      faults.afterCommit(decided.filter(isCommitted).length);
    }
  }

  await Promise.all(Array.from({ length: concurrency }, (_, lane) => trade(lane)));
  for (const watch of watches) watch.close();
  await faults.end();
  await checkAll(network, decided);
  const held = decided.map(({ swap }) => swap).filter(({ fate }) => isHeld(fate));
  return report(decided, await faults.report(held));
}

function isCommitted({ outcome }: Decided): boolean {
  return outcome === "COMMITTED";
}

function isHeld(fate: Fate): fate is "late" | "slow" {
  return fate === "late" || fate === "slow";
}

function drawFate(
  random: Random,
  index: number,
  faults: Faults,
): { readonly fate: Fate; readonly hold: Hold | undefined } {
  const drawn = random.below(5) < 3 ? "good" : (random.pick(FATES) ?? "good");
  const turn = index % HELD_EVERY;
  const wanted = turn === HELD_EVERY / 4 ? "late" : turn === HELD_EVERY / 2 ? "slow" : undefined;
  const hold = wanted && faults.hold(wanted);
  if (wanted !== undefined && hold !== undefined) return { fate: wanted, hold };
  return { fate: isHeld(drawn) ? "good" : drawn, hold: undefined };
}

async function submit({ client }: SwapNetwork, { item, session }: Swap): Promise<void> {
  const outcome = await until(`a node takes swap ${session}`, () => client.submit(item));
  if (outcome.code !== 0 && !outcome.isDuplicate) {
    throw new Error(`swap ${session} is refused: ${outcome.reason}`);
  }
}

async function untilDecided(
  network: SwapNetwork,
  watches: readonly BundleWatch[],
  swap: Swap,
): Promise<Decided> {
  const what = `swap ${swap.session} (${swap.fate})`;
  let answers: readonly BundleAnswer[] | undefined;
  void Promise.all(watches.map((watch) => watch.untilDecided(swap.bundleId))).then((told) => {
    answers = told;
  });
  let sentMs = performance.now();
  const [alpha, beta] = await until(
    `both rollups decide ${what}`,
    async () => {
      const [death] = network.deaths;
      if (death !== undefined) return [];
      const isKnown = watches.some((watch) => watch.isKnown(swap.bundleId));
      if (!isKnown && performance.now() > sentMs + RESEND_MS) {
        sentMs = performance.now();
        await network.client.submit(swap.item);
      }
      return answers;
    },
    PATIENCE_MS,
  );
  if (network.deaths.length > 0) throw new Error(network.deaths.join("\n"));
  if (alpha === undefined || beta === undefined || alpha.state !== beta.state) {
    throw new Error(`${what} is ${alpha?.state} on alpha and ${beta?.state} on beta`);
  }
  const outcome = outcomeOf(alpha);
  if (!MEANT[swap.fate].includes(outcome)) {
    throw new Error(`${what} came to ${outcome}: ${JSON.stringify([alpha, beta])}`);
  }
  const votes = await checkChain(network, swap, alpha);
  const decidedHeight = alpha.decidedHeight ?? 0;
  return {
    swap,
    outcome,
    votes,
    decidedHeight,
    latencyBlocks: decidedHeight - alpha.preparedHeight,
  };
}

/** What the sequencer's nodes say of it: the level, and the same decision. @returns the votes, for a person */
async function checkChain(network: SwapNetwork, swap: Swap, told: BundleAnswer): Promise<string> {
  const { level, atomic } = await until(
    `a validator tells of swap ${swap.session}`,
    async () => {
      const status = await network.mev.bundleStatus(swap.id);
      // One that is behind.
      return (status.atomic?.decidedHeight ?? 0) > 0 && status;
    },
    PATIENCE_MS,
  );
  const state = told.state === "COMMITTED" ? AtomicProgress.COMMITTED : AtomicProgress.ABORTED;
  if (level !== 1 || atomic?.state !== state || atomic.decidedHeight !== told.decidedHeight) {
    throw new Error(
      `swap ${toHex(swap.bundleId)} is ${told.state} at ${told.decidedHeight} on rollups, state ${atomic?.state} at ${atomic?.decidedHeight}, level ${level} on the chain`,
    );
  }
  const legs = network.rollups.map(({ name, id }) => {
    const leg = atomic.legs.find(({ rollupId }) => id === `0x${toHex(rollupId)}`);
    return `${name} ${leg?.yes} yes and ${leg?.no} no of ${leg?.committee}`;
  });
  return legs.join(", ");
}

function outcomeOf({ state, abortReason }: BundleAnswer): Outcome {
  if (state === "COMMITTED") return "COMMITTED";
  for (const [name, reason] of Object.entries(AbortReason)) {
    if (reason === abortReason) return name as Outcome;
  }
  throw new Error(`there is no reason ${abortReason}`);
}

function report(decided: readonly Decided[], faults: FaultsReport): SwapsReport {
  const committed = decided.filter(isCommitted);
  const of = (fate: Fate) => tally(decided.filter(({ swap }) => swap.fate === fate));
  const { COMMITTED: _, ...abortReasons } = tally(decided);
  return {
    swaps: decided.length,
    committed: committed.length,
    aborted: decided.length - committed.length,
    byFate: {
      good: of("good"),
      poor: of("poor"),
      unread: of("unread"),
      few: of("few"),
      shared: of("shared"),
      late: of("late"),
      slow: of("slow"),
    },
    abortReasons,
    latencyBlocks: latencyOf(decided),
    latencyBlocksCommitted: latencyOf(committed),
    decisionsPerBlock: perBlock(decided.map(({ decidedHeight }) => decidedHeight)),
    ...faults,
  };
}

function tally(decided: readonly Decided[]): Partial<Record<Outcome, number>> {
  const counts: Partial<Record<Outcome, number>> = {};
  for (const { outcome } of decided) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

function perBlock(heights: readonly number[]): SwapsReport["decisionsPerBlock"] {
  const counts = new Map<number, number>();
  for (const height of heights) counts.set(height, (counts.get(height) ?? 0) + 1);
  const blocks = Math.max(...heights) - Math.min(...heights) + 1;
  const mean = Math.round((100 * heights.length) / blocks) / 100;
  return { mean, max: Math.max(...counts.values()) };
}

function latencyOf(decided: readonly Decided[]): Latency {
  const sorted = decided.map(({ latencyBlocks }) => latencyBlocks).toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
