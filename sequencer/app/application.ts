import type { SealCompute } from "../../mev/seal/compute.ts";
import { createSealArithmetic } from "../../mev/seal/arithmetic.ts";
import { createLocalCompute } from "../../mev/seal/local-compute.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { bytesToDigest } from "../../proto/hash.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import { isMevAction, isSealAction } from "../../proto/codec/weft-tx.ts";
import { EXTENSION_BYTES_MAX } from "../../proto/codec/weft-extension.ts";
import { assert, WeftError } from "../../proto/errors.ts";
import type {
  ApplySnapshotChunkRequest,
  ApplySnapshotChunkResponse,
  BlockOutcome,
  CheckTxRequest,
  CheckTxResponse,
  CommitResponse,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  FinalizeBlockResponse,
  InfoRequest,
  InfoResponse,
  InitChainRequest,
  InitChainResponse,
  LoadSnapshotChunkRequest,
  OfferSnapshotRequest,
  OfferSnapshotResult,
  PrepareProposalRequest,
  ProcessProposalRequest,
  QueryRequest,
  QueryResponse,
  Snapshot,
  Verdict,
  VerifyVoteExtensionRequest,
} from "../abci/application.ts";
import { AtomicGauges } from "./atomic/atomic-gauges.ts";
import { AuctionGauges } from "./auction/auction-gauges.ts";
import { type BlockSlices, blockSlices } from "./block-slices.ts";
import { countBlock } from "./execution/block-metrics.ts";
import { BundleGauges } from "./bundles/bundle-gauges.ts";
import { checkResult, misbehaviorEvents } from "./execution/events.ts";
import {
  type BlockInput,
  blockInput,
  executeBlock,
  type ExecutedBlock,
} from "./execution/execute-block.ts";
import { refusalText, type RefusedBlock } from "./execution/refused-block.ts";
import { VerifiedTxs } from "./execution/verified-txs.ts";
import { APP_VERSION, withExtensions } from "./genesis-checks.ts";
import { stateAtGenesis } from "./init-chain.ts";
import {
  COMMITS_PER_SYNC,
  EXECUTED_BLOCKS_MAX,
  POOL_BYTES_MAX,
  POOL_COUNT_MAX,
  POOL_PER_ACCOUNT_MAX,
  STATUSES_MAX,
  VERIFIED_BYTES_MAX,
} from "./limits.ts";
import { idsOf, ListedTxs } from "./inclusion/listed-txs.ts";
import { Pool } from "./pool/pool.ts";
import { drawItems } from "./pool/selection.ts";
import { recordBlock, recordDrop, statusOf, TxAdmission } from "./pool/tx-admission.ts";
import { TxStatuses } from "./pool/tx-statuses.ts";
import { BodyStore } from "./proposal/body-store.ts";
import { blockKey } from "./proposal/block-key.ts";
import { beginProposal } from "./proposal/build-block.ts";
import { ExtensionLog } from "./proposal/extension-log.ts";
import { Extensions } from "./proposal/extensions.ts";
import { checkedProposal } from "./proposal/fallback.ts";
import { KeptWork } from "./proposal/kept-work.ts";
import { ShareWatch } from "./proposal/share-watch.ts";
import { query } from "./query.ts";
import { measureCompute, rememberShares } from "./seal/compute.ts";
import { createReadApi } from "./read-api.ts";
import { SealProgressLog } from "./seal/progress.ts";
import { oldestUnresolved, sealedBatch, sealKey } from "./seal/reader.ts";
import { clearUnfinishedRestore, Restore } from "./snapshots/restore.ts";
import { SnapshotMaker } from "./snapshots/snapshot-maker.ts";
import { SealGauges } from "./seal/seal-gauges.ts";
import { StakeGauges } from "./stake-gauges.ts";
import { type Standstill, StandstillWatch } from "./standstill.ts";
import { CommittedState } from "./state/committed-state.ts";
import { ATOMIC_OPEN, SHUFFLES } from "./state/tables.ts";
import { type StagedState, StateStore } from "./state-tree/state-store.ts";
import {
  type ApplicationDependencies,
  type ApplicationError,
  type ApplicationOptions,
  KNOWN_UPGRADES,
  type ProposedBlock,
  type ReadApi,
  type TransactionStatus,
  type WeftApplication,
} from "./weft-application.ts";

