/**
 * The atomic bundles of a rollup between PREPARE and DECIDE (docs/adr/0024). Answers the two calls of the execution port,
 * keeps what they bring on disk before it answers, and tells the executor what a block commits and what stays locked. All
 * of it follows from the stream: a node that starts anew comes to the same.
 */
import type { Common } from "@ethereumjs/common";
import { AtomicOutcome, NoReason, Verdict } from "../../../proto/codec/atomic-tx.ts";
import type { Height } from "../../../proto/brands.ts";
import { bytesEqual, copyBytes, toHex } from "../../../proto/bytes.ts";
import type {
  DecideBundleRequest,
  DecideBundleResponse,
  OpenBundle,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../../execution.ts";
import { draftBlock } from "../block-runner.ts";
import type { ChainStore } from "../chain-store.ts";
import type { BlockEnvironment } from "../environment.ts";
import { failure } from "../../execution-checks.ts";
import type { PayloadDecoder } from "../payload.ts";
import type { StoredBlock } from "../records.ts";
import type { StagedLeg } from "./effects.ts";
import { OPEN_BUNDLES_LISTED_MAX, OPEN_BUNDLES_MAX, OPEN_GAS_DIVISOR } from "./limits.ts";
import { type LockTable, lockTable, NO_LOCKS } from "./locks.ts";
import type { BundleRecord } from "./records.ts";
import { refusedLeg, Stage, type StagingResult } from "./staging.ts";

export interface OpenBundlesOptions {
  /** Of this rollup, 32 bytes. */
  readonly rollupId: Uint8Array;
}

export interface OpenBundlesDependencies {
  readonly common: Common;
  readonly store: ChainStore;
  readonly decoder: PayloadDecoder;
}

/** Where the rollup stands. */
export interface AtomicPosition {
  readonly head: StoredBlock;
  /** The sequencer height that `executeBlock` is to come for. */
  readonly nextHeight: Height;
}

/** What one block does with atomic bundles. */
export interface AtomicPart {
  /** In the order of the decisions. */
  readonly commits: readonly StagedLeg[];
  /** Decided at its height, committed or not. */
  readonly settled: readonly BundleRecord[];
  /** What stays locked. */
  readonly locks: LockTable;
}

const NOTHING: AtomicPart = { commits: [], settled: [], locks: NO_LOCKS };

export class OpenBundles {
  readonly #rollupId: Uint8Array;
  readonly #common: Common;
  readonly #store: ChainStore;
  readonly #decoder: PayloadDecoder;
  /** By id in hex. */
  readonly #open = new Map<string, BundleRecord>();
  /** The state that legs of one height see; kept from one leg to the next. */
  #stage: { readonly height: Height; readonly stage: Stage } | undefined;

  private constructor(options: OpenBundlesOptions, dependencies: OpenBundlesDependencies) {
    this.#rollupId = options.rollupId;
    this.#common = dependencies.common;
    this.#store = dependencies.store;
    this.#decoder = dependencies.decoder;
  }

  static async open(
    options: OpenBundlesOptions,
    dependencies: OpenBundlesDependencies,
  ): Promise<OpenBundles> {
    const self = new OpenBundles(options, dependencies);
    const records = await dependencies.store.openBundles();
    for (const record of records.toSorted(byPlace)) self.#open.set(toHex(record.bundleId), record);
    return self;
  }

  get count(): number {
    return this.#undecided().length;
  }

  /** In order of preparation. */
  list(): readonly OpenBundle[] {
    return this.#undecided()
      .slice(0, OPEN_BUNDLES_LISTED_MAX)
      .map(({ bundleId, height, prepared: { verdict } }) => ({
        bundleId,
        sequencerHeight: height,
        verdict,
      }));
  }

  /** As of the head: a decision is told with the block that carries it out, so that whoever hears of it reads its state. */
  find(bundleId: Uint8Array): BundleRecord | undefined {
    const open = this.#open.get(toHex(bundleId));
    return open === undefined
      ? this.#store.settledBundle(bundleId)
      : { ...open, decision: undefined };
  }

  /** @param environment that of a block made on the head at the leg's place */
  async prepare(
    request: PrepareBundleRequest,
    position: AtomicPosition,
    environment: () => BlockEnvironment,
  ): Promise<PrepareBundleResponse> {
    const { bundleId, sequencerHeight: height, sequencerBlockHash: blockHash } = request;
    const earlier = this.#known(bundleId);
    if (earlier !== undefined && earlier.height === height) {
      checkSame(earlier.blockHash, blockHash, height);
      return earlier.prepared;
    }
    this.#checkHeight(height, blockHash, position);
    // What was decided about the same bundle before is history: the chain takes it again once it has forgotten it.
    if (this.#open.has(toHex(bundleId)) && earlier !== undefined) {
      throw failure(
        { code: "EXECUTION_INVALID_REQUEST" },
        `bundle ${toHex(bundleId)} was prepared at height ${earlier.height}; it is not decided yet`,
      );
    }
    const atHeight = [...this.#open.values()].filter((record) => record.height === height);
    const result = await this.#run(request, position, environment, atHeight);
    const record: BundleRecord = {
      bundleId: copyBytes(bundleId),
      height,
      blockHash: copyBytes(blockHash),
      order: atHeight.length,
      gas: result.gas,
      prepared: result.prepared,
      staged: result.staged,
      transactionHashes: result.transactionHashes,
      decision: undefined,
    };
    await this.#store.commitOpenBundle(record);
    this.#open.set(toHex(bundleId), record);
    return record.prepared;
  }

  async decide(
    request: DecideBundleRequest,
    position: AtomicPosition,
  ): Promise<DecideBundleResponse> {
    const { bundleId, sequencerHeight: height, sequencerBlockHash: blockHash, outcome } = request;
    const record = this.#known(bundleId);
    if (record === undefined) {
      throw failure(
        { code: "EXECUTION_BUNDLE_UNKNOWN" },
        `no leg of bundle ${toHex(bundleId)} was prepared`,
      );
    }
    const { decision, prepared } = record;
    if (decision !== undefined) {
      if (decision.height !== height || decision.outcome !== outcome) {
        throw failure(
          { code: "EXECUTION_CONFLICT", height },
          `bundle ${toHex(bundleId)} was decided at height ${decision.height} with outcome ${decision.outcome}, not at ${height} with ${outcome}`,
        );
      }
      checkSame(decision.blockHash, blockHash, height);
      return { prepared };
    }
    this.#checkHeight(height, blockHash, position);
    this.#checkOrder(record, height);
    if (outcome === AtomicOutcome.COMMIT && prepared.verdict !== Verdict.YES) {
      throw failure(
        { code: "EXECUTION_HALTED" },
        `bundle ${toHex(bundleId)} is committed, and this node found that its leg cannot be executed (reason ${prepared.reason}): either it is wrong or a quorum of the rollup's executors is; find out which before going on`,
      );
    }
    const order = this.#decidedAt(height).length;
    const decided: BundleRecord = {
      ...record,
      decision: { height, blockHash: copyBytes(blockHash), order, outcome, reason: request.reason },
    };
    await this.#store.commitOpenBundle(decided);
    this.#open.set(toHex(bundleId), decided);
    this.#stage = undefined;
    return { prepared };
  }

  /** What the block of `height` commits, settles and respects. */
  partOf(height: Height, blockHash: Uint8Array): AtomicPart {
    if (this.#open.size === 0) return NOTHING;
    this.#checkBlock(height, blockHash);
    const settled = this.#decidedAt(height);
    return {
      settled,
      commits: committed(settled),
      locks: lockTable(this.#staged().map(({ locks }) => locks)),
    };
  }

  /** Once that block is on disk. */
  settle({ settled }: Pick<AtomicPart, "settled">): void {
    this.#stage = undefined;
    for (const { bundleId } of settled) this.#open.delete(toHex(bundleId));
  }

  #known(bundleId: Uint8Array): BundleRecord | undefined {
    return this.#open.get(toHex(bundleId)) ?? this.#store.settledBundle(bundleId);
  }

  async #run(
    request: PrepareBundleRequest,
    position: AtomicPosition,
    environment: () => BlockEnvironment,
    atHeight: readonly BundleRecord[],
  ): Promise<StagingResult> {
    const isFull = this.#undecided().length >= OPEN_BUNDLES_MAX;
    if (isFull) return refusedLeg(NoReason.OTHER);
    const open = this.#staged();
    const stage = await this.#stageAt(request.sequencerHeight, position.head, environment);
    const share = position.head.header.gasLimit / OPEN_GAS_DIVISOR;
    const gasOpen = open
      .flatMap(({ transactions }) => transactions)
      .reduce((sum, { blockGas }) => sum + blockGas, 0n);
    // Asked for, whatever came of it: what legs of one height make every node execute is bounded, NO or YES.
    const gasAsked = atHeight.reduce((sum, { gas }) => sum + gas, 0n);
    return stage.run(request, {
      locks: lockTable(open.map(({ locks }) => locks)),
      gasLeft: share - (gasOpen > gasAsked ? gasOpen : gasAsked),
    });
  }

  async #stageAt(
    height: Height,
    head: StoredBlock,
    environment: () => BlockEnvironment,
  ): Promise<Stage> {
    if (this.#stage?.height === height) return this.#stage.stage;
    const env = environment();
    const stage = await Stage.open({
      common: this.#common,
      decoder: this.#decoder,
      readNode: this.#store.readNode,
      blockHashes: (number) => this.#store.block(number)?.hash,
      rollupId: this.#rollupId,
      root: head.header.stateRoot,
      commits: committed(this.#decidedAt(height)),
      environment: env,
      draft: draftBlock(env, head.hash, this.#common),
    });
    this.#stage = { height, stage };
    return stage;
  }

  #undecided(): BundleRecord[] {
    return [...this.#open.values()].filter(({ decision }) => decision === undefined);
  }

  /** What their legs hold. */
  #staged(): StagedLeg[] {
    return this.#undecided().flatMap(({ staged }) => (staged === undefined ? [] : [staged]));
  }

  #decidedAt(height: Height): BundleRecord[] {
    return [...this.#open.values()]
      .filter(({ decision }) => decision?.height === height)
      .toSorted((a, b) => (a.decision?.order ?? 0) - (b.decision?.order ?? 0));
  }

  #checkHeight(height: Height, blockHash: Uint8Array, { nextHeight }: AtomicPosition): void {
    if (height !== nextHeight) {
      throw failure(
        { code: "EXECUTION_HEIGHT_GAP", expected: nextHeight, got: height },
        `the next sequencer height is ${nextHeight}, got ${height}`,
      );
    }
    this.#checkBlock(height, blockHash);
  }

  /** All calls of one height are about one block. */
  #checkBlock(height: Height, blockHash: Uint8Array): void {
    for (const { height: preparedAt, blockHash: preparedIn, decision } of this.#open.values()) {
      if (preparedAt === height) checkSame(preparedIn, blockHash, height);
      if (decision?.height === height) checkSame(decision.blockHash, blockHash, height);
    }
  }

  /** A decision comes after its preparation, and before the preparations of its own height. */
  #checkOrder(record: BundleRecord, height: Height): void {
    const late = [...this.#open.values()].find((other) => other.height === height);
    if (late === undefined) return;
    throw failure(
      { code: "EXECUTION_INVALID_REQUEST" },
      record.height === height
        ? `bundle ${toHex(record.bundleId)} was prepared at this very height, ${height}`
        : `decisions come before preparations: bundle ${toHex(late.bundleId)} was prepared at height ${height} already`,
    );
  }
}

function committed(decided: readonly BundleRecord[]): readonly StagedLeg[] {
  return decided.flatMap(({ decision, staged }) =>
    decision?.outcome === AtomicOutcome.COMMIT && staged !== undefined ? [staged] : [],
  );
}

function byPlace(a: BundleRecord, b: BundleRecord): number {
  return a.height - b.height || a.order - b.order;
}

function checkSame(known: Uint8Array, given: Uint8Array, height: Height): void {
  if (bytesEqual(known, given)) return;
  throw failure(
    { code: "EXECUTION_CONFLICT", height },
    `sequencer height ${height} was taken as block ${toHex(known)}, not ${toHex(given)}`,
  );
}
