/**
 * The loop around the core (spec/cometbft-v0.38.md §13, §15): takes what waits, logs it, makes it
 * durable when it holds a message of ours, steps the core, carries out the effects in order.
 * Application, signer and disk are awaited outside the loop; their answers come back as inputs. Only
 * a decided block stops the loop until it is applied, as in CometBFT.
 */
import { Round, type Height } from "../../proto/brands.ts";
import { assert, assertNever } from "../../proto/errors.ts";
import type { Part } from "../../proto/types.ts";
import { blockIdsEqual } from "../../proto/validate-basic.ts";
import type { ConsensusCore } from "../consensus/consensus-core.ts";
import type { ConsensusEffect } from "../consensus/effects.ts";
import type { ConsensusInput } from "../consensus/inputs.ts";
import { Step } from "../consensus/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import type { BlockRecord, BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import { plainCommit, type BlockExecutor } from "./block-executor.ts";
import { nextHeight } from "./chain-state.ts";
import { ConsensusMetrics, STEP_NAMES } from "./consensus-metrics.ts";
import { areExtensionsEnabled } from "./consensus-params.ts";
import type { OnCrashPoint } from "./crash-points.ts";
import type { EventBus } from "./event-bus.ts";
import type { EvidencePool } from "./evidence/evidence-pool.ts";
import { reportConflictingProposals } from "./evidence/conflicting-proposals.ts";
import type { GossipSink, RoundStepEvent } from "./gossip-sink.ts";
import { heightContext, lacksExtensions, storedLastCommit } from "./height-context.ts";
import type { InputQueue } from "./input-queue.ts";
import type { TimeoutEffect } from "./idle-wait.ts";
import { INPUT_BATCH_MAX, REASON_LENGTH_MAX } from "./limits.ts";
import type { EngineMetrics } from "./metrics.ts";
import type { OwnMessages } from "./own-messages.ts";
import { loadLoggedHeight, ownMessageOf } from "./replay.ts";
import { RoundTimer } from "./round-timer.ts";
import { inputToWalEntries } from "./wal/wal-entry.ts";
import type { WriteAheadLog } from "./wal/write-ahead-log.ts";

export interface ConsensusDriverOptions {
  /** Pause between a block and the next height, in ms (`timeout_commit`). */
  readonly timeoutCommitMs: number;
  readonly ownAddress: Uint8Array | undefined;
  /** Begin suspended: block sync resumes consensus when this node is at the tip. */
  readonly startsSuspended: boolean;
}

export interface ConsensusDriverDeps {
  readonly core: ConsensusCore;
  readonly queue: InputQueue;
  readonly wal: WriteAheadLog;
  readonly executor: BlockExecutor;
  readonly blockStore: BlockStore;
  readonly evidencePool: Pick<EvidencePool, "reportConflict">;
  /** Undefined on a node without a validator key. */
  readonly ownMessages: OwnMessages | undefined;
  readonly gossip: GossipSink;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  /** Something to order waits in the application's pool. */
  readonly hasTxs: () => boolean;
  /** After the core began a height. */
  readonly onHeightStarted: () => void;
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

type EffectOf<K extends ConsensusEffect["kind"]> = Extract<ConsensusEffect, { readonly kind: K }>;

export class ConsensusDriver {
  readonly #options: ConsensusDriverOptions;
  readonly #deps: ConsensusDriverDeps;
  readonly #consensusMetrics: ConsensusMetrics;
  #state: ChainState;
  readonly #timer: RoundTimer;
  #loop: Promise<void> | undefined;
  #phase: "new" | "running" | "suspended" | "stopping" = "new";
  /** What the height under way asked for was carried out at least once. */
  #hasRun = false;
  #haltReason: string | undefined;
  /** Requests under way, so that a stop can wait for them. */
  readonly #tasks = new Set<Promise<void>>();
  /** Monotonic ms at which round 0 of this height starts. */
  #startTimeMs = 0;
  #announcedStep: Step = Step.NEW_HEIGHT;
  #txsAnnouncedAt: number | undefined;
  #needsBlock = false;

