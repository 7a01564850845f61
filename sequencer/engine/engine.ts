/**
 * The embedded engine: Tendermint around an application. It owns the log, the stores, the signer
 * and the core; peers, RPC and the clock are handed to it.
 */
import { Height, type NodeId, type Round } from "../../proto/brands.ts";
import { addMs } from "../../proto/time.ts";
import type {
  BlockId,
  Evidence,
  Part,
  Proposal,
  PublicKey,
  Timestamp,
  Vote,
  VoteType,
} from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { Application, CheckTxRequest, CheckTxResponse } from "../abci/application.ts";
import type { ConsensusCore } from "../consensus/consensus-core.ts";
import { createConsensusCore } from "../consensus/core.ts";
import type { ConsensusTimeouts } from "../consensus/options.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import type { Clock } from "../ports/clock.ts";
import type { FileSystem } from "../ports/file-system.ts";
import type { Logger } from "../ports/logger.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { KeyValueStore } from "../store/key-value-store.ts";
import type { StateStore } from "../store/state-store.ts";
import { createApplicationGate } from "../abci/application-gate.ts";
import { createBlockExecutor, hasOwnSignature, type BlockExecutor } from "./block-executor.ts";
import type { SyncTarget } from "./block-sync/ports.ts";
import { ConsensusDriver } from "./consensus-driver.ts";
import type { OnCrashPoint } from "./crash-points.ts";
import { EngineError } from "./errors.ts";
import { createEventBus, type EventBus } from "./event-bus.ts";
import {
  createEvidencePool,
  type EvidenceAnswer,
  type EvidencePool,
} from "./evidence/evidence-pool.ts";
import type { PendingEvidence } from "./evidence/pending-list.ts";
import type { Genesis } from "./genesis.ts";
import type { GossipSink, RoundStepEvent } from "./gossip-sink.ts";
import { handshake } from "./handshake.ts";
import { InputQueue } from "./input-queue.ts";
import { MessageEdge } from "./message-edge.ts";
import type { EngineMetrics } from "./metrics.ts";
import { createOwnMessages } from "./own-messages.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";
import { openWriteAheadLog, type WriteAheadLog } from "./wal/write-ahead-log.ts";

export interface EngineOptions {
  readonly genesis: Genesis;
  /** What Info tells the application. */
  readonly softwareVersion: string;
  /** Directory of the write-ahead log, `data/cs.wal`. */
  readonly walDirectory: string;
  /** See `LogFilesOptions.onCorruption`. */
  readonly onWalCorruption: "refuse" | "truncate";
  /** Size at which the log's head is rotated; WAL_FILE_BYTES_MAX when it is not given. */
  readonly walFileBytesMax?: number;
  readonly timeouts: ConsensusTimeouts;
  /** Pause between a block and the next height, in ms. */
  readonly timeoutCommitMs: number;
  readonly skipTimeoutCommit: boolean;
  readonly createEmptyBlocks: boolean;
  /** Longest wait for transactions before an empty block, in ms; 0 waits without end. */
  readonly createEmptyBlocksIntervalMs: number;
  /** How far a block's time may lie ahead of our clock before we prevote nil, in ms. */
  readonly blockTimeToleranceMs: number;
  /** Blocks to look back for our own signature before the first vote; 0 does not look. */
  readonly doubleSignCheckHeight: number;
  /** Consensus stands still until block sync resumes it; for a node that has peers to ask. */
  readonly startsSuspended?: boolean;
}

/** CometBFT's `block_time_tolerance` (spec §10.4). */
export const DEFAULT_BLOCK_TIME_TOLERANCE_MS = 60_000;

