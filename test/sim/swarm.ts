/** What a seed draws: how many nodes, how slow, which faults. Every seed has its own mix. */
import { Random } from "../support/random.ts";
import { drawPowerChanges, NO_CHANGES, type ChainPlan } from "./chain-plan.ts";
import {
  ATOMIC_EVERY_SEEDS,
  ATOMIC_SEED_REMAINDER,
  LADEN_EVERY_SEEDS,
  LADEN_SEED_REMAINDER,
  LIVE_HEIGHTS,
  LIVENESS_BOUND_LIES_MS,
  LIVENESS_BOUND_MS,
  MEV_EVERY_SEEDS,
  MEV_SEED_REMAINDER,
  SEALED_EVERY_SEEDS,
} from "./limits.ts";
import { type ApplicationKind, ROLLUPS } from "./sim-application.ts";
import type { NetworkFaults } from "./sim-network.ts";
import {
  ATOMIC_BLOCK_FAULTS,
  MEV_BLOCK_FAULTS,
  MEV_LIST_FAULTS,
  type MevFault,
} from "../support/mev-faults.ts";
import {
  type AtomicPlan,
  EXECUTOR_MANNERS,
  type ExecutorManner,
  EXECUTORS_OF_A_ROLLUP,
} from "./sim-atomic.ts";
import type { MevPlan } from "./sim-mev.ts";
import type { SealPlan } from "./sim-seal.ts";

/** How a faulty validator misbehaves; several at once are possible. */
export type Misbehaviour =
  /** Says nothing. */
  | "silent"
  /** Votes for a block and for nil, to different peers or to all. */
  | "equivocateVotes"
  /** Proposes two valid blocks, each to some peers, and votes for both. */
  | "equivocateProposals"
  /** Keeps parts of its blocks from some peers. */
  | "withholdParts"
  /** Proposes blocks that break a rule. */
  | "invalidProposals"
  /** Proposes blocks when it is another's turn. */
  | "usurps"
  /** Extends its votes with garbage. */
  | "garbageExtensions"
  /** Sends votes without end: bad signatures, far rounds, unknown validators. */
  | "floodVotes"
  /** Says of its round, votes, parts and majorities what is not so. */
  | "liesAboutState"
  /** Votes for whatever is proposed, and loses log and signer's state in each crash. */
  | "amnesia"
  /** Of sealed transactions: sends shares that are wrong, none, or leaves openings out of its blocks. */
  | "wrongShares"
  | "abstains"
  | "withholdsOpenings"
  /** Of bundles, lists and orders: `mev-faults.ts`. */
  | MevFault;

export const MISBEHAVIOURS: readonly Misbehaviour[] = [
  "silent",
  "equivocateVotes",
  "equivocateProposals",
  "withholdParts",
  "invalidProposals",
  "usurps",
  "garbageExtensions",
  "floodVotes",
  "liesAboutState",
  "amnesia",
];

