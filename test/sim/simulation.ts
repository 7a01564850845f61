/**
 * One seed, from its draw to its verdict: a network under faults, checked after every event; then the
 * faults stop, and it has to go on within a bound.
 */
import { Height } from "../../proto/brands.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { EMPTY_BYTES, bytesEqual, concatBytes, toHex } from "../../proto/bytes.ts";
import {
  verifyEd25519Sync,
  type SignatureVerifier,
  type SignedItem,
  type VerifySignature,
} from "../../proto/verify/ed25519.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import { StateSyncError } from "../../sequencer/engine/state-sync/errors.ts";
import type { SyncedChain } from "../../sequencer/engine/state-sync/state-sync.ts";
import { NULL_LOGGER, type Logger } from "../../sequencer/ports/logger.ts";
import { DATA_CHANNEL, VOTE_CHANNEL } from "../../sequencer/p2p/consensus/consensus-channels.ts";
import { Random } from "../support/random.ts";
import { AgreementChecker, SimulationFailure, SupplyChecker, WireChecker } from "./checkers.ts";
import { PlannedValidators } from "./chain-plan.ts";
import { EPOCH } from "./life.ts";
import { LockChecker } from "./lock-checker.ts";
import { EVENTS_MAX, SIGNATURE_MEMO_MAX } from "./limits.ts";
import { Scheduler } from "./scheduler.ts";
import { NO_FAULTS, SimNetwork } from "./sim-network.ts";
import { CHAIN_ID, genesisAppState, ROLLUPS } from "./sim-application.ts";
import { simKeys, simWallets } from "./sim-keys.ts";
import { AtomicRun } from "./sim-atomic.ts";
import { SimNode, type SimWorld } from "./sim-node.ts";
import { MevRun } from "./sim-mev.ts";
import { SealRun } from "./sim-seal.ts";
import { drawSwarm, inclusionBlocks, type SwarmOptions } from "./swarm.ts";

/** How often a node that begins late looks whether it is time. */
const LATE_START_EVERY_MS = 50;
/** A disk has failed, and by then the node has stopped. */
const HALT_WITHIN_MS = 15_000;
const ALONE_EVERY_EVENTS = 64;
/** Wallets of clients; the one after them is a byzantine one's. */
const CLIENTS = 6;

export interface SimulationReport {
  readonly seed: number;
  readonly options: SwarmOptions;
  readonly digest: string;
  /** Highest height decided. */
  readonly height: number;
  readonly txCount: number;
  readonly evidenceCount: number;
  readonly events: number;
  readonly virtualMs: number;
  /** From the end of the faults until all honest nodes had decided what they had to. */
  readonly recoveryMs: number;
  /** Faults injected, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** Undefined when the seed held. */
  readonly failure: string | undefined;
}

export interface SimulationDependencies {
  /** Lines of the nodes; silent unless a seed is being looked at. */
  readonly logger?: (node: string, nowMs: () => number) => Logger;
  /** Called between events now and then; throws when something outside of virtual time is under way. */
  readonly assertAlone?: () => void;
}

/** Runs one seed, perhaps with something else than it draws; never throws. */
export async function simulate(
  seed: number,
  dependencies: SimulationDependencies = {},
  changes: Partial<SwarmOptions> = {},
): Promise<SimulationReport> {
  return new Simulation({ ...drawSwarm(seed), ...changes }, dependencies).run();
}

class Simulation {
  readonly #options: SwarmOptions;
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #network: SimNetwork;
  readonly #agreement: AgreementChecker;
  readonly #nodes: readonly SimNode[];
  readonly #faults = new Map<string, number>();
  readonly #assertAlone: () => void;
  #areFaultsOn = true;
  #seal: SealRun | undefined;
  #mev: MevRun | undefined;
  #healedAtMs = 0;
  #failure: unknown;