export interface EngineDeps {
  readonly application: Application;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  /** Evidence that waits for a block. */
  readonly evidenceStore: KeyValueStore;
  /** Undefined on a node that only follows. */
  readonly privValidator: PrivValidator | undefined;
  /** `createGossipRelay` where the receiver is made after the engine. */
  readonly gossip: GossipSink;
  readonly verifier: SignatureVerifier;
  /** For evidence that strangers send; `verifier` when it is not given. */
  readonly incomingVerifier?: SignatureVerifier | undefined;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  /** Where the log lies. */
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  /** Whether the application's pool holds anything; asked at the start of each height. */
  readonly hasTxs: () => boolean;
  /** Tests only. */
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

export interface EngineStatus {
  /** Last committed height; 0 before the first. */
  readonly height: Height;
  /** True until handshake and replay are done, and while blocks are fetched instead of decided. */
  readonly catchingUp: boolean;
  /** Set when the engine stopped signing and processing (spec §13.7); the node is unhealthy. */
  readonly haltReason: string | undefined;
  /** Our validator key, whether or not it is in the set; undefined without one. */
  readonly publicKey: PublicKey | undefined;
  /** Wall time at which the height under way starts, or started. */
  readonly heightStartTime: Timestamp;
}

export interface Engine {
  /** Handshake with the application, replay of the log, then consensus. Rejects when it cannot start. */
  start(): Promise<void>;
  /** Finishes the block being applied, then syncs and closes the log. Stores stay open: they were given. */
  stop(): Promise<void>;
  status(): EngineStatus;
  /** Live view between steps; keep nothing of it. Height 0 until the handshake is done. */
  view(): RoundStateView;
  /** What NewRoundStep would say now, for a peer that just connected. */
  roundStep(): RoundStepEvent;
  /** State after the last applied block. Throws before the handshake is done. */
  chainState(): ChainState;
  receiveProposal(proposal: Proposal, origin: NodeId): void;
  receivePart(height: Height, round: Round, part: Part, origin: NodeId): void;
  receiveVote(vote: Vote, origin: NodeId): void;
  receiveMajorityClaim(
    height: Height,
    round: Round,
    type: VoteType,
    blockId: BlockId,
    origin: NodeId,
  ): void;
  /** The application's pool holds something to order (spec §13.5). */
  notifyTxsAvailable(): void;
  /** CheckTx, fenced around Commit. */
  checkTx(request: CheckTxRequest): Promise<CheckTxResponse>;
  /** CheckTx of new transactions in one go; answers in their order. */
  checkTxs(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]>;
  /** What block sync drives. Throws before the handshake is done. */
  syncTarget(): SyncTarget;
  /**
   * Evidence of a peer or a client: verified against the chain, kept until a block holds it.
   * @throws EngineError ENGINE_NOT_RUNNING
   */
  addEvidence(evidence: Evidence): Promise<EvidenceAnswer>;
  /** Evidence that waits for a block, oldest first: a live list. Empty before the handshake is done. */
  pendingEvidence(): readonly PendingEvidence[];
  /** Tells when evidence was added; returns how to stop. */
  onEvidenceAdded(listener: () => void): () => void;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly events: EventBus;
}

/**
 * An engine, not started.
 *
 *     const engine = createEngine(options, { ...home, application, gossip, ... });
 *     await engine.start();
 */
export function createEngine(options: EngineOptions, deps: EngineDeps): Engine {
  return new EmbeddedEngine(options, deps);
}

/** What exists once the engine knows its key and its state. */
interface Parts {
  readonly core: ConsensusCore;
  readonly edge: MessageEdge;
  readonly driver: ConsensusDriver;
  readonly executor: BlockExecutor;
  readonly wal: WriteAheadLog;
}

class EmbeddedEngine implements Engine {
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly events: EventBus = createEventBus();
  readonly #options: EngineOptions;
  readonly #deps: EngineDeps;
  readonly #gate: ReturnType<typeof createApplicationGate>;
  readonly #evidencePool: EvidencePool;
  #publicKey: PublicKey | undefined;
  #parts: Parts | undefined;
  #isStopped = false;