export interface SwarmOptions {
  readonly seed: number;
  readonly powers: readonly number[];
  /** Nodes beside the validators. */
  readonly fullNodes: number;
  /** Index of the faulty validators, with what they do. Together below a third of the power. */
  readonly byzantine: ReadonlyMap<number, readonly Misbehaviour[]>;
  readonly network: NetworkFaults;
  /** Partitions begin this often, in ms on average; 0 never. */
  readonly partitionEveryMs: number;
  readonly partitionMsMax: number;
  /** Nodes begin with block sync, and return to it this many blocks behind (0: never). */
  readonly blockSync: { readonly returnDistance: number } | undefined;
  /** Only one direction of a link is cut. */
  readonly isPartitionOneWay: boolean;
  readonly mendResets: boolean;
  /** A channel from one node to another stands still this often, in ms on average; 0 never. */
  readonly jamEveryMs: number;
  readonly jamMsMax: number;
  readonly crashEveryMs: number;
  /** All nodes lose power at once this often, in ms on average; 0 never. */
  readonly blackoutEveryMs: number;
  /** Of 100 crashes, those that are orderly stops. */
  readonly stopPercent: number;
  /** Of 100 crashes, those that are losses of power. */
  readonly powerLossPercent: number;
  /** Chance in 1,000 that a node dies at one of the engine's crash points. */
  readonly crashPointPerMille: number;
  readonly downMsMax: number;
  readonly skewMsMax: number;
  /** Clocks are set anew this often, in ms on average; 0 never. */
  readonly clockStepEveryMs: number;
  readonly driftPpm: number;
  /** The disk says that it has synced and has not. No seed draws it: it shows that the checks see it. */
  readonly doesDiskLie: boolean;
  readonly syncMsMax: number;
  /** Size at which logs are rotated. */
  readonly walFileBytesMax: number;
  /** Of 100 syncs, those that take 50 times as long. */
  readonly slowSyncPercent: number;
  readonly loopLagMsMax: number;
  readonly timeoutScale: number;
  readonly timeoutCommitMs: number;
  readonly skipTimeoutCommit: boolean;
  readonly createEmptyBlocks: boolean;
  readonly blockBytesMax: number;
  /** A transaction is submitted this often, in ms on average. */
  readonly txEveryMs: number;
  readonly txBytesMax: number;
  readonly application: ApplicationKind;
  readonly plan: ChainPlan;
  /** Undefined: validators make no keys, and nobody seals. */
  readonly seals: SealPlan | undefined;
  /** Undefined: nobody bundles, and nobody's transactions are unwanted. */
  readonly mev: MevPlan | undefined;
  /** Undefined: nobody takes part in atomic execution. */
  readonly atomic: AtomicPlan | undefined;
  /** Heights that every honest node must decide after the faults have stopped. */
  readonly liveHeights: number;
  /** Nodes that begin when the chain has decided so many heights. */
  readonly lateStarts: ReadonlyMap<number, number>;
  /** Heights between snapshots, by which full nodes with an empty disk join; 0: by block sync alone. */
  readonly snapshotInterval: number;
  /** A full node comes back with an empty disk this often, in ms on average; 0 never. */
  readonly wipeEveryMs: number;
  /** Chance in 100,000 that a write or a sync fails. */
  readonly diskErrorPer100k: number;
  /** Of 100 signatures, those that take up to `signMsMax`, twice. */
  readonly slowSignPercent: number;
  readonly signMsMax: number;
  /** Of 100 wishes, those that the signer does not answer; half of them it has signed. */
  readonly awaySignerPercent: number;
  /** How long the network may take once the faults have stopped, in ms. */
  readonly livenessMs: number;
  /** Faults stop after this time, in ms, */
  readonly faultyMs: number;
  /** or when so many heights were decided. */
  readonly faultyHeights: number;
}