/**
 * Opens the application on its database. Consensus calls come one at a time (see `Application`).
 *
 *     const application = await createApplication({ version }, { database, verify, signer, ... });
 */
export async function createApplication(
  options: ApplicationOptions,
  dependencies: ApplicationDependencies,
): Promise<WeftApplication> {
  const { database, logger, yieldToLoop } = dependencies;
  if (await clearUnfinishedRestore(database)) {
    logger.warn("the restore of a snapshot was interrupted: its state was removed");
  }
  const store = await StateStore.open({}, { database, yieldToLoop });
  const arithmetic = createSealArithmetic();
  const committed = await CommittedState.load(store, arithmetic);
  const extensionLog = await ExtensionLog.open(database);
  const given = dependencies.seal ?? createLocalCompute(arithmetic.tdh2, yieldToLoop);
  const seal = rememberShares(measureCompute(given, dependencies));
  const sealIncoming = measureCompute(dependencies.sealIncoming ?? given, dependencies);
  const whole = { ...dependencies, seal, sealIncoming };
  const weft = new Weft(options, whole, committed, extensionLog);
  await weft.listed.load(database);
  return weft;
}

/** A block that has been finalized and is not committed yet. */
interface FinalizedBlock {
  readonly executed: ExecutedBlock;
  readonly staged: StagedState;
}

type WeftDependencies = ApplicationDependencies & { readonly seal: SealCompute };

class Weft implements WeftApplication {
  readonly checksDuringCommit = true;
  readonly read: ReadApi;
  readonly listed: ListedTxs;
  readonly #options: ApplicationOptions;
  readonly #dependencies: WeftDependencies;
  readonly #committed: CommittedState;
  readonly #extensionLog: ExtensionLog;
  readonly #extensions: Extensions;
  readonly #watch: ShareWatch;
  readonly #proposedListeners = new Set<(block: ProposedBlock) => void>();
  #shareFaultFound: (evidence: SealEvidence) => void = () => {};
  #poolDropped: (item: Uint8Array) => void = () => {};
  readonly #verified = new VerifiedTxs(VERIFIED_BYTES_MAX);
  readonly #kept: KeptWork;
  readonly #statuses = new TxStatuses(STATUSES_MAX);
  readonly #sealProgress = new SealProgressLog(STATUSES_MAX);
  readonly #pool: Pool;
  readonly #admission: TxAdmission;
  /** Outcomes of the height under way by `blockKey`, oldest first. */
  readonly #executed = new Map<string, ExecutedBlock | RefusedBlock>();
  /** Transactions of applied blocks by the block's list, for as long as somebody keeps that. */
  readonly #appliedTxs = new WeakMap<readonly Uint8Array[], ExecutedBlock["txs"]>();
  readonly #stakeGauges: StakeGauges;
  readonly #sealGauges: SealGauges;
  readonly #auctionGauges: AuctionGauges;
  readonly #atomicGauges: AtomicGauges;
  readonly #bundleGauges: BundleGauges;
  readonly #standstill: StandstillWatch;
  readonly #snapshots: SnapshotMaker | undefined;
  readonly #restore: Restore;
  #finalized: FinalizedBlock | undefined;
  /** Last height that a loss of power cannot take back; of what was found at the start nobody knows. */
  #syncedHeight = 0;

