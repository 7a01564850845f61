/** Making, checking and applying blocks (spec/cometbft-v0.38.md §10). */
import { txsBytes } from "../../proto/codec/block.ts";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { encodeEvidenceList } from "../../proto/codec/block.ts";
import { AssertionFailure } from "../../proto/errors.ts";
import { addMs, compareTime } from "../../proto/time.ts";
import {
  BlockIdFlag,
  type Block,
  type BlockId,
  type Commit,
  type Evidence,
  type ExtendedCommit,
} from "../../proto/types.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type {
  Application,
  FinalizeBlockResponse,
  PrepareProposalRequest,
  Verdict,
  VerifyVoteExtensionRequest,
} from "../abci/application.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { StateStore } from "../store/state-store.ts";
import { blockRequest, extendedCommitInfo, misbehavior } from "./abci-requests.ts";
import type { ApplicationGate } from "../abci/application-gate.ts";
import { blockFaultToError, findBlockFault, type BlockFault } from "./block-validation.ts";
import { advanceChainState, nextHeightRules } from "./chain-state.ts";
import type { OnCrashPoint } from "./crash-points.ts";
import { EngineError } from "./errors.ts";
import type { EventBus } from "./event-bus.ts";
import type { EvidencePool } from "./evidence/evidence-pool.ts";
import { VALIDATED_BLOCKS_MAX } from "./limits.ts";
import {
  completeBlock,
  dataBytesMax,
  emptyCommit,
  makeBlock,
  type CompleteBlock,
} from "./make-block.ts";
import type { EngineMetrics } from "./metrics.ts";

export interface BlockExecutorOptions {
  /** How far a block's time may lie ahead of our clock before we prevote nil, in ms (§10.4). */
  readonly blockTimeToleranceMs: number;
}

export interface BlockExecutorDeps {
  readonly gate: ApplicationGate;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly evidencePool: Pick<EvidencePool, "pending" | "check" | "update">;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  readonly onCrashPoint?: OnCrashPoint | undefined;
}

export interface BlockExecutor {
  /**
   * A block of ours for the next height, made by PrepareProposal (§10.1). Undefined when the height
   * was decided meanwhile: the application is asked about a height only before its FinalizeBlock.
   */
  createProposalBlock(
    state: ChainState,
    lastCommit: ExtendedCommit | undefined,
    proposerAddress: Uint8Array,
  ): Promise<CompleteBlock | undefined>;
  /**
   * The first rule that the block breaks; remembered by block id. `isCommitVerified`: its last commit
   * was verified already, as in block sync.
   */
  findFault(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    isCommitVerified?: boolean,
  ): Promise<BlockFault | undefined>;
  /** Why we should not prevote a valid block whose time our clock has not reached. */
  timeFault(block: Block): string | undefined;
  processProposal(state: ChainState, block: Block, blockId: BlockId): Promise<Verdict>;
  /** Our extension for a block; undefined when the height was decided meanwhile. */
  extendVote(state: ChainState, block: Block, blockId: BlockId): Promise<Uint8Array | undefined>;
  /** A verdict on a peer's, or our own, extension; accepted unasked when the height is decided (§14). */
  verifyVoteExtension(request: VerifyVoteExtensionRequest): Promise<Verdict>;
  /**
   * Executes a decided block and returns the state after it. FinalizeBlock, which leaves nothing behind,
   * may run while the block is being stored; then its answer and the state that follows from it are
   * stored in one write, and only then the application commits: one that a crash leaves behind is told
   * the block again.
   * @throws EngineError; whatever it throws, the engine must not go on.
   */
  applyBlock(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    isStored: Promise<void>,
  ): Promise<ChainState>;
  /** The last steps of `applyBlock` when the application committed before the state was stored (§15.4). */
  finishApplied(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    response: FinalizeBlockResponse,
  ): Promise<ChainState>;
  /** What follows the state of a block, done again: a crash may have come between. */
  followState(state: ChainState, block: Block): Promise<void>;
  /** FinalizeBlock and Commit alone, for an application that is behind (§15.4). */
  replayToApplication(
    block: Block,
    blockId: BlockId,
    stateBefore: Pick<ChainState, "lastValidators">,
  ): Promise<Uint8Array>;
}