export function drawSwarm(seed: number): SwarmOptions {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x57454654);
  const upTo = (max: number): number => random.below(max + 1);
  const sometimes = <T>(percent: number, value: () => T, otherwise: T): T =>
    random.chance(percent) ? value() : otherwise;

  const count = random.pick([1, 2, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 7]) ?? 4;
  const isWeighted = random.chance(20);
  const powers = Array.from({ length: count }, () => (isWeighted ? 5 + random.below(10) : 10));
  const byzantine = drawByzantine(random, powers);
  const isHarsh = random.chance(30);
  const network: NetworkFaults = {
    delayMs: [1 + random.below(5), 5 + random.below(random.chance(20) ? 800 : 60)],
    clogPercent: sometimes(40, () => upTo(10), 0),
    lossPercent: isHarsh ? sometimes(60, () => upTo(15), 0) : 0,
    duplicatePercent: isHarsh ? sometimes(60, () => upTo(15), 0) : 0,
    reorderPercent: isHarsh ? sometimes(60, () => upTo(15), 0) : 0,
  };
  const fullNodes = sometimes(20, () => 1, 0);
  const blockBytesMax = random.chance(30) ? 1_048_576 : 200_000;
  const application = random.chance(25) ? "kv" : "weft";
  const drawn: SwarmOptions = {
    seed,
    powers,
    fullNodes,
    byzantine,
    network,
    partitionEveryMs: sometimes(50, () => 800 + random.below(8_000), 0),
    partitionMsMax: 500 + random.below(8_000),
    isPartitionOneWay: random.chance(30),
    mendResets: random.chance(50),
    jamEveryMs: sometimes(40, () => 20 + random.below(400), 0),
    jamMsMax: 100 + random.below(random.chance(50) ? 1_000 : 4_000),
    crashEveryMs: sometimes(60, () => 300 + random.below(5_000), 0),
    blackoutEveryMs: sometimes(20, () => 3_000 + random.below(10_000), 0),
    stopPercent: sometimes(30, () => random.below(60), 0),
    powerLossPercent: random.pick([0, 50, 100]) ?? 50,
    crashPointPerMille: sometimes(30, () => 1 + random.below(15), 0),
    downMsMax: 50 + random.below(random.chance(50) ? 1_000 : 6_000),
    skewMsMax: sometimes(50, () => random.below(15_000), 0),
    clockStepEveryMs: sometimes(25, () => 3_000 + random.below(10_000), 0),
    driftPpm: sometimes(50, () => random.below(5_000), 0),
    doesDiskLie: false,
    blockSync: sometimes(60, () => ({ returnDistance: random.pick([0, 2, 5]) ?? 0 }), undefined),
    syncMsMax: 1 + random.below(random.chance(20) ? 60 : 8),
    walFileBytesMax: random.pick([5_000, 50_000, 10_000_000]) ?? 50_000,
    slowSyncPercent: sometimes(30, () => upTo(5), 0),
    loopLagMsMax: sometimes(40, () => 1 + random.below(20), 0),
    timeoutScale: random.pick([0.3, 1, 1, 3]) ?? 1,
    timeoutCommitMs: random.pick([0, 50, 500]) ?? 0,
    skipTimeoutCommit: random.chance(30),
    createEmptyBlocks: random.chance(80),
    blockBytesMax,
    txEveryMs: 20 + random.below(400),
    txBytesMax: random.chance(20) ? 60_000 : 1_000,
    livenessMs: isLiedTo(byzantine) ? LIVENESS_BOUND_LIES_MS : LIVENESS_BOUND_MS,
    faultyMs: 8_000 + random.below(25_000),
    faultyHeights: random.pick([3, 5, 5, 6, 8, 8, 12, 20]) ?? 8,
    application,
    plan: drawPlan(random, { powers, byzantine, application, blockBytesMax }),
    seals: undefined,
    mev: undefined,
    atomic: undefined,
    liveHeights: LIVE_HEIGHTS,
    lateStarts: sometimes(
      20,
      () => new Map([[count - 1 + fullNodes, 2 + random.below(8)]]),
      new Map<number, number>(),
    ),
    snapshotInterval: 0,
    wipeEveryMs: sometimes(40, () => 1_000 + random.below(10_000), 0),
    diskErrorPer100k: sometimes(20, () => random.pick([10, 50, 200]) ?? 0, 0),
    slowSignPercent: sometimes(20, () => 1 + random.below(50), 0),
    awaySignerPercent: sometimes(15, () => 1 + random.below(30), 0),
    signMsMax: 1 + random.below(random.chance(50) ? 100 : 1_500),
  };
  const style = random.below(100);
  const options = reachable(
    style < 12 ? churn(random, drawn) : style < 24 ? storm(random, drawn) : drawn,
  );
  // Drawn last, and for few: what seeds drew before stays.
  const mayJoin = fullNodes > 0 && application === "weft" && options.blockSync !== undefined;
  const joining =
    mayJoin && random.chance(80) ? { ...options, snapshotInterval: 1 + random.below(4) } : options;
  if (seed % LADEN_EVERY_SEEDS === LADEN_SEED_REMAINDER && application === "weft") {
    return laden(joining);
  }
  if (seed % ATOMIC_EVERY_SEEDS === ATOMIC_SEED_REMAINDER) return voting(random, joining);
  if (seed % MEV_EVERY_SEEDS === MEV_SEED_REMAINDER) return bundling(random, joining);
  return seed % SEALED_EVERY_SEEDS === SEALED_EVERY_SEEDS - 1 ? sealing(random, joining) : joining;
}

/** Large transactions, and blocks slow enough that they wait in pools: proposals name them (ADR 0028). */
function laden(drawn: SwarmOptions): SwarmOptions {
  return {
    ...drawn,
    txBytesMax: 60_000,
    txEveryMs: 25,
    timeoutCommitMs: 300,
    skipTimeoutCommit: false,
  };
}

const BUNDLING_MISBEHAVIOURS: readonly Misbehaviour[] = [
  ...MEV_BLOCK_FAULTS,
  ...MEV_LIST_FAULTS,
  "equivocateVotes",
];

/**
 * Chains long enough for what is listed to fall due. The bound of inclusion supposes that votes of honest
 * validators come in time for the next block: links are quick once the faults have stopped, and rounds are not cut short.
 */
