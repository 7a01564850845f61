/**
 * The reference EVM rollup behind the execution port: takes ordered payloads, makes blocks, keeps
 * them. One rollup block per sequencer block that carries payloads; none for the others.
 *
 * Idempotent by sequencer block hash, and crash safe: a block, its state, its receipts and the
 * sequencer position it brings the rollup to are one synced batch.
 */
import type { Common } from "@ethereumjs/common";
import { hexToBytes } from "@ethereumjs/util";
import { Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, copyBytes, fromHex, toHex } from "../../proto/bytes.ts";
import { assert, assertNever, isWeftError } from "../../proto/errors.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type {
  DecideBundleRequest,
  DecideBundleResponse,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  Executor,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
  InitResponse,
  PrepareBundleRequest,
  PrepareBundleResponse,
  SetFinalityRequest,
} from "../execution.ts";
import {
  checkForward,
  checkInit,
  checkLabels,
  checkRequest,
  failure,
  notInitialized,
  unknownBlock,
} from "../execution-checks.ts";
import { createTurns } from "../turns.ts";
import { type AtomicPart, OpenBundles } from "./atomic/open-bundles.ts";
import { BlockRunner } from "./block-runner.ts";
import { ChainStore, type Cursor } from "./chain-store.ts";
import {
  type BlockEnvironment,
  type EnvironmentSource,
  createSequencedEnvironmentSource,
} from "./environment.ts";
import {
  checkAtomic,
  checkDecide,
  checkPosition,
  checkPrepare,
  earlierRecord,
  nextHeight,
} from "./execution-checks.ts";
import { writeGenesis } from "./genesis-block.ts";
import type {
  EvmChain,
  EvmExecutorDependencies,
  EvmExecutorOptions,
  ExecutedBlockEvent,
} from "./evm-chain.ts";
import { type EvmGenesis, createEvmCommon, genesisDigest, genesisRollupId } from "./genesis.ts";
import { EXECUTION_QUEUE_MAX, GATHERED_BYTES_MAX } from "./limits.ts";
import type { EvmMetrics } from "./metrics.ts";
import { type PayloadDecoder, createPayloadDecoder } from "./payload.ts";
import {
  type SequencerRecord,
  type StoredBlock,
  type StoredReceipt,
  toExecutedBlock,
} from "./records.ts";
import { includedLegs } from "./included-legs.ts";
import { StateDb } from "./state-db.ts";

export type {
  EvmChain,
  EvmExecutorDependencies,
  EvmExecutorOptions,
  ExecutedBlockEvent,
} from "./evm-chain.ts";

export class EvmExecutor implements Executor, EvmChain {
  readonly common: Common;
  readonly genesis: EvmGenesis;
  readonly store: ChainStore;
  readonly db: StateDb;
  readonly decoder: PayloadDecoder;
  /** Atomic bundles that are not decided. */
  readonly bundles: OpenBundles;
  readonly #environments: EnvironmentSource;
  readonly #pricing: EnvironmentSource;
  readonly #runner: BlockRunner;
  readonly #logger: Logger;
  readonly #metrics: EvmMetrics;
  readonly #listeners = new Set<(event: ExecutedBlockEvent) => void>();
  readonly #gathered: Uint8Array[];
  readonly #genesisHash: Uint8Array;
  readonly #firstNumber: number;
  readonly #isAtomic: boolean;
  #head: StoredBlock;
  /** Moves with the head: the stored one is ahead of it while a block is being written. */
  #cursor: Cursor | undefined;
  readonly #calls = createTurns();
  #isClosed = false;

