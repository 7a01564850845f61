/**
 * A whole node on simulated ports: production engine, application and reactors, put together as
 * `node/node.ts` does it. Its disk, its clocks and its checkers outlive its crashes.
 */
import { type Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { createBlockSync, type BlockSync } from "../../sequencer/engine/block-sync/block-sync.ts";
import { createEngine, type Engine, type EngineOptions } from "../../sequencer/engine/engine.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import { createGossipRelay } from "../../sequencer/engine/gossip-sink.ts";
import { NULL_BLOCK_SYNC_METRICS, NULL_ENGINE_METRICS } from "../../sequencer/engine/metrics.ts";
import { createFilePrivValidator } from "../../sequencer/engine/privval/file-priv-validator.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import type { SyncedChain } from "../../sequencer/engine/state-sync/state-sync.ts";
import { createCheckTxs } from "../../sequencer/node/wiring.ts";
import { createBodiesReactor } from "../../sequencer/p2p/bodies/bodies-reactor.ts";
import { createBlockSyncReactor } from "../../sequencer/p2p/blocksync/blocksync-reactor.ts";
import { createConsensusReactor } from "../../sequencer/p2p/consensus/consensus-reactor.ts";
import {
  createMempoolReactor,
  type MempoolReactor,
} from "../../sequencer/p2p/mempool/mempool-reactor.ts";
import { createStateSyncReactor } from "../../sequencer/p2p/statesync/statesync-reactor.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import type { CheckTxResponse } from "../../sequencer/abci/application.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { openBlockStore } from "../../sequencer/store/level-block-store.ts";
import { createStateStore } from "../../sequencer/store/level-state-store.ts";
import { watchCalls } from "../support/call-grammar.ts";
import type { Random } from "../support/random.ts";
import { Saboteur } from "./byzantine.ts";
import {
  SimulationFailure,
  type AgreementChecker,
  type SupplyChecker,
  type WireChecker,
} from "./checkers.ts";
import { areExtended, type PlannedValidators, withChanges } from "./chain-plan.ts";
import { createSimClock, createSimYield, Life, type Skew } from "./life.ts";
import type { Scheduler } from "./scheduler.ts";
import type { LockChecker } from "./lock-checker.ts";
import { createSimApplication, type SimApplication } from "./sim-application.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimFiles, type DiskManner } from "./sim-files.ts";
import { nodeInfoOf } from "./sim-node-info.ts";
import { simKeys, type NodeKeys } from "./sim-keys.ts";
import { slowSigner } from "./slow-signer.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { MevRun } from "./sim-mev.ts";
import type { SealRun } from "./sim-seal.ts";
import { chainInStores, joinBySnapshot, NO_SNAPSHOTS } from "./sim-state-sync.ts";
import type { Misbehaviour, SwarmOptions } from "./swarm.ts";
import { VoteWatch } from "./vote-watch.ts";

const DATA = "/home/data";
const WAL = `${DATA}/cs.wal`;
const SIGN_STATE = `${DATA}/priv_validator_state.json`;
const SEAL_KEYS = `${DATA}/seal_keys.json`;

const INFO_REQUEST = { version: "sim", blockVersion: 11n, p2pVersion: 8n, abciVersion: "2.0.0" };
export interface SimNodeOptions {
  readonly index: number;
  readonly genesis: Genesis;
  readonly isValidator: boolean;
  /** Empty for an honest node. */
  readonly misbehaviours: readonly Misbehaviour[];
  readonly swarm: SwarmOptions;
  /** Other nodes of the network. */
  readonly peerCount: number;
  readonly engine: Omit<EngineOptions, "genesis" | "walDirectory">;
}

/** What all nodes of a run share. */
export interface SimWorld {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly verifier: SignatureVerifier;
  readonly speed: Omit<DiskManner, "fails">;
  /** Whether the disk fails to do what it was just asked for. */
  readonly diskFails: () => boolean;
  /** Time that a signature takes, in ms. */
  readonly signMs: () => number;
  readonly signerIsAway: () => boolean;
  readonly loopLagMsMax: () => number;
  readonly agreement: AgreementChecker;
  readonly validators: PlannedValidators;
  readonly locks: LockChecker;
  readonly supply: SupplyChecker;
  readonly wire: WireChecker;
  readonly logger: (node: string) => Logger;
  /** The chain after `height` as others know it. @throws StateSyncError STATE_SYNC_NOT_YET */
  readonly trustedChain: (height: Height, asker: SimNode) => Promise<SyncedChain>;
  /** Where there are sealed transactions. */
  readonly seal: SealRun | undefined;
  /** Where there are bundles and transactions that nobody wants to propose. */
  readonly mev: MevRun | undefined;
  /** Something that must not happen happened. */
  readonly fail: (failure: unknown) => void;
  readonly count: (kind: string) => void;
  /** Whether the node dies at this crash point. */
  readonly diesAt: (node: SimNode) => boolean;
  /** The node stopped because its disk failed: somebody has to see to it. */
  readonly onDiskFailure: (node: SimNode) => void;
}

/** What a node is between a start and a crash. */
interface Running {
  readonly life: Life;
  engine: Engine | undefined;
  application: SimApplication | undefined;
  mempool: MempoolReactor<CheckTxResponse> | undefined;
  blockSync: BlockSync | undefined;
  reactors: readonly { stop(): void }[];
  /** The handshake is done and peers know it. */
  isStarted: boolean;
  /** Since when, in virtual ms, its disk has failed; undefined while it works. */
  diskFailedMs: number | undefined;
  /** It said that it signs and processes nothing more. */
  isHalted: boolean;
  diskFailure: string | undefined;
}

export class SimNode {
  readonly name: string;
  readonly index: number;
  readonly isByzantine: boolean;
  readonly skew: Skew;
  readonly #options: SimNodeOptions;
  readonly #world: SimWorld;
  readonly #keys: NodeKeys;
  readonly #files: SimFiles;
  readonly #databases: {
    readonly blocks: SimDatabase;
    readonly states: SimDatabase;
    readonly evidence: SimDatabase;
    readonly application: SimDatabase;
  };
  readonly #votes: VoteWatch;
  #running: Running | undefined;
  #lives = 0;

  constructor(options: SimNodeOptions, skew: Skew, world: SimWorld) {
    const { random } = world;
    this.index = options.index;
    this.name = `node ${options.index}`;
    this.isByzantine = options.misbehaviours.length > 0;
    this.skew = skew;
    this.#options = options;
    this.#world = world;
    this.#keys = simKeys(options.index);
    this.#files = new SimFiles(random);
    this.#databases = {
      blocks: new SimDatabase(random),
      states: new SimDatabase(random),
      evidence: new SimDatabase(random),
      application: new SimDatabase(random),
    };
    this.#votes = new VoteWatch(
      {
        name: this.name,
        address: this.#keys.validator.address,
        log: WAL,
        signState: SIGN_STATE,
      },
      { files: this.#files, locks: world.locks, wire: world.wire, fail: world.fail },
    );
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  /** Last height that it decided in this life; 0 while it is down or starting. */
  get height(): number {
    const engine = this.#running?.engine;
    return engine === undefined || engine.status().catchingUp ? 0 : engine.status().height;
  }

  /** For messages about a run. */
  get state(): string {
    const engine = this.#running?.engine;
    if (engine === undefined) return this.isUp ? "starting" : "down";
    const { catchingUp, haltReason } = engine.status();
    if (catchingUp) return "replaying";
    const { height, round, step } = engine.view();
    return `${height}/${round}/${step}${haltReason === undefined ? "" : ` halted: ${haltReason}`}`;
  }

  get application(): SimApplication | undefined {
    const running = this.#running;
    return running?.engine?.status().catchingUp === false ? running.application : undefined;
  }

  /** The chain after `height` from this node's stores; undefined when it has not come so far. */
  async chainAt(height: Height): Promise<SyncedChain | undefined> {
    const engine = this.#running?.isStarted === true ? this.#running.engine : undefined;
    if (engine === undefined) return undefined;
    return chainInStores(engine, this.#options.genesis.initialHeight, height);
  }

  /** A client of this node submits a transaction; nothing comes of it while the node is down. */
  submit(tx: Uint8Array): void {
    const mempool = this.application === undefined ? undefined : this.#running?.mempool;
    mempool?.submit(tx).catch((error: unknown) => this.#failed("submit", error));
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#lives += 1;
    const life = new Life(this.name, this.#world.scheduler);
    const running: Running = {
      life,
      engine: undefined,
      application: undefined,
      mempool: undefined,
      blockSync: undefined,
      reactors: [],
      isStarted: false,
      diskFailedMs: undefined,
      isHalted: false,
      diskFailure: undefined,
    };
    this.#running = running;
    this.#boot(running).catch((error: unknown) => {
      if (life.isOver) return;
      if (running.diskFailedMs === undefined) this.#failed(`start ${this.#lives}`, error);
      else {
        running.isHalted = true;
        this.#world.count("start failed with its disk");
        this.#world.onDiskFailure(this);
      }
    });
  }

  /** Ends this life as an operator does; a node that still starts is left alone. */
  stop(onStopped: () => void): void {
    const running = this.#running;
    const engine = running?.engine;
    if (running === undefined || engine === undefined || !running.isStarted) return;
    this.#world.network.leave(this.index);
    running.reactors.forEach((reactor) => reactor.stop());
    const stopped = running.blockSync?.stop() ?? Promise.resolve();
    stopped
      .then(() => engine.stop())
      .then(
        () => {
          if (this.#running !== running) return;
          this.crash(false);
          onStopped();
        },
        (error: unknown) => {
          if (running.diskFailedMs === undefined) return this.#failed("stop", error);
          if (this.#running !== running) return;
          this.crash(true);
          onStopped();
        },
      );
  }

  /** Ends this life without a word. */
  crash(takesPower: boolean): void {
    const running = this.#running;
    if (running === undefined) return;
    // Who sees to a failed disk takes the machine down.
    const losesPower = takesPower || running.diskFailedMs !== undefined;
    running.life.end();
    this.#running = undefined;
    this.#world.mev?.crashed(this.name);
    const { network, count } = this.#world;
    network.leave(this.index);
    for (const database of Object.values(this.#databases)) database.crash(losesPower);
    if (losesPower) {
      const torn = this.#files.losePower();
      for (let i = 0; i < torn; i++) count("torn write");
    }
    if (this.#options.misbehaviours.includes("amnesia")) {
      this.#files.forget(WAL);
      this.#files.forget(SIGN_STATE);
    }
    this.#votes.crashed();
  }

  /** Crashes, and comes back with an empty disk; for nodes that have signed nothing. */
  wipe(): void {
    assert(!this.#options.isValidator, "a validator does not forget what it signed");
    this.crash(true);
    for (const database of Object.values(this.#databases)) database.wipe();
    this.#files.wipe();
  }

  /** Throws when the disk failed `forMs` ago and the node goes on as if nothing had happened. */
  checkHalted(forMs: number): void {
    const running = this.#running;
    if (running?.diskFailedMs === undefined || running.isHalted || this.isByzantine) return;
    if (this.#world.scheduler.nowMs - running.diskFailedMs < forMs) return;
    throw new SimulationFailure(
      `disk: ${this.name} goes on ${forMs} ms after its disk failed: ${running.diskFailure ?? ""}`,
    );
  }

  async #boot(running: Running): Promise<void> {
    const { life } = running;
    const { scheduler, random, network, verifier, count, fail } = this.#world;
    const { genesis, isValidator, misbehaviours, swarm, engine: engineOptions } = this.#options;
    const { plan, blockSync } = swarm;
    const logger = this.#world.logger(this.name);
    const clock = createSimClock(life, scheduler, this.skew);
    const yieldToLoop = createSimYield(life, random, this.#world.loopLagMsMax());
    const speed = this.#disk(running);
    const fileSystem = this.#files.mount(life, speed);

    await fileSystem.makeDirectory(DATA);
    const blockStore = await openBlockStore(
      this.#databases.blocks.mount(life, speed),
      { blobDirectory: `${DATA}/blocks`, blobFileBytesMax: 300_000 },
      { fileSystem },
    );
    const stateStore = createStateStore(this.#databases.states.mount(life, speed));
    const seal = isValidator
      ? await this.#world.seal?.openNode(this.#keys.application, SEAL_KEYS, {
          fileSystem,
          logger,
          isByzantine: this.isByzantine,
        })
      : undefined;
    const sim = await createSimApplication(
      {
        kind: swarm.application,
        nodeName: this.name,
        validatorIndex: isValidator ? this.index : undefined,
        validatorCount: genesis.validators.length,
        blockBytesMax: swarm.blockBytesMax,
        snapshotInterval: swarm.snapshotInterval,
      },
      {
        database: this.#databases.application,
        fileSystem,
        life,
        manner: speed,
        verifier,
        clock,
        logger,
        yieldToLoop,
        supply: this.#world.supply,
        metrics: this.isByzantine ? undefined : this.#world.mev?.metrics(),
        ...(seal === undefined ? {} : { seal }),
      },
    );
    // Changed parameters name the version that Info does, as an application's own would.
    const { appVersion } = await sim.application.info(INFO_REQUEST);
    const params = { ...genesis.consensusParams, version: { app: appVersion } };
    const application = withChanges(sim.application, plan, params, this.#world.validators);
    const { application: watched } = watchCalls(application, {
      onViolation: ({ message }) =>
        fail(new SimulationFailure(`call order: ${this.name}: ${message}`)),
    });
    const saboteur = !this.isByzantine
      ? undefined
      : new Saboteur(
          {
            chainId: genesis.chainId,
            kinds: misbehaviours,
            validatorCount: genesis.validators.length,
            areExtended: (height) => areExtended(plan, height),
          },
          {
            key: this.#keys.validator,
            applicationKey: swarm.application === "weft" ? this.#keys.application : undefined,
            mev: sim.weft &&
              this.#world.mev && {
                ...this.#world.mev.hooks(sim.weft),
                attacker: this.#world.mev.attacker,
              },
            extend: (height, blockHash) => sim.extend(height, blockHash),
            random,
            view: () =>
              running.engine?.status().catchingUp === false ? running.engine.view() : undefined,
            send: (channelId, message, victims) => {
              if (!life.isOver) network.sendFrom(this.index, channelId, message, victims);
            },
            onProposal: (proposal) =>
              this.#world.locks.proposed(this.#keys.validator.address, proposal),
            onAct: (kind) => count(kind),
          },
        );
    const isFresh = blockStore.height() === 0;
    const privValidator = !isValidator
      ? undefined
      : (saboteur?.signer() ??
        this.#votes.signer(
          slowSigner(
            createFilePrivValidator(
              this.#keys.validator,
              await openSignStateFile(SIGN_STATE, isFresh, fileSystem),
            ),
            {
              life,
              signMs: this.#world.signMs,
              isAway: this.#world.signerIsAway,
              onSign: () => {
                if (running.isHalted) {
                  fail(new SimulationFailure(`halt: ${this.name} signs after it has halted`));
                }
              },
            },
          ),
        ));
    const gossip = createGossipRelay();
    const engine = createEngine(
      {
        ...engineOptions,
        genesis,
        walDirectory: WAL,
        startsSuspended: blockSync !== undefined,
      },
      {
        application:
          saboteur?.application(watched) ??
          (sim.weft && this.#world.mev?.honest(this.name, watched, sim.weft)) ??
          watched,
        blockStore,
        stateStore,
        evidenceStore: this.#databases.evidence.mount(life, speed),
        privValidator,
        gossip,
        verifier,
        clock,
        yieldToLoop,
        fileSystem,
        logger,
        metrics: NULL_ENGINE_METRICS,
        hasTxs: () => sim.hasTxs(),
        onCrashPoint: (point) => {
          if (!this.#world.diesAt(this)) return;
          count(`crash at ${point}`);
          this.crash(random.chance(50));
          return new Promise<void>(() => {});
        },
      },
    );
    const mempoolReactor = createMempoolReactor(
      {},
      {
        checkTxs: createCheckTxs(engine, () => running.isStarted),
        clock,
        yieldToLoop,
        logger,
        metrics: NULL_P2P_METRICS,
      },
    );
    sim.weft?.onPoolDropped((item) => mempoolReactor.dropped(item));
    const countCompactPart = (labels?: { readonly outcome: string }): void =>
      count(`compact part ${labels?.outcome}`);
    const consensusReactor = createConsensusReactor({
      consensus: engine,
      blocks: blockStore,
      txs: mempoolReactor,
      clock,
      logger,
      metrics: { ...NULL_P2P_METRICS, compactParts: { inc: countCompactPart } },
      onPeerHeight: (peer, height) => running.blockSync?.peerHeightSeen(peer, height),
    });
    const blockSyncReactor = createBlockSyncReactor({
      blocks: blockStore,
      clock,
      logger,
      metrics: NULL_P2P_METRICS,
    });
    const stateSyncReactor = createStateSyncReactor({
      snapshots: sim.snapshots ?? NO_SNAPSHOTS,
      clock,
      logger,
      metrics: NULL_P2P_METRICS,
    });
    gossip.attach(saboteur?.gossip(consensusReactor.gossip) ?? consensusReactor.gossip);
    const duties =
      sim.weft &&
      seal?.duties({
        application: sim.weft,
        submit: (tx) => mempoolReactor.submit(tx),
        clock,
        yieldToLoop,
        logger,
      });
    running.engine = engine;
    running.application = sim;
    running.mempool = mempoolReactor;
    const bodiesReactor =
      sim.weft && createBodiesReactor({ bodies: sim.weft.listed.held, clock, logger });
    sim.weft?.listed.use(bodiesReactor);
    const reactors = [
      consensusReactor,
      mempoolReactor,
      blockSyncReactor,
      stateSyncReactor,
      ...(bodiesReactor === undefined ? [] : [bodiesReactor]),
    ];
    running.reactors = reactors;
    const honestly = this.#votes.outgoing();
    const join = (): void =>
      network.join({
        index: this.index,
        life,
        nodeInfo: nodeInfoOf(this.index, genesis.chainId),
        reactors,
        outgoing: (channelId, message, to) => {
          if (saboteur !== undefined) return saboteur.outgoing(channelId, message, to);
          this.#world.seal?.sent(channelId, message);
          return honestly(channelId, message, to);
        },
      });

    engine.events.on((event) => {
      if (life.isOver) return;
      try {
        if (event.kind === "Halted" && running.diskFailedMs !== undefined) {
          running.isHalted = true;
          count("halted by its disk");
          this.#world.onDiskFailure(this);
          return;
        }
        if (event.kind === "Halted" && !this.isByzantine) {
          throw new SimulationFailure(`halt: ${this.name} stopped: ${event.reason}`);
        }
        if (event.kind !== "NewBlock") return;
        scheduler.note(
          `${this.name} decided ${event.block.header.height} ${toHex(event.blockId.hash)}`,
        );
        mempoolReactor.committed(event.block.txs, event.result.txResults);
        duties?.look();
        if (this.isByzantine) return;
        this.#world.seal?.decided(event.block);
        if (sim.weft !== undefined) this.#world.mev?.applied(this.name, event, sim.weft);
        this.#world.agreement.decided(this.name, event).catch(fail);
        this.#world.agreement.committed(this.name, blockStore, event).catch(fail);
        sim.check();
      } catch (error) {
        fail(error);
      }
    });
    const isNew = blockStore.height() === 0 && (await stateStore.load()) === undefined;
    const joinsBySnapshot =
      isNew && !isValidator && sim.snapshots !== undefined && this.#world.agreement.height > 0;
    if (joinsBySnapshot && sim.snapshots !== undefined) {
      join();
      const outcome = await joinBySnapshot({
        application,
        snapshots: sim.snapshots,
        reactor: stateSyncReactor,
        blockStore,
        stateStore,
        trusted: { at: (height) => this.#world.trustedChain(height, this) },
        clock,
        logger,
      });
      count(outcome);
    }
    await engine.start();
    if (!this.isByzantine) {
      const { lastBlockHeight, appHash } = engine.chainState();
      this.#world.agreement.restarted(this.name, lastBlockHeight, appHash);
      // A block that was applied in a replay is told of by nobody, and all nodes may have lost power at it.
      const { seal } = this.#world;
      const last = seal === undefined ? undefined : await blockStore.block(lastBlockHeight);
      if (last !== undefined) seal?.decided(last);
    }
    if (blockSync !== undefined) {
      running.blockSync = createBlockSync(
        { ...blockSync, expectedPeers: this.#options.peerCount },
        {
          target: engine.syncTarget(),
          network: blockSyncReactor,
          verifier,
          clock,
          yieldToLoop,
          logger,
          metrics: {
            ...NULL_BLOCK_SYNC_METRICS,
            returns: { inc: () => count("returned to block sync") },
            blocks: { inc: () => count("block synced") },
          },
          onCaughtUp: () => count("block sync handed over"),
        },
      );
      blockSyncReactor.attach(running.blockSync);
    }
    consensusReactor.start();
    running.isStarted = true;
    if (!joinsBySnapshot) join();
    running.blockSync?.start();
  }

  /** The disk in this life of the node, which may begin to fail. */
  #disk(running: Running): DiskManner {
    const { speed, diskFails, count, scheduler } = this.#world;
    return {
      ...speed,
      fails: (what) => {
        if (running.life.isOver || !diskFails()) return false;
        running.diskFailedMs ??= scheduler.nowMs;
        running.diskFailure ??= what;
        count(`disk error: ${what}`);
        return true;
      },
    };
  }

  #failed(what: string, error: unknown): void {
    if (this.isByzantine) {
      // It did this to itself.
      this.crash(false);
      return;
    }
    const failure =
      error instanceof SimulationFailure
        ? error
        : new SimulationFailure(`${this.name} failed in ${what}: ${String(error)}`, {
            cause: error,
          });
    this.#world.fail(failure);
  }
}