function bundling(random: Random, drawn: SwarmOptions): SwarmOptions {
  const calm = sealing(random, drawn);
  const byzantineMax = Math.floor((calm.powers.length - 1) / 3);
  const first = random.below(calm.powers.length);
  const byzantine = new Map<number, readonly Misbehaviour[]>();
  for (let i = 0; i < byzantineMax && random.chance(85); i++) {
    const kinds = [1, 2, 3].map(() => random.pick(BUNDLING_MISBEHAVIOURS) ?? "censors");
    const isSilent = random.chance(10);
    byzantine.set((first + i) % calm.powers.length, isSilent ? ["silent"] : [...new Set(kinds)]);
  }
  const isSealed = random.chance(30);
  return {
    ...calm,
    byzantine,
    seals: isSealed ? calm.seals : undefined,
    mev: {
      bundlePercent: 20 + random.below(50),
      isCensored: random.chance(60),
      ordering: random.pick(["commit_order", "priority_fee", "sealed_random"]) ?? "commit_order",
    },
    skipTimeoutCommit: false,
    timeoutCommitMs: random.pick([200, 500]) ?? 200,
    faultyHeights: isSealed ? calm.faultyHeights : 12 + random.below(10),
    faultyMs: isSealed ? calm.faultyMs : 60_000,
    liveHeights: inclusionBlocks(calm.powers.length) + 8,
    livenessMs: 2 * LIVENESS_BOUND_MS,
  };
}

/** Of all executors of a rollup, at most one lies: bundles are atomic where a quorum is honest (docs/adr/0023). */
function voting(random: Random, drawn: SwarmOptions): SwarmOptions {
  const bundled = bundling(random, drawn);
  const byzantine = new Map(
    [...bundled.byzantine].map(([index, kinds]): [number, readonly Misbehaviour[]] => [
      index,
      [...kinds, ...ATOMIC_BLOCK_FAULTS.filter(() => random.chance(60))],
    ]),
  );
  const honest = EXECUTOR_MANNERS.filter((manner) => !isLying(manner));
  const manners = ROLLUPS.flatMap(() => {
    const liar = random.below(2 * EXECUTORS_OF_A_ROLLUP);
    return Array.from({ length: EXECUTORS_OF_A_ROLLUP }, (_, member): ExecutorManner => {
      const drawnLie = random.pick(EXECUTOR_MANNERS.filter(isLying)) ?? "lies";
      const drawnManner = random.pick(honest) ?? "honest";
      if (member === liar) return drawnLie;
      return random.chance(70) ? "honest" : drawnManner;
    });
  });
  return {
    ...bundled,
    byzantine,
    atomic: { atomicPercent: 40 + random.below(60), manners },
    faultyHeights: bundled.faultyHeights + 10,
  };
}

function isLying(manner: ExecutorManner): boolean {
  return manner === "contradicts" || manner === "lies" || manner === "reportsWrongly";
}

/**
 * Blocks within which what all honest validators have ready stands in one: a height of delay, the block that
 * brings the lists, byzantine proposers in a row, and the shortest time from listed to due (docs/adr/0018).
 */
export function inclusionBlocks(validators: number): number {
  return 2 + Math.floor((validators - 1) / 3) + 4;
}

/** Misbehaviour of whom a chain of some forty heights can still be expected. */
const SEALING_MISBEHAVIOURS: readonly Misbehaviour[] = [
  "silent",
  "equivocateVotes",
  "equivocateProposals",
  "withholdParts",
  "wrongShares",
  "wrongShares",
  "abstains",
  "withholdsOpenings",
];

/** Long enough for a key and what is sealed for it, or two: faults are fewer, and there are many blocks. */
function sealing(random: Random, drawn: SwarmOptions): SwarmOptions {
  const count = random.pick([4, 4, 4, 7]) ?? 4;
  const byzantine = new Map<number, readonly Misbehaviour[]>();
  const first = random.below(count);
  const byzantineMax = random.chance(75) ? Math.floor((count - 1) / 3) : 0;
  for (let i = 0; i < byzantineMax; i++) {
    const kinds = [1, 2].map(() => random.pick(SEALING_MISBEHAVIOURS) ?? "abstains");
    byzantine.set((first + i) % count, [...new Set(kinds)]);
  }
  const sometimes = (percent: number, value: number): number =>
    random.chance(percent) ? value : 0;
  const epochLength = random.pick([20, 1_000]) ?? 20;
  return {
    ...drawn,
    powers: Array.from({ length: count }, () => 10),
    byzantine,
    fullNodes: 0,
    application: "weft",
    plan: NO_CHANGES,
    seals: { epochLength, keyLead: 1 + random.below(4), sealedPercent: 30 + random.below(60) },
    lateStarts: new Map(),
    snapshotInterval: 0,
    wipeEveryMs: 0,
    network: { ...drawn.network, delayMs: [1, 5 + random.below(40)] },
    partitionEveryMs: sometimes(40, 4_000 + random.below(10_000)),
    partitionMsMax: 500 + random.below(3_000),
    jamEveryMs: sometimes(30, 200 + random.below(1_000)),
    jamMsMax: 100 + random.below(1_000),
    crashEveryMs: sometimes(50, 2_000 + random.below(8_000)),
    blackoutEveryMs: sometimes(15, 10_000 + random.below(10_000)),
    crashPointPerMille: 0,
    downMsMax: 50 + random.below(2_000),
    diskErrorPer100k: 0,
    slowSignPercent: 0,
    awaySignerPercent: 0,
    timeoutScale: 1,
    timeoutCommitMs: random.pick([50, 200, 500]) ?? 200,
    createEmptyBlocks: true,
    blockBytesMax: 1_048_576,
    txEveryMs: 100 + random.below(300),
    txBytesMax: 1_000,
    livenessMs: LIVENESS_BOUND_MS,
    faultyMs: 120_000,
    faultyHeights: epochLength === 20 ? 46 : 34,
  };
}