  private constructor(
    options: EvmExecutorOptions,
    dependencies: EvmExecutorDependencies,
    opened: {
      readonly common: Common;
      readonly store: ChainStore;
      readonly db: StateDb;
      readonly head: StoredBlock;
      readonly gathered: Uint8Array[];
      readonly decoder: PayloadDecoder;
      readonly bundles: OpenBundles;
    },
  ) {
    const { genesis } = options;
    this.common = opened.common;
    this.genesis = genesis;
    this.store = opened.store;
    this.db = opened.db;
    this.#head = opened.head;
    this.#cursor = opened.store.cursor();
    this.#gathered = opened.gathered;
    this.#firstNumber = genesis.anchor?.number ?? 0;
    this.#genesisHash = this.#block(this.#firstNumber).hash;
    this.#logger = dependencies.logger;
    this.#metrics = dependencies.metrics;
    this.decoder = opened.decoder;
    this.bundles = opened.bundles;
    this.#pricing = createSequencedEnvironmentSource({
      gasLimit: genesis.gasLimit,
      baseFee: genesis.baseFee,
      feeRecipient: hexToBytes(genesis.feeRecipient),
    });
    this.#environments = options.environmentSource ?? this.#pricing;
    // With an environment of somebody else's, payloads may wait for their block, and a leg had no place to be run at.
    this.#isAtomic = genesis.atomic && options.environmentSource === undefined;
    this.#runner = new BlockRunner(
      { common: opened.common, blockHashes: (number) => this.blockHash(number) },
      { db: opened.db, decoder: this.decoder, logger: dependencies.logger },
    );
  }

  /**
   * Opens the data directory, and writes genesis into a new one. Throws EXECUTION_GENESIS_MISMATCH
   * when the directory holds another chain, EXECUTION_INTERNAL when it cannot be used.
   */
  static async open(
    options: EvmExecutorOptions,
    dependencies: EvmExecutorDependencies,
  ): Promise<EvmExecutor> {
    const common = createEvmCommon(options.genesis);
    const store = await ChainStore.open(options.dataDirectory, common);
    try {
      const db = new StateDb(store.readNode);
      const digest = genesisDigest(options.genesis);
      const stored = store.genesisDigest();
      if (stored === undefined) await writeGenesis(options.genesis, digest, common, store, db);
      else if (!bytesEqual(stored, digest)) {
        throw failure(
          { code: "EXECUTION_GENESIS_MISMATCH" },
          `the database in ${options.dataDirectory} holds a chain of another genesis; give it its own or name another directory`,
        );
      }
      const head = store.block(store.headNumber() ?? 0);
      assert(head !== undefined, "a database with a genesis has a head");
      const gathered = await store.gathered();
      const decoder = createPayloadDecoder({ common, rules: options.genesis.rules });
      const bundles = await OpenBundles.open(
        { rollupId: fromHex(genesisRollupId(options.genesis)) },
        { common, store, decoder },
      );
      const opened = { common, store, db, head, gathered, decoder, bundles };
      const executor = new EvmExecutor(options, dependencies, opened);
      executor.#report();
      return executor;
    } catch (cause) {
      await store.close();
      throw cause;
    }
  }

  /** Waits for what is under way, then closes the database. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#calls.done();
    this.#listeners.clear();
    await this.store.close();
  }

  get rollupId(): RollupId {
    return genesisRollupId(this.genesis);
  }

  async init(request: InitRequest): Promise<InitResponse> {
    return this.#exclusive(async () => {
      const bound = this.store.binding();
      checkInit(request, { rollupId: this.rollupId, bound });
      if (bound === undefined) await this.store.commitBinding(request);
      return {
        rollupId: this.rollupId,
        chainId: this.genesis.chainId,
        genesisHash: this.#genesisHash,
        head: toExecutedBlock(this.#head),
        nextSequencerHeight: this.#nextHeight(),
        // A transaction that reverts stays, as Ethereum has it: legs of bundles run as if they said ALLOW.
        supportsGroupRevert: false,
        atomicLevel: this.#isAtomic ? 1 : 0,
      };
    });
  }

  async executeBlock(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    return this.#exclusive(async () => {
      checkRequest(request);
      const done = earlierRecord(this.store, request);
      if (done !== undefined) return this.#answer(done);
      checkPosition(this.store, request, this.#head.hash);
      return this.#take(request);
    });
  }

  async prepareBundle(request: PrepareBundleRequest): Promise<PrepareBundleResponse> {
    return this.#exclusiveAtomic(async () => {
      checkPrepare(request);
      const { timestamp, sequencerBlockHash, sequencerHeight } = request;
      const position = { head: this.#head, nextHeight: this.#nextHeight() };
      return this.bundles.prepare(request, position, () =>
        this.#environmentAt({ timestamp, sequencerBlockHash, sequencerHeight }),
      );
    });
  }

  async decideBundle(request: DecideBundleRequest): Promise<DecideBundleResponse> {
    return this.#exclusiveAtomic(async () => {
      checkDecide(request);
      const position = { head: this.#head, nextHeight: this.#nextHeight() };
      return this.bundles.decide(request, position);
    });
  }

  async setFinality(request: SetFinalityRequest): Promise<FinalityStatus> {
    return this.#exclusive(async () => {
      checkLabels(request);
      if (this.store.binding() === undefined) throw notInitialized();
      const safe = this.#numberOf(request.safeHash);
      const finalized = this.#numberOf(request.finalizedHash);
      const now = this.store.finality();
      checkForward({ safe, finalized }, now);
      const isSame = now !== undefined && safe === now.safe && finalized === now.finalized;
      if (!isSame) await this.store.commitFinality({ safe, finalized });
      this.#report();
      return this.#finality();
    });
  }

  async getStatus(): Promise<ExecutorStatus> {
    this.#checkOpen();
    const binding = this.store.binding();
    const cursor = this.#cursor;
    const next = cursor === undefined ? binding?.sequencerStartHeight : Height(cursor.height + 1);
    return {
      ...this.#finality(),
      isInitialized: binding !== undefined,
      rollupId: this.rollupId,
      chainId: this.genesis.chainId,
      genesisHash: this.#genesisHash,
      head: toExecutedBlock(this.#head),
      sequencer: cursor,
      nextSequencerHeight: next,
      gatheredPayloads: this.#gathered.length,
      openBundles: this.bundles.list(),
      openBundleCount: this.bundles.count,
    };
  }

  head(): StoredBlock {
    return this.#head;
  }

  firstNumber(): number {
    return this.#firstNumber;
  }

  safe(): StoredBlock {
    return this.#block(this.store.finality()?.safe ?? this.#firstNumber);
  }

  finalized(): StoredBlock {
    return this.#block(this.store.finality()?.finalized ?? this.#firstNumber);
  }

  blockHash(number: number): Uint8Array | undefined {
    return this.store.block(number)?.hash;
  }

  nextEnvironment(nowSeconds: bigint): BlockEnvironment {
    return this.#environmentAt({
      sequencerBlockHash: new Uint8Array(32),
      sequencerHeight: Height(0),
      timestamp: { seconds: nowSeconds, nanos: 0 },
    });
  }

  onBlock(listener: (event: ExecutedBlockEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #take(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
    const { sequencerHeight, sequencerBlockHash } = request;
    const atomic = this.bundles.partOf(sequencerHeight, sequencerBlockHash);
    if (request.payloads.length === 0 && atomic.commits.length === 0) {
      const answer = await this.#persist("none", request, (record) =>
        atomic.settled.length === 0
          ? this.store.noteEmpty(record)
          : this.store.commitSettled(record, atomic.settled),
      );
      this.bundles.settle(atomic);
      return answer;
    }
    const payloads = [...this.#gathered, ...request.payloads];
    const decision = this.#environments.next({
      parent: this.#parent(),
      sequencerBlockHash: request.sequencerBlockHash,
      sequencerHeight: request.sequencerHeight,
      timestamp: request.timestamp,
      payloads,
    });
    switch (decision.kind) {
      case "execute":
        return this.#execute(request, payloads, decision.environment, atomic);
      case "gather":
        return this.#gather(request, payloads);
      case "halt":
        throw failure({ code: "EXECUTION_HALTED" }, `no further block: ${decision.reason}`);
      default:
        return assertNever(decision, "environment decision");
    }
  }

  async #gather(
    request: ExecuteBlockRequest,
    payloads: readonly Uint8Array[],
  ): Promise<ExecuteBlockResponse> {
    const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0);
    if (bytes > GATHERED_BYTES_MAX) {
      throw failure(
        { code: "EXECUTION_HALTED" },
        `${bytes} payload bytes wait for a block, at most ${GATHERED_BYTES_MAX} may`,
      );
    }
    const first = this.#gathered.length;
    const answer = await this.#persist("gathered", request, (record) =>
      this.store.commitGathered(record, first, request.payloads),
    );
    this.#gathered.push(...request.payloads.map(copyBytes));
    return answer;
  }

  async #execute(
    request: ExecuteBlockRequest,
    payloads: readonly Uint8Array[],
    environment: BlockEnvironment,
    atomic: AtomicPart,
  ): Promise<ExecuteBlockResponse> {
    const started = performance.now();
    try {
      const parent = this.#head;
      const output = await this.#runner.run({
        environment,
        parentHash: parent.hash,
        parentStateRoot: parent.header.stateRoot,
        payloads,
        commits: atomic.commits,
        locks: atomic.locks,
      });
      const block: StoredBlock = {
        number: environment.number,
        hash: output.header.hash(),
        header: output.header,
        transactions: output.transactions,
        withdrawals: environment.withdrawals,
        sequencerHeight: request.sequencerHeight,
        sequencerBlockHash: copyBytes(request.sequencerBlockHash),
        size: output.size,
      };
      const record: SequencerRecord = {
        height: request.sequencerHeight,
        blockHash: block.sequencerBlockHash,
        outcome: "block",
        rollupNumber: block.number,
        included: block.transactions.length,
        skipped: output.skipped,
      };
      const nodes = this.db.collect(output.header.stateRoot);
      const gatheredCount = this.#gathered.length;
      const { receipts } = output;
      const { settled } = atomic;
      const legs = includedLegs({
        legs: request.legs ?? [],
        payloadsBefore: gatheredCount,
        skipped: output.skipped,
        receipts,
        committed: block.transactions.length + output.skipped.length - payloads.length,
      });
      await this.store.commitBlock({
        block,
        receipts,
        nodes,
        record,
        gatheredCount,
        settled,
        legs,
      });
      this.db.settle(nodes);
      this.bundles.settle(atomic);
      this.#gathered.length = 0;
      this.#head = block;
      this.#cursor = this.store.cursor();
      this.#announce(block, receipts, payloads, record, (performance.now() - started) / 1000);
      return this.#answer(record);
    } catch (cause) {
      this.#runner.reset();
      // A failed write may have reached the disk all the same: what is there is what counts.
      this.#head = this.#block(this.store.headNumber() ?? this.#firstNumber);
      this.#cursor = this.store.cursor();
      const { sequencerHeight } = request;
      throw this.#internal(`sequencer height ${sequencerHeight} could not be executed`, cause);
    }
  }

  #announce(
    block: StoredBlock,
    receipts: readonly StoredReceipt[],
    payloads: readonly Uint8Array[],
    record: SequencerRecord,
    seconds: number,
  ): void {
    const metrics = this.#metrics;
    metrics.blocksExecuted.inc();
    metrics.transactionsIncluded.inc(undefined, record.included);
    for (const { reason } of record.skipped) metrics.payloadsSkipped.inc({ reason });
    metrics.gasUsed.inc(undefined, Number(block.header.gasUsed));
    metrics.blockExecutionSeconds.observe(seconds);
    this.#report();
    this.#logger.debug("rollup block executed", {
      number: block.number,
      hash: toHex(block.hash),
      sequencerHeight: record.height,
      included: record.included,
      skipped: record.skipped.length,
      gasUsed: Number(block.header.gasUsed),
      seconds,
    });
    const skipped = record.skipped.flatMap(({ index, reason }) => {
      const payload = payloads[index];
      return payload === undefined ? [] : [{ payload, reason }];
    });
    for (const listener of this.#listeners) {
      try {
        listener({ block, receipts, skipped });
      } catch (error) {
        // The block is stored; a listener's fault must not make the driver think otherwise.
        this.#logger.error("a listener of rollup blocks failed", { error: String(error) });
      }
    }
  }

  async #persist(
    outcome: "none" | "gathered",
    request: ExecuteBlockRequest,
    write: (record: SequencerRecord) => Promise<void>,
  ): Promise<ExecuteBlockResponse> {
    const record: SequencerRecord = {
      height: request.sequencerHeight,
      blockHash: copyBytes(request.sequencerBlockHash),
      outcome,
      rollupNumber: this.#head.number,
      included: 0,
      skipped: [],
    };
    try {
      await write(record);
    } catch (cause) {
      const { sequencerHeight } = request;
      throw this.#internal(`sequencer height ${sequencerHeight} could not be stored`, cause);
    }
    this.#cursor = this.store.cursor();
    this.#report();
    return this.#answer(record);
  }

  #answer(record: SequencerRecord): ExecuteBlockResponse {
    return {
      ...toExecutedBlock(this.#block(record.rollupNumber)),
      outcome: record.outcome,
      included: record.included,
      skipped: record.skipped,
    };
  }

  #finality(): FinalityStatus {
    // Read once: between two readings they may move, and finalized would be above safe.
    const { safe, finalized } = this.store.finality() ?? {
      safe: this.#firstNumber,
      finalized: this.#firstNumber,
    };
    return {
      safe: toExecutedBlock(this.#block(safe)),
      finalized: toExecutedBlock(this.#block(finalized)),
    };
  }

  #nextHeight(): Height {
    return nextHeight(this.store);
  }

  #parent(): Parameters<EnvironmentSource["next"]>[0]["parent"] {
    const { header, number, hash } = this.#head;
    return {
      number,
      hash,
      timestampSeconds: header.timestamp,
      gasLimit: header.gasLimit,
      gasUsed: header.gasUsed,
      baseFeePerGas: header.baseFeePerGas ?? 0n,
    };
  }

  #numberOf(hash: Uint8Array): number {
    const number = this.store.blockNumber(hash);
    if (number === undefined) throw unknownBlock(hash);
    return number;
  }

  #block(number: number): StoredBlock {
    const block = this.store.block(number);
    assert(block !== undefined, `rollup block ${number} is stored`);
    return block;
  }

  #report(): void {
    const finality = this.store.finality();
    this.#metrics.headNumber.set(this.#head.number);
    this.#metrics.safeNumber.set(finality?.safe ?? this.#firstNumber);
    this.#metrics.finalizedNumber.set(finality?.finalized ?? this.#firstNumber);
    const cursor = this.store.cursor();
    if (cursor !== undefined) this.#metrics.sequencerHeight.set(cursor.height);
  }

  #environmentAt(
    at: Omit<Parameters<EnvironmentSource["next"]>[0], "parent" | "payloads">,
  ): BlockEnvironment {
    const decision = this.#pricing.next({ parent: this.#parent(), payloads: [], ...at });
    assert(decision.kind === "execute", "a sequenced environment always executes");
    return decision.environment;
  }

  #exclusiveAtomic<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      checkAtomic(this.store, this.#isAtomic);
      try {
        return await work();
      } catch (cause) {
        if (isWeftError(cause)) throw cause;
        throw this.#internal("a bundle could not be prepared or decided", cause);
      }
    });
  }

  /** Storage or the machine failed, unless the error says what it is. */
  #internal(what: string, cause: unknown): unknown {
    this.#metrics.executionFailures.inc();
    if (isWeftError(cause)) return cause;
    return failure({ code: "EXECUTION_INTERNAL" }, `${what}; nothing of it was kept`, cause);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw failure({ code: "EXECUTION_CLOSED" }, "the executor was closed");
  }

  /** One call at a time, in the order in which they came; no more than a bounded number waits. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    if (this.#calls.count() >= EXECUTION_QUEUE_MAX) {
      throw failure(
        { code: "EXECUTION_BUSY" },
        `${EXECUTION_QUEUE_MAX} calls wait already; call again when one has returned`,
      );
    }
    return this.#calls.take(work);
  }
}