  constructor(options: SwarmOptions, { logger, assertAlone }: SimulationDependencies) {
    this.#assertAlone = assertAlone ?? (() => {});
    this.#options = options;
    const random = new Random(options.seed);
    this.#random = random;
    this.#network = new SimNetwork(this.#scheduler, random);
    this.#network.faults = options.network;
    this.#network.onDropped = (by, peer, reason) => {
      this.#count("dropped peer");
      if (options.byzantine.has(by) || options.byzantine.has(peer)) return;
      // A peer behind a bad link may rightly be taken for a slow one.
      if (reason.message.includes("owes blocks too long")) return;
      // What a link doubles looks like a block that nobody asked for.
      const { duplicatePercent, reorderPercent } = options.network;
      if (
        duplicatePercent > 0 &&
        /(block|state) sync: expected .* (requested|asked)/.test(reason.message)
      )
        return;
      // Answers are told from each other by their order, which TCP keeps and a harsh link does not.
      const isHarsh = options.network.lossPercent > 0 || duplicatePercent > 0 || reorderPercent > 0;
      if (isHarsh && reason.message.startsWith("bodies: expected")) return;
      // Of two statuses in the wrong order the older one comes last, and looks like a step back.
      const isOutOfOrder = duplicatePercent > 0 || reorderPercent > 0;
      if (isOutOfOrder && reason.message.includes("or one of them went down")) return;
      this.#failure ??= new SimulationFailure(
        `accusation: node ${by} drops node ${peer}, both are honest: ${reason.message}`,
      );
    };
    const genesis = genesisOf(options);
    const verify = rememberVerdicts(verifyEd25519Sync);
    const honest = genesis.validators.filter((_, index) => !options.byzantine.has(index));
    const validators = new PlannedValidators(options.plan, options.powers);
    const addresses = new Set(honest.map(({ address }) => toHex(address)));
    this.#agreement = new AgreementChecker(
      {
        chainId: CHAIN_ID,
        validators,
        hasSlices: options.application === "weft",
        honest: addresses,
      },
      verify,
    );
    const world: SimWorld = {
      scheduler: this.#scheduler,
      random,
      network: this.#network,
      verifier: inlineVerifier(verify),
      speed: { syncMs: () => this.#syncMs(), doesLie: options.doesDiskLie },
      diskFails: () => this.#diskFails(),
      signMs: () => this.#signMs(),
      signerIsAway: () => this.#signerIsAway(),
      loopLagMsMax: () => (this.#areFaultsOn ? options.loopLagMsMax : 0),
      agreement: this.#agreement,
      validators,
      locks: new LockChecker(validators, addresses),
      supply: new SupplyChecker(),
      seal: this.#sealRun(addresses),
      mev: this.#mevRun(addresses),
      wire: new WireChecker(),
      logger: (node) => logger?.(node, () => this.#scheduler.nowMs) ?? NULL_LOGGER,
      fail: (failure) => (this.#failure ??= failure),
      count: (kind) => this.#count(kind),
      diesAt: (node) => this.#diesAt(node),
      trustedChain: (height, asker) => this.#trustedChain(height, asker),
      onDiskFailure: (node) => {
        this.#later(this.#random.below(options.downMsMax), () => {
          node.crash(true);
          this.#startLater(node);
        });
      },
    };
    const { timeoutScale: scale, byzantine } = options;
    const count = options.powers.length + options.fullNodes;
    this.#nodes = Array.from({ length: count }, (_, index) => {
      const skewMs = options.skewMsMax;
      const skew = {
        offsetMs: random.below(2 * skewMs + 1) - skewMs,
        rate: 1 + (random.below(2 * options.driftPpm + 1) - options.driftPpm) / 1_000_000,
      };
      return new SimNode(
        {
          index,
          genesis,
          isValidator: index < options.powers.length,
          misbehaviours: byzantine.get(index) ?? [],
          swarm: options,
          peerCount: count - 1,
          engine: {
            softwareVersion: "sim",
            onWalCorruption: "refuse",
            walFileBytesMax: options.walFileBytesMax,
            timeouts: {
              proposeMs: Math.round(600 * scale),
              proposeDeltaMs: Math.round(200 * scale),
              prevoteMs: Math.round(300 * scale),
              prevoteDeltaMs: Math.round(100 * scale),
              precommitMs: Math.round(300 * scale),
              precommitDeltaMs: Math.round(100 * scale),
            },
            timeoutCommitMs: options.timeoutCommitMs,
            skipTimeoutCommit: options.skipTimeoutCommit,
            createEmptyBlocks: options.createEmptyBlocks,
            createEmptyBlocksIntervalMs: options.createEmptyBlocks ? 0 : 2_000,
            blockTimeToleranceMs: 60_000,
            doubleSignCheckHeight: 0,
          },
        },
        skew,
        world,
      );
    });
  }

  async run(): Promise<SimulationReport> {
    const onRejection = (error: unknown): void => {
      this.#failure ??= error;
    };
    process.on("unhandledRejection", onRejection);
    try {
      for (const node of this.#nodes) {
        const height = this.#options.lateStarts.get(node.index);
        if (height !== undefined) this.#startLate(node, height);
        else this.#later(this.#random.below(1_000), () => node.start());
      }
      this.#schedulePartition();
      this.#scheduleJam();
      this.#scheduleCrash();
      this.#scheduleBlackout();
      this.#scheduleClockStep();
      this.#scheduleWipe();
      this.#scheduleTx();
      const { faultyMs, faultyHeights } = this.#options;
      await this.#until(faultyMs, () => this.#agreement.height >= faultyHeights);
      this.#heal();
      const goal = this.#agreement.height + this.#options.liveHeights;
      const isLive = await this.#until(this.#options.livenessMs, () =>
        this.#honest().every((node) => node.height >= goal),
      );
      if (!isLive) {
        throw new SimulationFailure(
          `liveness: height ${goal} was not decided everywhere within ${this.#options.livenessMs} ms after the faults stopped`,
        );
      }
    } catch (error) {
      this.#failure ??= error;
    } finally {
      process.off("unhandledRejection", onRejection);
    }
    return this.#report();
  }

  /** Events until `isDone`; false when `forMs` have passed before. */
  async #until(forMs: number, isDone: () => boolean): Promise<boolean> {
    const endMs = this.#scheduler.nowMs + forMs;
    let isTimeUp = false;
    this.#later(forMs, () => (isTimeUp = true));
    while (!isDone()) {
      if (isTimeUp) return false;
      if (!(await this.#scheduler.step())) throw new SimulationFailure("nothing happens any more");
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#scheduler.eventCount % ALONE_EVERY_EVENTS === 0) {
        this.#assertAlone();
        for (const node of this.#nodes) node.checkHalted(HALT_WITHIN_MS);
      }
      if (this.#scheduler.eventCount > EVENTS_MAX) {
        throw new SimulationFailure(
          `more than ${EVENTS_MAX} events by ${Math.round(this.#scheduler.nowMs)} ms, ${Math.round(endMs)} ms were meant to come`,
        );
      }
    }
    return true;
  }

  #later(delayMs: number, task: () => void): void {
    this.#scheduler.after(delayMs, "fault", task);
  }

  /** Something that comes every `everyMs` on average, while faults are on. */
  #repeatedly(everyMs: number, task: () => void): void {
    if (everyMs === 0) return;
    this.#later(this.#random.below(2 * everyMs), () => {
      if (!this.#areFaultsOn) return;
      task();
      this.#repeatedly(everyMs, task);
    });
  }

  #heal(): void {
    this.#healedAtMs = this.#scheduler.nowMs;
    this.#areFaultsOn = false;
    this.#scheduler.note("faults stop");
    this.#network.faults = NO_FAULTS;
    this.#network.mend(this.#options.mendResets);
    // A lost message is lost for good only with its connection.
    if (this.#options.network.lossPercent > 0) this.#network.resetAll();
    for (const node of this.#nodes) node.start();
    this.#mev?.healed(this.#agreement.height);
  }

  #schedulePartition(): void {
    const { partitionEveryMs, partitionMsMax, isPartitionOneWay, mendResets } = this.#options;
    this.#repeatedly(partitionEveryMs, () => {
      const side = new Set(
        this.#nodes.filter(() => this.#random.chance(40)).map((node) => node.index),
      );
      this.#count("partition");
      for (const { index: a } of this.#nodes) {
        for (const { index: b } of this.#nodes) {
          if (!side.has(a) || side.has(b)) continue;
          this.#network.cut(a, b);
          if (!isPartitionOneWay) this.#network.cut(b, a);
        }
      }
      this.#later(this.#random.below(partitionMsMax), () => this.#network.mend(mendResets));
    });
  }

  /** Proposals and parts, or votes, are late: from one node to another, to all, or from all to it. */
  #scheduleJam(): void {
    const { jamEveryMs, jamMsMax } = this.#options;
    this.#repeatedly(jamEveryMs, () => {
      const node = this.#random.pick(this.#nodes);
      const channel = this.#random.pick([DATA_CHANNEL, VOTE_CHANNEL, VOTE_CHANNEL]);
      const kind = this.#random.pick(["out", "in", "link", "link"]);
      const others = this.#nodes.filter((each) => each !== node);
      const met = kind === "link" ? others.filter(() => this.#random.chance(30)) : others;
      if (node === undefined || channel === undefined) return;
      this.#count("jam");
      const links = met.map(({ index }): readonly [number, number] =>
        kind === "in" ? [index, node.index] : [node.index, index],
      );
      for (const [from, to] of links) this.#network.jam(from, to, channel.id);
      this.#later(this.#random.below(jamMsMax), () => {
        for (const [from, to] of links) this.#network.unjam(from, to, channel.id);
      });
    });
  }

  #scheduleCrash(): void {
    const { crashEveryMs, powerLossPercent, stopPercent } = this.#options;
    this.#repeatedly(crashEveryMs, () => {
      const node = this.#random.pick(this.#nodes.filter(({ isUp }) => isUp));
      if (node === undefined) return;
      if (this.#random.chance(stopPercent)) {
        this.#count("stop");
        node.stop(() => this.#startLater(node));
        return;
      }
      const losesPower = this.#random.chance(powerLossPercent);
      this.#count(losesPower ? "loss of power" : "crash");
      node.crash(losesPower);
      this.#startLater(node);
    });
  }

  #scheduleBlackout(): void {
    this.#repeatedly(this.#options.blackoutEveryMs, () => {
      this.#count("blackout");
      for (const node of this.#nodes) {
        node.crash(true);
        this.#startLater(node);
      }
    });
  }

  #startLater(node: SimNode): void {
    this.#later(this.#random.below(this.#options.downMsMax), () => node.start());
  }

  #diesAt(node: SimNode): boolean {
    if (!this.#areFaultsOn) return false;
    if (this.#random.below(1_000) >= this.#options.crashPointPerMille) return false;
    this.#startLater(node);
    return true;
  }

  #scheduleClockStep(): void {
    const { clockStepEveryMs, skewMsMax } = this.#options;
    this.#repeatedly(clockStepEveryMs, () => {
      const node = this.#random.pick(this.#nodes);
      if (node === undefined) return;
      this.#count("clock set");
      const rangeMs = Math.max(skewMsMax, 1_000);
      node.skew.offsetMs = this.#random.below(2 * rangeMs + 1) - rangeMs;
    });
  }

  /** Clients do not stop when the faults do. */
  #scheduleTx(): void {
    this.#scheduler.after(this.#random.below(2 * this.#options.txEveryMs), "client", () => {
      this.#submit();
      this.#scheduleTx();
    });
  }

  #submit(): void {
    const node = this.#random.pick(this.#nodes);
    const weft = node?.application?.weft;
    if (this.#seal?.wants(this.#random) === true && weft !== undefined) {
      const sealed = this.#seal.sealed(weft, this.#random.pick(simWallets(CLIENTS)));
      if (sealed !== undefined) return node?.submit(sealed);
    }
    if (this.#mev !== undefined && weft !== undefined) {
      this.#mev.sendUnwanted(weft);
      if (this.#mev.wantsBundle(this.#random)) {
        const sent = this.#mev.searched(weft, this.#random.pick(simWallets(CLIENTS)));
        if (sent !== undefined) return node?.submit(sent);
      }
    }
    const tx = node?.application?.nextTx(this.#random, this.#options.txBytesMax);
    if (tx !== undefined) node?.submit(tx);
  }

  #sealRun(honest: ReadonlySet<string>): SealRun | undefined {
    const { seed, seals: plan } = this.#options;
    if (plan === undefined) return undefined;
    this.#seal = new SealRun(
      { seed, chainId: CHAIN_ID, plan, honest, rollupIds: ROLLUPS.map(rollupIdOfName) },
      {
        attack: (make) => {
          const nodes = this.#nodes.filter(({ application }) => application !== undefined);
          const node = nodes.find(({ isByzantine }) => isByzantine) ?? nodes[0];
          const attacker = simWallets(CLIENTS + 1).at(-1);
          const weft = node?.application?.weft;
          if (weft === undefined || attacker === undefined) return;
          node?.submit(make(attacker, weft.read.pendingAccount(attacker.address).nonce));
        },
        count: (kind) => this.#count(kind),
        fail: (failure) => (this.#failure ??= failure),
      },
    );
    return this.#seal;
  }

  #mevRun(honest: ReadonlySet<string>): MevRun | undefined {
    const { seed, mev: plan, powers, byzantine } = this.#options;
    const [attacker, censored] = simWallets(CLIENTS + 2).slice(CLIENTS);
    if (plan === undefined || attacker === undefined || censored === undefined) return undefined;
    const indexes = [...powers.keys()].filter((index) => !byzantine.has(index));
    this.#mev = new MevRun(
      {
        seed,
        chainId: CHAIN_ID,
        plan,
        honest,
        honestNodes: new Set(indexes.map((index) => `node ${index}`)),
        inclusionBlocks: inclusionBlocks(powers.length),
        rollupIds: ROLLUPS.map(rollupIdOfName),
        attacker,
        censored,
      },
      {
        toAll: (tx) => {
          for (const node of this.#nodes) node.submit(tx);
        },
        count: (kind) => this.#count(kind),
        fail: (failure) => (this.#failure ??= failure),
        atomic: this.#atomicRun(),
      },
    );
    return this.#mev;
  }

  #atomicRun(): AtomicRun | undefined {
    const { seed, atomic: plan } = this.#options;
    if (plan === undefined) return undefined;
    return new AtomicRun(
      { seed, chainId: CHAIN_ID, plan, rollupIds: ROLLUPS.map(rollupIdOfName) },
      {
        toAll: (tx) => {
          for (const node of this.#nodes) node.submit(tx);
        },
        count: (kind) => this.#count(kind),
        fail: (failure) => (this.#failure ??= failure),
      },
    );
  }

  #syncMs(): number {
    const { syncMsMax, slowSyncPercent } = this.#options;
    if (!this.#areFaultsOn) return 1;
    const takesMs = this.#random.below(syncMsMax * 10) / 10;
    if (!this.#random.chance(slowSyncPercent)) return takesMs;
    this.#count("slow sync");
    return takesMs * 50;
  }

  #diskFails(): boolean {
    return this.#areFaultsOn && this.#random.below(100_000) < this.#options.diskErrorPer100k;
  }

  #signMs(): number {
    const { slowSignPercent, signMsMax } = this.#options;
    if (!this.#areFaultsOn || !this.#random.chance(slowSignPercent)) return 0;
    this.#count("slow signature");
    return this.#random.below(signMsMax);
  }

  #signerIsAway(): boolean {
    if (!this.#areFaultsOn || !this.#random.chance(this.#options.awaySignerPercent)) return false;
    this.#count("signer away");
    return true;
  }

  /** Full nodes may come back with nothing. */
  #scheduleWipe(): void {
    this.#repeatedly(this.#options.wipeEveryMs, () => {
      const node = this.#random.pick(this.#nodes.slice(this.#options.powers.length));
      if (node === undefined) return;
      this.#count("empty disk");
      node.wipe();
      this.#startLater(node);
    });
  }

  /** Some nodes begin when the chain has got on. */
  #startLate(node: SimNode, height: number): void {
    if (node.isUp) return;
    if (this.#agreement.height < height) {
      this.#later(LATE_START_EVERY_MS, () => this.#startLate(node, height));
      return;
    }
    this.#count("late start");
    node.start();
  }

  /** What a light client would say: here, what an honest node has stored. */
  async #trustedChain(height: Height, asker: SimNode): Promise<SyncedChain> {
    for (const node of this.#honest()) {
      const chain = node === asker ? undefined : await node.chainAt(height);
      if (chain !== undefined) return chain;
    }
    throw new StateSyncError({ code: "STATE_SYNC_NOT_YET", height }, "nobody has its blocks");
  }

  #honest(): readonly SimNode[] {
    return this.#nodes.filter((node) => !node.isByzantine);
  }

  #count(kind: string): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
  }

  #report(): SimulationReport {
    const { lost, duplicated, reordered, disconnects } = this.#network.counts;
    for (const [kind, count] of Object.entries({ lost, duplicated, reordered, disconnects })) {
      if (count > 0) this.#faults.set(kind, count);
    }
    const { height, changes } = this.#agreement;
    if (changes.validators > 0) this.#faults.set("validator set changed", changes.validators);
    if (changes.params > 0) this.#faults.set("parameters changed", changes.params);
    this.#scheduler.note(`end ${height} ${this.#agreement.blockHash(height) ?? ""}`);
    const failure = this.#failure;
    const states = this.#nodes.map((node) => `${node.index}: ${node.state}`).join(", ");
    return {
      seed: this.#options.seed,
      options: this.#options,
      digest: this.#scheduler.digest(),
      height,
      txCount: this.#agreement.txCount,
      evidenceCount: this.#agreement.evidenceCount,
      events: this.#scheduler.eventCount,
      virtualMs: Math.round(this.#scheduler.nowMs),
      recoveryMs: Math.round(this.#scheduler.nowMs - this.#healedAtMs),
      faults: this.#faults,
      failure:
        failure === undefined
          ? undefined
          : `${messageOf(failure)}; at ${Math.round(this.#scheduler.nowMs)} ms, nodes ${states}`,
    };
  }
}