export function createBlockExecutor(
  options: BlockExecutorOptions,
  deps: BlockExecutorDeps,
): BlockExecutor {
  return new Executor(options, deps);
}

class Executor implements BlockExecutor {
  readonly #options: BlockExecutorOptions;
  readonly #deps: BlockExecutorDeps;
  /** Verdicts of valid-or-not by block id, since one block is asked about up to three times. */
  readonly #faults = new Map<string, Promise<BlockFault | undefined>>();
  /** Last height whose FinalizeBlock was called. */
  #finalizedHeight = 0;

  constructor(options: BlockExecutorOptions, deps: BlockExecutorDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  async createProposalBlock(
    state: ChainState,
    lastCommit: ExtendedCommit | undefined,
    proposerAddress: Uint8Array,
  ): Promise<CompleteBlock | undefined> {
    const { gate, evidencePool, metrics } = this.#deps;
    const rules = nextHeightRules(state);
    const evidence = evidencePool.pending(Number(state.consensusParams.evidence.maxBytes));
    const bytesMax = dataBytesMax(
      rules.blockBytesMax,
      state.validators.validators.length,
      evidenceBytes(evidence),
    );
    const content = { evidence, lastCommit: plainCommit(lastCommit), proposerAddress };
    const draft = makeBlock(state, { ...content, txs: [] }).header;
    const request: PrepareProposalRequest = {
      maxTxBytes: bytesMax,
      // The pool is the application's; there is none of ours to draw from.
      txs: [],
      localLastCommit: extendedCommitInfo(lastCommit, state.lastValidators, rules.wasLastExtended),
      misbehavior: misbehavior(evidence),
      height: draft.height,
      time: draft.time,
      nextValidatorsHash: draft.nextValidatorsHash,
      proposerAddress,
    };
    const txs = await gate.call("PrepareProposal", async (app) =>
      this.#isDecided(draft.height) ? undefined : app.prepareProposal(request),
    );
    if (txs === undefined) return undefined;
    const bytes = txsBytes(txs);
    if (bytes > bytesMax) {
      throw applicationFault(
        "PrepareProposal",
        `transactions of at most ${bytesMax} bytes together`,
        `${bytes} bytes`,
      );
    }
    metrics.proposalCreateCount.inc();
    return completeBlock(makeBlock(state, { ...content, txs }));
  }

  findFault(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    isCommitVerified = false,
  ): Promise<BlockFault | undefined> {
    const key = `${state.lastBlockHeight}/${toHex(blockId.hash)}/${toHex(blockId.partSetHeader.hash)}`;
    const known = this.#faults.get(key);
    if (known !== undefined) return known;
    const fault = this.#findFault(state, block, isCommitVerified);
    this.#faults.set(key, fault);
    if (this.#faults.size > VALIDATED_BLOCKS_MAX) {
      const [oldest] = this.#faults.keys();
      if (oldest !== undefined) this.#faults.delete(oldest);
    }
    return fault;
  }

  timeFault(block: Block): string | undefined {
    const { blockTimeToleranceMs: toleranceMs } = this.#options;
    // As CometBFT has it (`state/validation.go`): nothing is asked then.
    if (toleranceMs === 0) return undefined;
    const limit = addMs(this.#deps.clock.now(), toleranceMs);
    if (compareTime(block.header.time, limit) < 0) return undefined;
    return `the block's time lies more than ${toleranceMs} ms ahead of our clock`;
  }

  async processProposal(state: ChainState, block: Block, blockId: BlockId): Promise<Verdict> {
    const { gate, metrics } = this.#deps;
    const request = blockRequest(block, blockId.hash, state.lastValidators);
    const verdict = await gate.call("ProcessProposal", async (app): Promise<Verdict> => {
      const isLate = this.#isDecided(request.height);
      return isLate
        ? { accept: false, reason: "the height is decided" }
        : app.processProposal(request);
    });
    metrics.proposalReceiveCount.inc({ status: verdict.accept ? "accepted" : "rejected" });
    return verdict;
  }

  extendVote(state: ChainState, block: Block, blockId: BlockId): Promise<Uint8Array | undefined> {
    const request = blockRequest(block, blockId.hash, state.lastValidators);
    return this.#deps.gate.call("ExtendVote", async (app) =>
      this.#isDecided(request.height) ? undefined : app.extendVote(request),
    );
  }

  async verifyVoteExtension(request: VerifyVoteExtensionRequest): Promise<Verdict> {
    const { gate, metrics } = this.#deps;
    const verdict = await gate.call("VerifyVoteExtension", async (app): Promise<Verdict> => {
      const isLate = this.#isDecided(request.height);
      return isLate ? { accept: true } : app.verifyVoteExtension(request);
    });
    const status = verdict.accept ? "accepted" : "rejected";
    metrics.voteExtensionReceiveCount.inc({ status });
    return verdict;
  }

  async applyBlock(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    isStored: Promise<void>,
  ): Promise<ChainState> {
    const { stateStore, clock, logger, metrics } = this.#deps;
    const started = clock.monotonicMs();
    const fault = await this.findFault(state, block, blockId);
    if (fault?.isTolerable === true) {
      logger.warn("decided block holds evidence that we cannot judge", { reason: fault.message });
    } else if (fault !== undefined) {
      throw blockFaultToError(fault);
    }
    const ahead = this.timeFault(block);
    // +2/3 have decided: our clock is wrong, or theirs are; halting would help nobody (§10.4).
    if (ahead !== undefined) logger.warn("decided block is ahead of our clock", { reason: ahead });
    const { height } = block.header;
    const [response] = await Promise.all([this.#finalize(block, blockId, state), isStored]);
    await this.#crashPoint("blockFinalized", height);
    const next = advanceChainState(state, blockId, block.header, response);
    await this.#timed("state", () => stateStore.save(next, response));
    await this.#crashPoint("stateSaved", height);
    const { retainHeight } = await this.#timed("commit", () => this.#deps.gate.commit());
    await this.#crashPoint("applicationCommitted", height);
    await this.#finish(next, block, blockId, response);
    await this.#prune(retainHeight);
    metrics.blockProcessingMs.observe(clock.monotonicMs() - started);
    return next;
  }

  async finishApplied(
    state: ChainState,
    block: Block,
    blockId: BlockId,
    response: FinalizeBlockResponse,
  ): Promise<ChainState> {
    const next = advanceChainState(state, blockId, block.header, response);
    await this.#deps.stateStore.save(next);
    await this.#finish(next, block, blockId, response);
    return next;
  }

  followState(state: ChainState, block: Block): Promise<void> {
    return this.#deps.evidencePool.update(state, block.evidence);
  }

  async replayToApplication(
    block: Block,
    blockId: BlockId,
    stateBefore: Pick<ChainState, "lastValidators">,
  ): Promise<Uint8Array> {
    const response = await this.#finalize(block, blockId, stateBefore);
    await this.#deps.gate.commit();
    return response.appHash;
  }

  async #findFault(
    state: ChainState,
    block: Block,
    isCommitVerified: boolean,
  ): Promise<BlockFault | undefined> {
    const fault = await findBlockFault(state, block, this.#deps, isCommitVerified);
    if (fault !== undefined || block.evidence.length === 0) return fault;
    const problem = await this.#deps.evidencePool.check(state, block.evidence);
    return problem && { rule: "evidence", ...problem };
  }

  #isDecided(height: Height): boolean {
    return height <= this.#finalizedHeight;
  }

  async #finalize(
    block: Block,
    blockId: BlockId,
    state: Pick<ChainState, "lastValidators">,
  ): Promise<FinalizeBlockResponse> {
    const request = blockRequest(block, blockId.hash, state.lastValidators);
    const response = await this.#timed("finalize", () =>
      this.#deps.gate.call("FinalizeBlock", (app: Application) => {
        this.#finalizedHeight = request.height;
        return app.finalizeBlock(request);
      }),
    );
    const [expected, got] = [block.txs.length, response.txResults.length];
    if (expected === got) return response;
    throw applicationFault("FinalizeBlock", `${expected} results`, `${got}`);
  }

  /** What follows when state and application stand after the block (§10.5, steps 5 and 8). */
  async #finish(
    next: ChainState,
    block: Block,
    blockId: BlockId,
    response: FinalizeBlockResponse,
  ): Promise<void> {
    const { metrics } = this.#deps;
    await this.followState(next, block);
    if (response.validatorUpdates.length > 0) metrics.validatorSetUpdates.inc();
    if (response.consensusParamUpdates !== undefined) metrics.consensusParamUpdates.inc();
    this.#faults.clear();
    publishBlock(this.#deps.events, block, blockId, response);
  }

  async #prune(retainHeight: Height): Promise<void> {
    const { blockStore, stateStore, logger } = this.#deps;
    if (retainHeight <= blockStore.base()) return;
    if (retainHeight > blockStore.height()) {
      const height = blockStore.height();
      logger.error("retain height above the last block, not pruned", { retainHeight, height });
      return;
    }
    const pruned = await blockStore.prune(retainHeight);
    await stateStore.prune(blockStore.base());
    logger.debug("blocks pruned", { pruned, base: blockStore.base() });
  }

  async #timed<T>(step: string, task: () => Promise<T>): Promise<T> {
    const { clock, metrics } = this.#deps;
    const started = clock.monotonicMs();
    const value = await task();
    metrics.applyStepSeconds.observe((clock.monotonicMs() - started) / 1_000, { step });
    return value;
  }

  async #crashPoint(point: Parameters<OnCrashPoint>[0], height: number): Promise<void> {
    await this.#deps.onCrashPoint?.(point, height);
  }
}