  constructor(options: EngineOptions, deps: EngineDeps) {
    this.#options = options;
    this.#deps = deps;
    this.blockStore = deps.blockStore;
    this.stateStore = deps.stateStore;
    this.#gate = createApplicationGate(deps.application);
    this.#evidencePool = createEvidencePool({
      store: deps.evidenceStore,
      blockStore: deps.blockStore,
      stateStore: deps.stateStore,
      verifier: deps.verifier,
      incomingVerifier: deps.incomingVerifier ?? deps.verifier,
      logger: deps.logger,
      metrics: deps.metrics,
    });
  }

  async start(): Promise<void> {
    if (this.#parts !== undefined) throw notRunning("it was started before");
    const { deps, events, gate } = { deps: this.#deps, events: this.events, gate: this.#gate };
    const { blockStore, stateStore, verifier, logger, clock, metrics, onCrashPoint } = deps;
    const { genesis, softwareVersion, blockTimeToleranceMs, walDirectory } = this.#options;
    const { onWalCorruption: onCorruption, walFileBytesMax } = this.#options;
    this.#publicKey = await deps.privValidator?.publicKey();
    const ownAddress = this.#publicKey && validatorAddress(this.#publicKey);
    const evidencePool = this.#evidencePool;
    await evidencePool.open();
    const shared = { gate, blockStore, stateStore, evidencePool, verifier, clock, events };
    const executor = createBlockExecutor(
      { blockTimeToleranceMs },
      { ...shared, logger, metrics, onCrashPoint },
    );
    const state = await handshake(
      { genesis, softwareVersion },
      { gate, blockStore, stateStore, executor, logger },
    );
    if (ownAddress !== undefined) await this.#checkDoubleSignRisk(ownAddress);
    const wal = await openWriteAheadLog(
      {
        directory: walDirectory,
        onCorruption,
        ...(walFileBytesMax === undefined ? {} : { fileBytesMax: walFileBytesMax }),
      },
      { fileSystem: deps.fileSystem, logger, clock, metrics },
    );
    try {
      const { timeouts, createEmptyBlocks, createEmptyBlocksIntervalMs, skipTimeoutCommit } =
        this.#options;
      const core = createConsensusCore({
        ownAddress,
        timeouts,
        createEmptyBlocks,
        createEmptyBlocksIntervalMs,
        skipTimeoutCommit,
      });
      const queue = new InputQueue();
      const ownMessages =
        deps.privValidator &&
        ownAddress &&
        createOwnMessages(
          { chainId: genesis.chainId, ownAddress },
          {
            ...deps,
            privValidator: deps.privValidator,
            executor,
            isHalted: () => driver.haltReason !== undefined,
          },
        );
      const driver: ConsensusDriver = new ConsensusDriver(
        {
          timeoutCommitMs: this.#options.timeoutCommitMs,
          ownAddress,
          startsSuspended: this.#options.startsSuspended ?? false,
        },
        {
          ...shared,
          ...deps,
          core,
          queue,
          wal,
          executor,
          ownMessages,
          onHeightStarted: () => edge.heightStarted(),
        },
        state,
      );
      const edge: MessageEdge = new MessageEdge(
        { chainId: genesis.chainId },
        {
          queue,
          verifier,
          executor,
          clock,
          metrics,
          view: () => core.view,
          state: () => driver.state,
          isRunning: () => driver.isRunning,
          onMisbehaviour: (peer, reason) => deps.gossip.peerMisbehaved(peer, reason),
          onFatal: (error) => driver.halt(error),
        },
      );
      this.#parts = { core, edge, driver, executor, wal };
      await driver.start();
    } catch (error) {
      this.#parts = undefined;
      await wal.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined || this.#isStopped) return;
    this.#isStopped = true;
    await parts.driver.stop();
    this.events.close();
    // A log that could not be written was reported when it happened.
    if (parts.driver.haltReason === undefined) await parts.wal.close();
    else await Promise.allSettled([parts.wal.close()]);
  }

  status(): EngineStatus {
    const driver = this.#parts?.driver;
    const { clock } = this.#deps;
    const untilStartMs = (driver?.startTimeMs ?? 0) - clock.monotonicMs();
    return {
      height: driver?.state.lastBlockHeight ?? this.blockStore.height(),
      catchingUp: driver?.hasBegun !== true || driver.isSuspended,
      haltReason: driver?.haltReason,
      publicKey: this.#publicKey,
      heightStartTime:
        driver === undefined
          ? this.#options.genesis.genesisTime
          : addMs(clock.now(), Math.round(untilStartMs)),
    };
  }

  view(): RoundStateView {
    return this.#running().core.view;
  }

  roundStep(): RoundStepEvent {
    return this.#running().driver.roundStep();
  }

  chainState(): ChainState {
    return this.#running().driver.state;
  }

  syncTarget(): SyncTarget {
    const { driver, executor } = this.#running();
    return {
      chainId: this.#options.genesis.chainId,
      ownAddress: this.#publicKey && validatorAddress(this.#publicKey),
      state: () => driver.state,
      needsBlock: () => driver.needsBlock,
      isSuspended: () => driver.isSuspended && driver.haltReason === undefined,
      suspend: () => driver.suspend(),
      resume: () => driver.resume(),
      // Who asks has seen that +2/3 signed the block.
      async findFault(block, blockId, isCommitVerified) {
        const fault = await executor.findFault(driver.state, block, blockId, isCommitVerified);
        return fault?.isTolerable === true ? undefined : fault;
      },
      apply: (record) => driver.applySynced(record),
      halt: (error) => driver.halt(error),
    };
  }

  async addEvidence(evidence: Evidence): Promise<EvidenceAnswer> {
    return this.#evidencePool.add(this.#running().driver.state, evidence);
  }

  pendingEvidence(): readonly PendingEvidence[] {
    return this.#evidencePool.waiting();
  }

  onEvidenceAdded(listener: () => void): () => void {
    return this.#evidencePool.onAdded(listener);
  }

  receiveProposal(proposal: Proposal, origin: NodeId): void {
    this.#parts?.edge.receiveProposal(proposal, origin);
  }

  receivePart(height: Height, round: Round, part: Part, origin: NodeId): void {
    this.#parts?.edge.receivePart(height, round, part, origin);
  }

  receiveVote(vote: Vote, origin: NodeId): void {
    this.#parts?.edge.receiveVote(vote, origin);
  }

  receiveMajorityClaim(
    height: Height,
    round: Round,
    type: VoteType,
    blockId: BlockId,
    origin: NodeId,
  ): void {
    this.#parts?.edge.receiveMajorityClaim(height, round, type, blockId, origin);
  }

  notifyTxsAvailable(): void {
    this.#parts?.driver.txsAvailable();
  }

  checkTx(request: CheckTxRequest): Promise<CheckTxResponse> {
    return this.#gate.checkTx(request);
  }

  checkTxs(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]> {
    return this.#gate.checkTxs(txs);
  }

  /** §15.3: our own signature in a recent block means that another process may sign with our key. */
  async #checkDoubleSignRisk(ownAddress: Uint8Array): Promise<void> {
    const last = this.blockStore.height();
    const first = Math.max(last - this.#options.doubleSignCheckHeight + 1, this.blockStore.base());
    for (let height = last as number; height >= first && height > 0; height--) {
      const commit = await this.blockStore.seenCommit(Height(height));
      if (commit === undefined || !hasOwnSignature(commit, ownAddress)) continue;
      throw new EngineError(
        { code: "ENGINE_DOUBLE_SIGN_RISK", height },
        `cannot start: block ${height} holds a signature of this validator, within the last ${this.#options.doubleSignCheckHeight} blocks (double_sign_check_height): make sure that no other process signs with this key, wait as many blocks, then start again`,
      );
    }
  }

  #running(): Parts {
    if (this.#parts === undefined) throw notRunning("start it first");
    return this.#parts;
  }
}

function notRunning(reason: string): EngineError {
  return new EngineError(
    { code: "ENGINE_NOT_RUNNING", reason },
    `the engine does not run: ${reason}`,
  );
}