function messageOf(failure: unknown): string {
  if (failure instanceof SimulationFailure) return failure.message;
  return failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
}

function genesisOf(options: SwarmOptions): Genesis {
  const { powers, blockBytesMax, application, plan } = options;
  return {
    genesisTime: EPOCH,
    chainId: CHAIN_ID,
    initialHeight: Height(1),
    consensusParams: {
      block: { maxBytes: BigInt(blockBytesMax), maxGas: -1n },
      evidence: {
        maxAgeBlocks: 100_000n,
        maxAgeDurationNanos: 172_800_000_000_000n,
        maxBytes: 10_000n,
      },
      validator: { publicKeyTypes: ["ed25519"] },
      version: { app: 0n },
      abci: { voteExtensionsEnableHeight: Height(plan.extensions === undefined ? 1 : 0) },
    },
    validators: powers.map((power, index) => {
      const { address, publicKey } = simKeys(index).validator;
      return { address, publicKey, power: BigInt(power), name: `validator ${index}` };
    }),
    appHash: EMPTY_BYTES,
    appState: genesisAppState(application, powers.length, options),
  };
}

/** A signature is checked once for all nodes: the verdict is a function of its bytes. */
function rememberVerdicts(verify: VerifySignature): VerifySignature {
  interface Verdict {
    readonly publicKey: Uint8Array;
    readonly message: Uint8Array;
    readonly isValid: boolean;
  }
  const verdicts = new Map<string, Verdict>();
  return (publicKey, message, signature) => {
    const key = Buffer.from(signature).toString("latin1");
    const known = verdicts.get(key);
    // One signature may come with several messages, and then only the last of them is remembered.
    const isKnown =
      known !== undefined &&
      bytesEqual(known.message, message) &&
      bytesEqual(known.publicKey, publicKey);
    if (isKnown) return known.isValid;
    const isValid = verify(publicKey, message, signature);
    verdicts.delete(key);
    verdicts.set(key, { publicKey: publicKey.slice(), message: message.slice(), isValid });
    if (verdicts.size > SIGNATURE_MEMO_MAX) {
      const [oldest] = verdicts.keys();
      if (oldest !== undefined) verdicts.delete(oldest);
    }
    return isValid;
  };
}

/** On the spot, where the real one uses the thread pool. */
function inlineVerifier(verifySync: VerifySignature): SignatureVerifier {
  const check = ({ publicKey, prefix, message, signature }: SignedItem): boolean =>
    verifySync(publicKey, prefix ? concatBytes(prefix, message) : message, signature);
  return {
    verifySync,
    verify: async (publicKey, message, signature) => verifySync(publicKey, message, signature),
    verifyBatch: async (items) => items.map(check),
  };
}