  constructor(options: ConsensusDriverOptions, deps: ConsensusDriverDeps, state: ChainState) {
    this.#options = options;
    this.#deps = deps;
    this.#state = state;
    this.#consensusMetrics = new ConsensusMetrics(deps.metrics, deps.clock, options.ownAddress);
    this.#timer = new RoundTimer({
      clock: deps.clock,
      onElapsed: (timeout) => this.#timedOut(timeout),
    });
  }

  get state(): ChainState {
    return this.#state;
  }

  get haltReason(): string | undefined {
    return this.#haltReason;
  }

  /** Handshake and replay are over. */
  get hasBegun(): boolean {
    return this.#phase !== "new";
  }

  get isRunning(): boolean {
    return this.#phase === "running" && this.#haltReason === undefined;
  }

  /** Consensus stands still; blocks come from block sync. */
  get isSuspended(): boolean {
    return this.#phase === "suspended";
  }

  /** A block has to come from block sync before consensus can go on: the last one has no extensions here. */
  get needsBlock(): boolean {
    return this.#needsBlock;
  }

  /** Monotonic ms at which the height under way starts, or started. */
  get startTimeMs(): number {
    return this.#startTimeMs;
  }

  /** Replays the log of the height under way and begins the loop. */
  async start(): Promise<void> {
    const { wal, logger, core, blockStore } = this.#deps;
    if (this.#options.startsSuspended && (await lacksExtensions(this.#state, blockStore))) {
      this.#needsBlock = true;
      this.#phase = "suspended";
      return;
    }
    const logged = await loadLoggedHeight(this.#state, wal, logger);
    const lastCommit = await storedLastCommit(this.#state, blockStore);
    const last = await blockStore.meta(this.#state.lastBlockHeight);
    const startDelayMs = logged.startDelayMs ?? this.#options.timeoutCommitMs;
    const context = heightContext(this.#state, lastCommit, last?.header.appHash, startDelayMs);
    const begin: ConsensusInput = { kind: "heightStarted", context };
    if (logged.startDelayMs === undefined) this.#log(begin);
    this.#startTimeMs = this.#deps.clock.monotonicMs() + startDelayMs;
    for (const input of logged.inputs) {
      const message = ownMessageOf(input);
      if (message !== undefined) await this.#deps.ownMessages?.remember(message);
    }
    for (const input of [begin, ...logged.inputs]) this.#replay(input);
    if (logged.inputs.length > 0) {
      const { height, round, step } = core.view;
      logger.info("height resumed from the log", {
        height,
        round,
        step: STEP_NAMES[step],
        inputs: logged.inputs.length,
      });
    }
    if (this.#options.startsSuspended) this.#phase = "suspended";
    else this.#goOn();
  }

  async stop(): Promise<void> {
    if (this.#phase === "new") return;
    this.#phase = "stopping";
    await this.#standStill();
  }

  /**
   * Stops deciding, so that blocks can come from block sync: when it resolves nothing is being signed,
   * asked or applied, and nothing will be until `resume`. False when there is nothing to suspend.
   */
  async suspend(): Promise<boolean> {
    if (!this.isRunning) return this.isSuspended && this.#haltReason === undefined;
    this.#phase = "suspended";
    await this.#standStill();
    return this.isSuspended && this.#haltReason === undefined;
  }

  /**
   * Stores and executes the next block, whose commit was verified. The log is not written: a restart
   * finds no end of the last height in it and begins the next height anew.
   * @throws what the executor throws; the engine must not go on then.
   */
  async applySynced(record: BlockRecord): Promise<void> {
    assert(this.isSuspended, "blocks of elsewhere are applied while consensus stands still");
    const applied = this.#applySynced(record);
    this.#task(applied);
    await applied;
  }

  /** Goes on deciding: the same height as it was left, or the one after the last synced block. */
  async resume(): Promise<void> {
    if (!this.isSuspended || this.#haltReason !== undefined) return;
    assert(!this.#needsBlock, "consensus goes on when the last block is here");
    const { core, queue, wal, blockStore } = this.#deps;
    if (core.view.height === nextHeight(this.#state)) {
      this.#goOn();
      return;
    }
    const { lastBlockHeight } = this.#state;
    const lastCommit = await storedLastCommit(this.#state, blockStore);
    const last = await blockStore.meta(lastBlockHeight);
    wal.append({ kind: "endHeight", height: lastBlockHeight });
    await wal.sync();
    if (!this.isSuspended || this.#haltReason !== undefined) return;
    // Votes for heights that were decided without us, answers among them; the guard remembers ours.
    queue.clear();
    const startDelayMs = this.#options.timeoutCommitMs;
    const context = heightContext(this.#state, lastCommit, last?.header.appHash, startDelayMs);
    const begin: ConsensusInput = { kind: "heightStarted", context };
    this.#log(begin);
    this.#startTimeMs = this.#deps.clock.monotonicMs() + startDelayMs;
    const effects = core.step(begin);
    this.#hasRun = true;
    this.#phase = "running";
    this.#afterHeightStarted();
    this.#loop = this.#run(effects);
  }

  /** Carries on with the height under way; what was asked before is not asked again. */
  #goOn(): void {
    const { core } = this.#deps;
    const outstanding = core.outstanding();
    const due = this.#hasRun
      ? outstanding.filter(({ kind }) => kind === "scheduleTimeout")
      : outstanding;
    this.#hasRun = true;
    this.#phase = "running";
    this.#afterHeightStarted();
    this.#announceStep(core.view.height, core.view.round, core.view.step);
    this.#loop = this.#run(due);
  }

  /** Ends the loop and waits for all that is under way. */
  async #standStill(): Promise<void> {
    this.#timer.cancel();
    this.#deps.queue.wake();
    this.#deps.ownMessages?.giveUp();
    await this.#loop;
    // What its last turn has asked for since.
    this.#deps.ownMessages?.giveUp();
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
    await this.#deps.ownMessages?.idle();
  }

  async #applySynced(record: BlockRecord): Promise<void> {
    const { executor, blockStore, logger, onCrashPoint } = this.#deps;
    const { block, blockId, parts } = record;
    const { height } = block.header;
    const before = this.#state;
    assert(height === nextHeight(before), `block ${height} follows ${before.lastBlockHeight}`);
    const store = async (): Promise<void> => {
      await blockStore.save(record);
      await onCrashPoint?.("blockSaved", height);
    };
    this.#state = await executor.applyBlock(before, block, blockId, store());
    this.#needsBlock = false;
    this.#consensusMetrics.blockCommitted(block, before, sizeOf(parts));
    logger.debug("block synced", { height, txs: block.txs.length });
  }

  /** What NewRoundStep says now. */
  roundStep(): RoundStepEvent {
    const { height, round, step } = this.#deps.core.view;
    return this.#roundStep(height, round, step);
  }

  /** The application's pool holds something. */
  txsAvailable(): void {
    const { height } = this.#deps.core.view;
    if (!this.isRunning || this.#txsAnnouncedAt === height) return;
    this.#txsAnnouncedAt = height;
    this.#deps.queue.pushOwn({ kind: "txsAvailable", height });
  }

  /** Stops signing and processing for good (§13.7); the process stays up and says so. */
  halt(error: unknown): void {
    if (this.#haltReason !== undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#haltReason = reason;
    this.#timer.cancel();
    const { logger, metrics, events, queue } = this.#deps;
    const { height, round, step } = this.#deps.core.view;
    logger.error("consensus failure: signing and processing stopped", {
      height,
      round,
      step: STEP_NAMES[step],
      reason,
      error,
    });
    metrics.halted.set(1);
    events.publish({ kind: "Halted", reason });
    queue.wake();
  }

  async #run(outstanding: readonly ConsensusEffect[]): Promise<void> {
    const { queue } = this.#deps;
    try {
      await this.#execute(outstanding);
      this.#timer.endIdleWait(this.#deps.core.view);
      while (this.isRunning) {
        await queue.wait();
        if (!this.isRunning) return;
        await this.#handle(queue.take(INPUT_BATCH_MAX));
      }
    } catch (error) {
      this.halt(error);
    }
  }

  /** Logs a batch, syncs once if it must, then steps input by input. */
  async #handle(batch: readonly ConsensusInput[]): Promise<void> {
    const { wal, metrics, queue, ownMessages, yieldToLoop, onCrashPoint } = this.#deps;
    for (const input of batch) this.#log(input);
    if (batch.some((input) => ownMessageOf(input) !== undefined)) {
      // One sync holds what led to the message, and the message: neither is remembered without the other.
      await Promise.all([wal.sync(), ownMessages?.settled()]);
      await onCrashPoint?.("ownMessageDurable", this.#deps.core.view.height);
    } else {
      // Peers' messages and timeouts may be lost with the power, not with the process.
      this.#task(wal.flush());
      await yieldToLoop();
    }
    for (const [at, input] of batch.entries()) {
      // A halt from elsewhere may come between two inputs.
      if (this.#haltReason !== undefined) return;
      const before = this.#state;
      await this.#execute(this.#deps.core.step(input));
      // What is stepped in the next height has to stand in its log too: a last precommit may be all
      // that started its first round.
      if (this.#state !== before) for (const later of batch.slice(at + 1)) this.#log(later);
    }
    this.#timer.endIdleWait(this.#deps.core.view);
    const { own, peer } = queue.depths;
    metrics.inputQueueDepth.set(own, { queue: "own" });
    metrics.inputQueueDepth.set(peer, { queue: "peer" });
  }

  #log(input: ConsensusInput): void {
    for (const entry of inputToWalEntries(input)) this.#deps.wal.append(entry);
  }

  /** The core is told again; what it asks for was done, or is asked for once more at the end. */
  #replay(input: ConsensusInput): void {
    for (const effect of this.#deps.core.step(input)) {
      if (effect.kind === "conflictingVotes") {
        this.#deps.evidencePool.reportConflict(effect.first, effect.second);
      } else if (effect.kind === "conflictingProposals") {
        reportConflictingProposals(effect, this.#deps);
      }
    }
  }

  /** Carries out effects in order; the commit of a block comes last and begins the next height. */
  async #execute(effects: readonly ConsensusEffect[]): Promise<void> {
    let commit: EffectOf<"commitBlock"> | undefined;
    for (const effect of effects) {
      if (effect.kind === "commitBlock") commit = effect;
      else this.#perform(effect);
    }
    if (commit !== undefined) await this.#commit(commit);
  }

  #perform(effect: Exclude<ConsensusEffect, EffectOf<"commitBlock">>): void {
    const { gossip, events, evidencePool, metrics, logger } = this.#deps;
    switch (effect.kind) {
      case "scheduleTimeout":
        this.#timer.start(effect);
        return;
      case "createBlock":
        this.#task(this.#createBlock(effect));
        return;
      case "signProposal":
        this.#task(this.#signProposal(effect));
        return;
      case "validateBlock":
        this.#task(this.#validateBlock(effect));
        return;
      case "signVote":
        this.#task(this.#signVote(effect));
        return;
      case "gossipProposal":
        gossip.proposal(effect.proposal, effect.origin);
        return;
      case "gossipPart":
        gossip.part(effect.height, effect.round, effect.part, effect.origin);
        return;
      case "gossipVote":
        gossip.vote(effect.vote, effect.origin);
        gossip.hasVote(effect.vote);
        events.publish({ kind: "Vote", vote: effect.vote });
        return;
      case "stepChanged":
        this.#announceStep(effect.height, effect.round, effect.step);
        return;
      case "validBlockSeen": {
        const { height, round, partSetHeader, parts, isCommit } = effect;
        gossip.newValidBlock({ height, round, partSetHeader, parts, isCommit });
        if (!isCommit) {
          this.#consensusMetrics.quorumPrevoted(this.#deps.core.view);
          events.publish({ kind: "ValidBlock", height, round, step: this.#announcedStep });
        }
        return;
      }
      case "conflictingVotes":
        logger.warn("a validator signed two votes that exclude each other", {
          validator: effect.first.validatorIndex,
          height: effect.first.height,
          round: effect.first.round,
        });
        evidencePool.reportConflict(effect.first, effect.second);
        return;
      case "conflictingProposals":
        reportConflictingProposals(effect, this.#deps);
        return;
      case "peerMisbehaved":
        gossip.peerMisbehaved(effect.peer, effect.reason);
        return;
      case "inputIgnored":
        metrics.inputsIgnored.inc({ code: effect.code });
        logger.debug("input ignored", { code: effect.code, detail: effect.detail });
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  #timedOut({ height, round, step, durationMs }: TimeoutEffect): void {
    if (!this.isRunning) return;
    if (step !== Step.NEW_HEIGHT) {
      this.#deps.logger.debug("timed out", { height, round, step: STEP_NAMES[step], durationMs });
    }
    this.#deps.queue.pushOwn({ kind: "timeoutElapsed", height, round, step });
  }

  async #createBlock({ height, round, lastCommit }: EffectOf<"createBlock">): Promise<void> {
    const { executor, queue } = this.#deps;
    const { ownAddress } = this.#options;
    assert(ownAddress !== undefined, "only a validator is asked for a block");
    const created = await executor.createProposalBlock(this.#state, lastCommit, ownAddress);
    if (created === undefined) return;
    queue.pushOwn({ kind: "blockCreated", height, round, ...created });
  }

  async #validateBlock(effect: EffectOf<"validateBlock">): Promise<void> {
    const { executor, queue, events, core } = this.#deps;
    const { height, blockId, block } = effect;
    const state = this.#state;
    const fault = await executor.findFault(state, block, blockId);
    if (fault !== undefined) {
      const reason = brief(`${fault.rule}: ${fault.message}`);
      this.#refused(effect, reason);
      queue.pushOwn({
        kind: "blockValidated",
        height,
        blockId,
        isValid: fault.isTolerable === true,
        isAccepted: false,
        reason,
      });
      return;
    }
    const { proposal } = core.view;
    if (proposal !== undefined && blockIdsEqual(proposal.blockId, blockId)) {
      events.publish({ kind: "CompleteProposal", proposal, blockId });
    }
    let reason = effect.withApplication ? (executor.timeFault(block) ?? "") : "";
    if (effect.withApplication && reason === "") {
      const verdict = await executor.processProposal(state, block, blockId);
      if (!verdict.accept)
        reason = brief(verdict.reason === "" ? "no reason given" : verdict.reason);
    }
    const isAccepted = reason === "";
    if (!isAccepted) this.#refused(effect, reason);
    queue.pushOwn({ kind: "blockValidated", height, blockId, isValid: true, isAccepted, reason });
  }

  #refused({ height, round }: EffectOf<"validateBlock">, reason: string): void {
    this.#deps.logger.warn("proposed block refused, prevoting nil", { height, round, reason });
  }

  async #signProposal(effect: EffectOf<"signProposal">): Promise<void> {
    const { ownMessages, queue } = this.#deps;
    assert(ownMessages !== undefined, "only a validator is asked to sign");
    const { height, round } = effect.proposal;
    const proposal = await ownMessages.signProposal(effect);
    queue.pushOwn({ kind: "proposalSigned", height, round, proposal });
  }

  async #signVote(effect: EffectOf<"signVote">): Promise<void> {
    const { ownMessages, queue } = this.#deps;
    assert(ownMessages !== undefined, "only a validator is asked to sign");
    const { height, round, type } = effect;
    const vote = await ownMessages.signVote(effect, this.#state);
    queue.pushOwn({ kind: "voteSigned", height, round, type, vote });
  }

  /** §13.2 finalizeCommit: save, mark the height's end, apply, begin the next height. */
  async #commit(effect: EffectOf<"commitBlock">): Promise<void> {
    const { executor, clock, logger, onCrashPoint } = this.#deps;
    const { height, round, block, blockId, parts, commit } = effect;
    const committedMs = clock.monotonicMs();
    const before = this.#state;
    assert(height === nextHeight(before), `height ${height} follows ${before.lastBlockHeight}`);
    await onCrashPoint?.("blockDecided", height);
    const isStored = this.#store(effect, before);
    this.#state = await executor.applyBlock(before, block, blockId, isStored);
    this.#consensusMetrics.blockCommitted(block, before, sizeOf(parts));
    logger.debug("block committed", { height, round, txs: block.txs.length });

    const delayMs = committedMs + this.#options.timeoutCommitMs - clock.monotonicMs();
    const startDelayMs = Math.max(0, Math.ceil(delayMs));
    this.#startTimeMs = committedMs + this.#options.timeoutCommitMs;
    const context = heightContext(this.#state, commit, block.header.appHash, startDelayMs);
    const begin: ConsensusInput = { kind: "heightStarted", context };
    this.#log(begin);
    const effects = this.#deps.core.step(begin);
    this.#afterHeightStarted();
    await this.#execute(effects);
  }

  /**
   * The block, durable, then the mark in the log that it is stored. Whatever is synced later in the log
   * makes the mark durable; a restart that does not find it begins the next height, of which nothing
   * was sent, anew.
   */
  async #store(effect: EffectOf<"commitBlock">, state: ChainState): Promise<void> {
    const { blockStore, wal, onCrashPoint } = this.#deps;
    const { height, block, blockId, parts, commit } = effect;
    if (blockStore.height() < height) {
      const isExtended = areExtensionsEnabled(state.consensusParams, height);
      const extendedCommit = isExtended ? commit : undefined;
      const seenCommit = plainCommit(commit);
      await blockStore.save({ block, blockId, parts, seenCommit, extendedCommit });
    }
    await onCrashPoint?.("blockSaved", height);
    wal.append({ kind: "endHeight", height });
    await onCrashPoint?.("endHeightLogged", height);
  }

  #afterHeightStarted(): void {
    this.#consensusMetrics.heightStarted(this.#deps.core.view);
    this.#deps.onHeightStarted();
    if (this.#deps.hasTxs()) this.txsAvailable();
  }

  #announceStep(height: Height, round: Round, step: Step): void {
    const { gossip, events, core, ownMessages } = this.#deps;
    ownMessages?.movedTo(height, round, step);
    this.#consensusMetrics.stepChanged(step, round);
    gossip.newRoundStep(this.#roundStep(height, round, step));
    if (step === Step.PRECOMMIT && core.view.lockedRound === round) {
      events.publish({ kind: "Polka", height, round, step: this.#announcedStep });
      events.publish({ kind: "Lock", height, round, step: this.#announcedStep });
    }
    this.#announcedStep = step;
    events.publish({ kind: "NewRoundStep", height, round, step });
    if (step === Step.NEW_ROUND) {
      events.publish({ kind: "NewRound", height, round, proposer: core.view.proposer });
    }
  }

  #roundStep(height: Height, round: Round, step: Step): RoundStepEvent {
    const elapsedMs = this.#deps.clock.monotonicMs() - this.#startTimeMs;
    return {
      height,
      round,
      step,
      secondsSinceStartTime: Math.trunc(elapsedMs / 1_000),
      lastCommitRound: this.#deps.core.view.lastCommit?.round ?? Round(-1),
    };
  }

  /** Runs beside the loop; a failure is a consensus failure. */
  #task(work: Promise<void>): void {
    const task: Promise<void> = work
      .catch((error: unknown) => this.halt(error))
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.bytes.length, 0);
}

function brief(reason: string): string {
  return reason.slice(0, REASON_LENGTH_MAX);
}