  constructor(
    options: ApplicationOptions,
    dependencies: WeftDependencies,
    committed: CommittedState,
    extensionLog: ExtensionLog,
  ) {
    const { verify, verifyIncoming = verify, signer, nextSigner, logger, metrics } = dependencies;
    const { seal, sealIncoming = seal, ticketSecretOf = () => undefined } = dependencies;
    this.#kept = new KeptWork({ committed, seal, logger, metrics });
    this.#options = options;
    this.#dependencies = dependencies;
    this.#committed = committed;
    this.#extensionLog = extensionLog;
    this.#watch = new ShareWatch({
      verify,
      compute: seal,
      keyOf: (key) => sealKey(committed.staking, key),
      batchAt: (height) => sealedBatch(committed.staking, height),
      found: (evidence) => this.#shareFaultFound(evidence),
      logger: logger.child({ module: "seal" }),
      metrics,
    });
    const limits = {
      bytesMax: POOL_BYTES_MAX,
      countMax: POOL_COUNT_MAX,
      perAccountMax: POOL_PER_ACCOUNT_MAX,
      ...options.pool,
    };
    this.#pool = new Pool(limits, {
      committed,
      metrics,
      nowMs: () => dependencies.clock.monotonicMs(),
      onDropped: (tx, why) => {
        recordDrop(this.#statuses, tx, why);
        this.#bundleGauges.dropped(tx, why);
        this.#poolDropped(tx.item);
      },
    });
    const bodies = new BodyStore(this.#pool);
    const { extensionBytesMax = EXTENSION_BYTES_MAX } = options;
    this.#extensions = new Extensions({
      extensionBytesMax,
      watch: this.#watch,
      ahead: this.#kept.ahead,
      committed,
      pool: this.#pool,
      bodies,
      log: extensionLog,
      signers: [signer, nextSigner].filter((one) => one !== undefined),
      verify,
      seal,
      ticketSecretOf,
      logger,
      metrics,
    });
    this.#admission = new TxAdmission({
      committed,
      pool: this.#pool,
      statuses: this.#statuses,
      verified: this.#verified,
      verify: verifyIncoming,
      seal: sealIncoming,
      metrics,
    });
    const { clock } = dependencies;
    const [admission, verified] = [this.#admission, this.#verified];
    this.#stakeGauges = new StakeGauges(committed, metrics);
    this.listed = new ListedTxs({
      committed,
      bodies,
      admission,
      verified,
      labelOf: (validator) => this.#stakeGauges.labelOf(validator),
      clock,
      logger,
      metrics,
    });
    this.#sealGauges = new SealGauges(committed, metrics);
    this.#auctionGauges = new AuctionGauges(metrics);
    this.#atomicGauges = new AtomicGauges(metrics);
    this.#bundleGauges = new BundleGauges(metrics);
    const { resumeAfterHalt, knownUpgrades = KNOWN_UPGRADES } = options;
    this.#standstill = new StandstillWatch(
      { resumeAfterHalt, knownUpgrades },
      { committed, logger, metrics },
    );
    this.#showState();
    this.read = createReadApi(committed, this.#pool);
    const { database, snapshotArchive } = dependencies;
    this.#snapshots =
      snapshotArchive &&
      new SnapshotMaker(
        options.snapshots ?? { interval: 0, keepRecent: 0 },
        snapshotArchive,
        dependencies,
      );
    this.#restore = new Restore(committed.store, {
      database,
      logger,
      onChanged: async () => {
        await committed.reload();
        this.#showState();
      },
    });
  }

  async info(_request: InfoRequest): Promise<InfoResponse> {
    const { height, root } = this.#committed.store.version;
    return {
      data: "weft",
      version: this.#options.version,
      appVersion: APP_VERSION,
      lastBlockHeight: Height(height),
      lastBlockAppHash: height === 0 ? EMPTY_BYTES : root,
    };
  }

  /** May be called again until the first block is committed, as after a crash. */
  async initChain(request: InitChainRequest): Promise<InitChainResponse> {
    const { chainId: own = request.chainId } = this.#options;
    if (request.chainId !== own) {
      throw new WeftError<ApplicationError>(
        { code: "APP_OTHER_CHAIN", chainId: request.chainId },
        `InitChain of the chain ${request.chainId}, but this application's home has the genesis of ${own}; give engine and application the same genesis.json`,
      );
    }
    const { store } = this.#committed;
    const { height } = store.version;
    if (height !== 0) {
      throw new WeftError<ApplicationError>(
        { code: "APP_CHAIN_HAS_BEGUN", height },
        `InitChain, but the application is at height ${height}; use the data directory of this chain or an empty one`,
      );
    }
    const state = stateAtGenesis(request);
    const changes = new Map<string, Uint8Array | undefined>();
    for await (const [key] of store.entries("")) changes.set(key, undefined);
    for (const [key, value] of state) changes.set(key, value);
    await store.commit(await store.stage(changes), 0);
    await this.#committed.reload();
    this.#showState();
    this.#executed.clear();
    return {
      consensusParams: withExtensions(request),
      validators: [],
      appHash: store.version.root,
    };
  }

  async query(request: QueryRequest): Promise<QueryResponse> {
    const snapshots = this.#dependencies.snapshotArchive?.list() ?? [];
    return query(request, this.#committed, this.read, snapshots);
  }

  async checkTx(request: CheckTxRequest): Promise<CheckTxResponse> {
    const { tx, type } = request;
    const { tx: decoded, fault } =
      type === "new" ? await this.#admission.admit(tx) : await this.#admission.recheck(tx);
    return checkResult(decoded?.id ?? EMPTY_BYTES, tx.length, fault);
  }

  async checkTxs(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]> {
    const admissions = await this.#admission.admitAll(txs);
    return admissions.map(({ tx, fault }, i) =>
      checkResult(tx?.id ?? EMPTY_BYTES, txs[i]?.length ?? 0, fault),
    );
  }

  async dryRun(tx: Uint8Array): Promise<CheckTxResponse> {
    const { tx: decoded, fault } = await this.#admission.probe(tx);
    return checkResult(decoded?.id ?? EMPTY_BYTES, tx.length, fault);
  }

  standstill(): Standstill | undefined {
    return this.#standstill.current;
  }

  flushPool(): number {
    return this.#pool.clear();
  }

  /** Ends by running what every other validator will run on the result (`checkedProposal`). */
  async prepareProposal(request: PrepareProposalRequest): Promise<readonly Uint8Array[]> {
    return this.#timed("prepare", async () => {
      const { logger, metrics, verify, seal, yieldToLoop } = this.#dependencies;
      const { height, time, proposerAddress, maxTxBytes, localLastCommit, misbehavior } = request;
      await this.listed.waitForDue();
      const builder = await beginProposal(
        {
          height,
          time,
          proposerAddress,
          txBytesMax: maxTxBytes,
          votes: localLastCommit.votes,
          misbehavior,
        },
        {
          committed: this.#committed,
          pool: this.#pool,
          bodies: this.listed.bodies,
          verify,
          seal,
          kept: this.#kept,
          watch: this.#watch,
          yieldToLoop,
          logger,
          metrics,
        },
      );
      // Others decide whether the chain goes on; a block that this node would not accept asks for nothing.
      if (this.#standstill.current !== undefined) return builder.build("obligated");
      const check = (txs: readonly Uint8Array[]) =>
        this.#execute(blockInput(request, localLastCommit, txs));
      return checkedProposal(height, builder, check, { logger, metrics });
    });
  }

  async processProposal(request: ProcessProposalRequest): Promise<Verdict> {
    return this.#timed("process", async () => {
      const { current: standstill } = this.#standstill;
      // Prevoted nil. If the others decide it: after a halt it is followed, without an upgrade it cannot be.
      if (standstill !== undefined) return { accept: false, reason: standstill.reason };
      const { logger, metrics } = this.#dependencies;
      const input = blockInput(request, request.proposedLastCommit, request.txs);
      const outcome = await this.#execute(input);
      if (outcome.kind === "executed") {
        this.#extensions.prepare(request.height, request.hash, () => idsOf(outcome.txs));
        this.#showProposed(request.hash, outcome);
        return { accept: true };
      }
      const { check, code, reason } = outcome;
      const { height } = request;
      metrics.proposalsRejected.inc();
      const proposer = this.#stakeGauges.labelOf(toHex(request.proposerAddress));
      metrics.refusedProposals.inc({ check, proposer });
      logger.warn("proposal refused", {
        height,
        proposer: toHex(request.proposerAddress),
        check,
        code,
        reason,
      });
      return { accept: false, reason: refusalText(outcome) };
    });
  }

  async extendVote(request: ExtendVoteRequest): Promise<Uint8Array> {
    const { height, hash, txs } = request;
    return this.#extensions.extend(height, hash, () => this.listed.idsIn(txs));
  }

  async verifyVoteExtension(request: VerifyVoteExtensionRequest): Promise<Verdict> {
    return this.#extensions.verify(request);
  }

  /** Free of execution when the block was processed before. May be called again until Commit. */
  async finalizeBlock(request: FinalizeBlockRequest): Promise<FinalizeBlockResponse> {
    return this.#timed("finalize", async () => {
      const { height, time, hash } = request;
      this.#checkUpgrade(height);
      const input = blockInput(request, request.decidedLastCommit, request.txs);
      const executed = await this.#execute(input);
      if (executed.kind === "refused") {
        throw new WeftError<ApplicationError>(
          { code: "APP_BLOCK_INVALID", height },
          `block ${height} was decided, but is invalid here: ${refusalText(executed)}; stop, and compare software versions with other operators`,
        );
      }
      const changes = executed.working.changes({ height, time, hash: hash.slice() });
      const staged = await this.#committed.store.stage(changes);
      this.#finalized = { executed, staged };
      return {
        events: [...misbehaviorEvents(request.misbehavior), ...executed.events],
        txResults: executed.results,
        validatorUpdates: executed.validatorUpdates,
        consensusParamUpdates: undefined,
        appHash: staged.root,
      };
    });
  }

  async commit(): Promise<CommitResponse> {
    return this.#timed("commit", async () => {
      const finalized = this.#finalized;
      assert(finalized !== undefined, "Commit comes after FinalizeBlock");
      const { executed, staged } = finalized;
      const { height, time } = executed.input;
      // The engine has the block, and tells it again to an application that lost power took back.
      const sync = height - this.#syncedHeight >= COMMITS_PER_SYNC;
      await this.#committed.store.commit(staged, height, {
        sync,
        alsoWrite: [
          ...this.#extensionLog.forget(height),
          ...this.listed.forget(executed),
          ...this.#restore.blockCommitted(),
        ],
        onVisible: () => this.#advance(executed, staged),
      });
      if (sync) this.#syncedHeight = height;
      this.#finalized = undefined;
      this.#executed.clear();
      this.#extensions.committed();
      this.listed.fetch();
      this.#kept.committed();
      this.#snapshots?.committed(height, this.#committed.store);
      const wished = (await this.#dependencies.retainHeight?.(height, time)) ?? Height(0);
      // Who restores the oldest snapshot goes on with the block after it, and so do we after a loss of power.
      const oldest = this.#dependencies.snapshotArchive?.list().at(-1);
      const needed = Math.min(oldest?.height ?? wished, this.#syncedHeight) + 1;
      const waiting = oldestUnresolved(this.#committed.staking) ?? wished;
      return { retainHeight: Height(Math.min(wished, needed, waiting)) };
    });
  }

  async listSnapshots(): Promise<readonly Snapshot[]> {
    return this.#dependencies.snapshotArchive?.list() ?? [];
  }

  async loadSnapshotChunk(request: LoadSnapshotChunkRequest): Promise<Uint8Array> {
    const { height, format, chunk } = request;
    const bytes = await this.#dependencies.snapshotArchive?.chunk(height, format, chunk);
    if (bytes !== undefined) this.#snapshots?.served(height);
    return bytes ?? EMPTY_BYTES;
  }

  async offerSnapshot(request: OfferSnapshotRequest): Promise<OfferSnapshotResult> {
    return this.#restore.offer(request);
  }

  async applySnapshotChunk(
    request: ApplySnapshotChunkRequest,
  ): Promise<ApplySnapshotChunkResponse> {
    return this.#restore.apply(request);
  }

  async stop(): Promise<void> {
    await this.listed.stop();
    await this.#snapshots?.stop();
  }

  transactionStatus(id: Uint8Array): TransactionStatus {
    const status = statusOf(this.#pool, this.#statuses, bytesToDigest(id));
    if (status.state !== "committed") return status;
    const sealing = this.#sealProgress.get(toHex(id));
    if (sealing === undefined) return status;
    const { state, height, index, code, reason, hash } = status;
    return { state, height, index, code, reason, hash, sealing };
  }

  applicationKeyFault(consensusAddress: Uint8Array): string | undefined {
    return this.#extensions.keyFault(consensusAddress);
  }

  poolSize(): { readonly count: number; readonly bytes: number } {
    return { count: this.#pool.count, bytes: this.#pool.bytes };
  }

  onShareFault(listener: (evidence: SealEvidence) => void): void {
    this.#shareFaultFound = listener;
  }

  onPoolDropped(listener: (item: Uint8Array) => void): void {
    this.#poolDropped = listener;
  }

  onProposed(listener: (block: ProposedBlock) => void): () => void {
    this.#proposedListeners.add(listener);
    return () => this.#proposedListeners.delete(listener);
  }

  blockSlices(txs: readonly Uint8Array[], outcome: BlockOutcome): Promise<BlockSlices> {
    const { chainId } = this.#committed.requireTerms().chain;
    const { yieldToLoop } = this.#dependencies;
    return blockSlices(chainId, txs, outcome, yieldToLoop, this.#appliedTxs.get(txs));
  }

  poolItems(limit: number): readonly Uint8Array[] {
    // Before InitChain, or while a snapshot is restored instead of it, no transaction has been taken.
    if (this.#committed.terms === undefined) return [];
    return drawItems(this.#pool.select(), limit);
  }

  /** In a later turn of the loop: whoever looks at a proposal must not hold up the vote on it. */
  #showProposed(blockHash: Uint8Array, executed: ExecutedBlock): void {
    if (this.#proposedListeners.size === 0) return;
    const { height, proposerAddress, time, txs } = executed.input;
    const { yieldToLoop } = this.#dependencies;
    const { chainId } = this.#committed.requireTerms().chain;
    const outcome = { txResults: executed.results, events: executed.events };
    let slices: Promise<BlockSlices> | undefined;
    const block: ProposedBlock = {
      height,
      hash: blockHash.slice(),
      proposerAddress,
      time,
      slices: () => (slices ??= blockSlices(chainId, txs, outcome, yieldToLoop, executed.txs)),
    };
    void yieldToLoop().then(() => {
      for (const listener of this.#proposedListeners) listener(block);
    });
  }

  /** @throws WeftError<ApplicationError> APP_UPGRADE_NEEDED */
  #checkUpgrade(height: Height): void {
    const { current } = this.#standstill;
    if (current?.kind !== "upgradeNeeded") return;
    throw new WeftError<ApplicationError>({ code: "APP_UPGRADE_NEEDED", height }, current.reason);
  }

  /** Takes the new state into what is kept in memory, in one turn of the loop. */
  #advance(executed: ExecutedBlock, staged: StagedState): void {
    const { metrics } = this.#dependencies;
    this.#committed.advance(staged.changes);
    recordBlock(this.#statuses, executed);
    this.#sealProgress.record(executed.input.height, executed.events);
    for (const [index, { events }] of executed.results.entries()) {
      const action = executed.txs[index]?.tx.body.action;
      if (action !== undefined && !isSealAction(action) && !isMevAction(action)) continue;
      this.#sealProgress.record(executed.input.height, events);
    }
    this.#appliedTxs.set(executed.input.txs, executed.txs);
    const included = executed.txs.filter((tx) => tx !== undefined);
    if (executed.working.changesParams) this.#pool.reconsider();
    this.#pool.advance(included, executed.working.touchedAccounts(), executed.input.height);
    this.#verified.forget(included);
    countBlock(executed, metrics);
    metrics.baseFee.set(Number(this.#committed.requireTerms().baseFeePerByte));
    const events = [executed.events, ...executed.results.map((result) => result.events)];
    this.#stakeGauges.advance(staged.changes, events);
    this.#sealGauges.advance(executed.input.height, events);
    this.listed.advance(executed, events);
    this.#auctionGauges.advance(executed.input.height, events);
    this.#atomicGauges.advance(executed.input.height, events);
    const { staking } = this.#committed;
    this.#bundleGauges.advance(executed.input.height, executed.txs, events, staking);
    metrics.orders.inc(undefined, executed.working.shuffles.decided.length);
    metrics.ordersWaiting.set(staking.records.keys(SHUFFLES).length);
    metrics.atomicOpen.set(staking.records.keys(ATOMIC_OPEN).length);
    this.#standstill.look();
  }

  /** When the state was read anew. */
  #showState(): void {
    this.#stakeGauges.reset();
    this.#sealGauges.reset();
    this.listed.reset();
    this.#standstill.look();
  }

  async #execute(input: BlockInput): Promise<ExecutedBlock | RefusedBlock> {
    const key = blockKey(input);
    const known = this.#executed.get(key);
    if (known !== undefined) return known;
    const { verify, seal, yieldToLoop } = this.#dependencies;
    const outcome = await executeBlock(input, {
      committed: this.#committed,
      verified: this.#verified,
      verify,
      seal,
      opened: this.#kept.opened,
      listRoots: this.#kept.listRoots,
      yieldToLoop,
    });
    this.#executed.set(key, outcome);
    for (const oldest of this.#executed.keys()) {
      if (this.#executed.size <= EXECUTED_BLOCKS_MAX) break;
      this.#executed.delete(oldest);
    }
    return outcome;
  }

  async #timed<T>(phase: string, task: () => Promise<T>): Promise<T> {
    const { clock, metrics } = this.#dependencies;
    const startMs = clock.monotonicMs();
    const result = await task();
    metrics.phaseSeconds.observe((clock.monotonicMs() - startMs) / 1_000, { phase });
    return result;
  }
}