/** A commit with extensions as the plain commit that the next block carries. */
export function plainCommit(commit: ExtendedCommit | undefined): Commit {
  if (commit === undefined) return emptyCommit();
  const { height, round, blockId } = commit;
  return {
    height,
    round,
    blockId,
    signatures: commit.extendedSignatures.map(
      ({ blockIdFlag, validatorAddress, timestamp, signature }) => ({
        blockIdFlag,
        validatorAddress,
        timestamp,
        signature,
      }),
    ),
  };
}

/** A stored commit as the core wants it. */
export function commitWithoutExtensions(commit: Commit): ExtendedCommit {
  const none = new Uint8Array(0);
  const { height, round, blockId, signatures } = commit;
  const extendedSignatures = signatures.map((sig) => ({
    ...sig,
    extension: none,
    extensionSignature: none,
  }));
  return { height, round, blockId, extendedSignatures };
}

/** Bytes that evidence takes from a block's transactions. */
function evidenceBytes(evidence: readonly Evidence[]): number {
  return evidence.length === 0 ? 0 : encodeEvidenceList(evidence).length;
}

function applicationFault(call: string, expected: string, got: string): EngineError {
  return new EngineError(
    { code: "ENGINE_APPLICATION", call },
    `the application broke its contract in ${call}: expected ${expected}, got ${got}`,
  );
}

function publishBlock(
  events: EventBus,
  block: Block,
  blockId: BlockId,
  response: FinalizeBlockResponse,
): void {
  const { header, txs, evidence } = block;
  const { height } = header;
  events.publish({ kind: "NewBlock", block, blockId, result: response });
  events.publish({ kind: "NewBlockHeader", header });
  const txCount = txs.length;
  events.publish({ kind: "NewBlockEvents", height, events: response.events, txCount });
  for (const piece of evidence) events.publish({ kind: "NewEvidence", height, evidence: piece });
  for (const [index, tx] of txs.entries()) {
    const result = response.txResults[index];
    if (result === undefined) throw new AssertionFailure("there is a result for every transaction");
    events.publish({ kind: "Tx", height, index, tx, result });
  }
  const updates = response.validatorUpdates;
  if (updates.length > 0) events.publish({ kind: "ValidatorSetUpdates", updates });
}

/** Whether a commit holds a signature of ours for its block (`double_sign_check_height`). */
export function hasOwnSignature(commit: Commit, ownAddress: Uint8Array): boolean {
  return commit.signatures.some(
    (sig) => sig.blockIdFlag === BlockIdFlag.COMMIT && bytesEqual(sig.validatorAddress, ownAddress),
  );
}