/** A lone validator without a pause decides faster than a simulated link brings blocks: none would catch up. */
function reachable(options: SwarmOptions): SwarmOptions {
  const isAlone = options.powers.length === 1 && options.timeoutCommitMs === 0;
  return isAlone ? { ...options, timeoutCommitMs: 50 } : options;
}

/** Rounds upon rounds: so much is late that nodes see different polkas, or none. */
function storm(random: Random, drawn: SwarmOptions): SwarmOptions {
  return {
    ...drawn,
    partitionEveryMs: 0,
    crashEveryMs: drawn.crashEveryMs === 0 ? 0 : 1_500,
    jamEveryMs: 15 + random.below(60),
    jamMsMax: 200 + random.below(1_200),
    slowSyncPercent: 0,
    timeoutScale: random.pick([0.3, 0.3, 1]) ?? 0.3,
    createEmptyBlocks: true,
    faultyMs: 6_000 + random.below(10_000),
  };
}

function isLiedTo(byzantine: SwarmOptions["byzantine"]): boolean {
  return [...byzantine.values()].some((kinds) => kinds.includes("liesAboutState"));
}

/** Nodes that are killed again and again and start at once, while blocks are fetched and decided in turns. */
function churn(random: Random, drawn: SwarmOptions): SwarmOptions {
  return {
    ...drawn,
    network: { ...drawn.network, clogPercent: 0 },
    partitionEveryMs: 0,
    blockSync: { returnDistance: random.pick([0, 2, 2, 5]) ?? 2 },
    crashEveryMs: 80 + random.below(700),
    blackoutEveryMs: 0,
    crashPointPerMille: random.pick([0, 0, 10]) ?? 0,
    downMsMax: random.pick([1, 50, 500]) ?? 50,
    clockStepEveryMs: 0,
    timeoutCommitMs: random.pick([0, 50, 500]) ?? 0,
    faultyMs: 4_000 + random.below(12_000),
  };
}

function drawPlan(
  random: Random,
  {
    powers,
    byzantine,
    application,
    blockBytesMax,
  }: Pick<SwarmOptions, "powers" | "byzantine" | "application" | "blockBytesMax">,
): ChainPlan {
  const sizes = new Map<number, number>();
  if (random.chance(20)) {
    for (let height = 1 + random.below(4); sizes.size < 3; height += 1 + random.below(5)) {
      sizes.set(height, 120_000 + random.below(blockBytesMax - 120_000));
    }
  }
  const at = 1 + random.below(4);
  const changes = random.chance(35)
    ? drawPowerChanges(random, powers, new Set(byzantine.keys()))
    : NO_CHANGES.powers;
  return {
    // Weft's own application has its own mind about who validates.
    powers: application === "kv" ? changes : NO_CHANGES.powers,
    blockBytesMax: sizes,
    // Weft's own chains have extensions from the first block on.
    extensions: application === "kv" ? { at, from: at + 1 + random.below(4) } : undefined,
  };
}

function drawByzantine(
  random: Random,
  powers: readonly number[],
): ReadonlyMap<number, readonly Misbehaviour[]> {
  const byzantine = new Map<number, readonly Misbehaviour[]>();
  if (random.chance(40)) return byzantine;
  const total = powers.reduce((sum, power) => sum + power, 0);
  let faulty = 0;
  const first = random.below(powers.length);
  for (let i = 0; i < powers.length; i++) {
    const index = (first + i) % powers.length;
    const power = powers[index] ?? 0;
    if ((faulty + power) * 3 >= total) continue;
    faulty += power;
    const kinds = new Set<Misbehaviour>();
    const kindCount = 1 + random.below(3);
    for (let k = 0; k < kindCount; k++) {
      const kind = random.pick(MISBEHAVIOURS);
      if (kind !== undefined) kinds.add(kind);
    }
    byzantine.set(index, [...kinds]);
  }
  return byzantine;
}
