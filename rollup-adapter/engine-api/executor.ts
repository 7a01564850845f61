/**
 * An OP Stack execution client (op-geth and others) behind the execution port, fed through the Engine API: one rollup
 * block for each second of BFT time that carries payloads.
 *
 * The client is the only store of the rollup. Every block names the sequencer block it ends with, so after a crash of
 * either side, or when the client comes back without blocks that it had not written yet, the place to go on from is read
 * from its head. The same order gives the same blocks with the same hashes, so feeding again is no reorganisation.
 */
import { Height, type RollupId } from "../../proto/brands.ts";
import { bytesEqual, copyBytes, fromHex, toHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { gatherSeconds } from "../driver/second-gatherer.ts";
import { createEvmCommon } from "../evm/genesis.ts";
import { createPayloadDecoder, type PayloadDecoder } from "../evm/payload.ts";
import type {
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutedBlock,
  Executor,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
} from "../execution.ts";
import {
  type Binding,
  checkForward,
  checkHeight,
  checkInit,
  checkLabels,
  checkParent,
  checkRequest,
  checkSameBlock,
  failure,
  forgotten,
  mismatch,
  notInitialized,
  unknownBlock,
} from "../execution-checks.ts";
import { createTurns } from "../turns.ts";
import { type BlockBuilderDependencies, buildBlock, feeRuleOf } from "./block-builder.ts";
import type { ClientBlock, EngineClient } from "./engine-client.ts";
import { DEPOSIT_TYPE, decodeAttributes, type SequencerPlace } from "./l1-attributes.ts";
import { HEAD_LOOK_MS, POSITION_SAVE_HEIGHTS } from "./limits.ts";
import type { EngineApiMetrics } from "./metrics.ts";
import type { PositionStore } from "./position-store.ts";

export interface EngineApiExecutorOptions {
  readonly rollupId: RollupId;
  /** EIP-155 chain id that the client must have. */
  readonly chainId: bigint;
  /** Hash of the client's block 0, 32 bytes. */
  readonly genesisHash: Uint8Array;
}

export interface EngineApiExecutorDependencies {
  readonly client: EngineClient;
  readonly positions: PositionStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: EngineApiMetrics;
  /** Shared with the gateway, so that what one of them knows of senders the other need not find out. */
  readonly decoder: PayloadDecoder;
}

/** By the rules of chains that this driver feeds. */
export function createEngineDecoder(chainId: bigint): PayloadDecoder {
  const common = createEvmCommon({ chainId, hardfork: "prague" });
  // The library copies it into each transaction, which takes half of the time that decoding one takes. Nobody alters it.
  common.copy = () => common;
  common.updateParams = () => {};
  const rules = { blobTransactions: false, unprotectedTransactions: false };
  return createPayloadDecoder({ common, rules });
}

export interface EngineApiExecutor extends Executor {
  /** Waits for the call under way and writes the position; the client stays as it is. */
  close(): Promise<void>;
}

/** Takes every sequencer block; the client is asked for nothing before `init`. */
export function createEngineApiExecutor(
  options: EngineApiExecutorOptions,
  deps: EngineApiExecutorDependencies,
): EngineApiExecutor {
  const inner = new SecondExecutor(options, deps);
  return { ...gatherSeconds(inner), close: () => inner.close() };
}

interface Position {
  readonly height: Height;
  readonly blockHash: Uint8Array;
}

/** Where the client stands; made anew whenever that is in doubt. */
interface ClientState {
  readonly head: ClientBlock;
  readonly safe: ClientBlock;
  readonly finalized: ClientBlock;
  /** The last sequencer block taken; undefined before the first. */
  readonly position: Position | undefined;
}

/** Takes whole seconds. */
class SecondExecutor implements Executor {
  readonly #options: EngineApiExecutorOptions;
  readonly #deps: EngineApiExecutorDependencies;
  readonly #rollupId: Uint8Array;
  readonly #builder: BlockBuilderDependencies;
  #binding: InitRequest | undefined;
  #state: ClientState | undefined;
  /** The highest head so far, to notice a client that comes back behind it. */
  #highest = 0;
  #savedHeight = 0;
  /** When the client's head was looked at last while the order had nothing for it; monotonic ms. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Whether a block was seen to become the client's head since its place was read. */
  #isProven = false;
  readonly #calls = createTurns();
  #isClosed = false;

  constructor(options: EngineApiExecutorOptions, deps: EngineApiExecutorDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#rollupId = fromHex(options.rollupId);
    this.#builder = {
      client: deps.client,
      common: createEvmCommon({ chainId: options.chainId, hardfork: "prague" }),
      decoder: deps.decoder,
      logger: deps.logger,
      rollupId: this.#rollupId,
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#calls.done();
    await this.#savePosition();
  }

  init: Executor["init"] = (request) =>
    this.#exclusive(async () => {
      const { rollupId, chainId, genesisHash } = this.#options;
      checkInit(request, { rollupId, bound: this.#binding ?? (await this.#storedBinding()) });
      this.#binding = request;
      const state = await this.#synchronize();
      return {
        rollupId,
        chainId,
        genesisHash,
        head: toExecuted(state.head),
        nextSequencerHeight: this.#nextHeight(state, request),
        supportsGroupRevert: false,
        // A stock client has no staged overlay (docs/rollups.md).
        atomicLevel: 0,
      };
    });

  executeBlock: Executor["executeBlock"] = (request) =>
    this.#exclusive(async () => {
      checkRequest(request);
      const { binding, state } = await this.#ready();
      checkIsNew(request, state);
      checkHeight(request, this.#nextHeight(state, binding));
      checkParent(request, state.head.hash);
      return request.payloads.length === 0
        ? this.#takeEmpty(request, state)
        : this.#takePayloads(request, state);
    });

  setFinality: Executor["setFinality"] = (request) =>
    this.#exclusive(async () => {
      checkLabels(request);
      const { state } = await this.#ready();
      const safe = await this.#blockOf(request.safeHash, state);
      const finalized = await this.#blockOf(request.finalizedHash, state);
      checkForward(numbersOf({ safe, finalized }), numbersOf(state));
      await this.#moveTo({ ...state, safe, finalized });
      return { safe: toExecuted(safe), finalized: toExecuted(finalized) };
    });

  getStatus = (): Promise<ExecutorStatus> =>
    this.#exclusive(async () => {
      const { rollupId, chainId, genesisHash } = this.#options;
      const binding = this.#binding;
      const state = this.#state ?? (await this.#synchronize());
      const finality: FinalityStatus = {
        safe: toExecuted(state.safe),
        finalized: toExecuted(state.finalized),
      };
      return {
        ...finality,
        isInitialized: binding !== undefined,
        rollupId,
        chainId,
        genesisHash,
        head: toExecuted(state.head),
        sequencer: state.position,
        nextSequencerHeight: binding === undefined ? undefined : this.#nextHeight(state, binding),
        gatheredPayloads: 0,
        openBundles: [],
        openBundleCount: 0,
      };
    });

  async #storedBinding(): Promise<Binding | undefined> {
    const stored = await this.#deps.positions.load();
    if (stored === undefined) return undefined;
    const { sequencerChainId, startHeight: sequencerStartHeight } = stored;
    return { sequencerChainId, sequencerStartHeight };
  }

  async #ready(): Promise<{ readonly binding: InitRequest; readonly state: ClientState }> {
    const binding = this.#binding;
    if (binding === undefined) throw notInitialized();
    return { binding, state: this.#state ?? (await this.#synchronize()) };
  }

  /** Reads where the client stands, and has it take that for its head, with the labels that it kept. */
  async #synchronize(): Promise<ClientState> {
    const { client, logger, metrics } = this.#deps;
    const { chainId, genesisHash } = this.#options;
    await client.checkMethods();
    const served = await client.chainId();
    if (served !== chainId) {
      throw mismatch(
        `the execution client has chain id ${served}, configured is ${chainId}: name this rollup's client in rollup.json (executor.engine_url), and initialise its data directory with this rollup's genesis.json before its first start`,
      );
    }
    const genesis = await client.block(0);
    if (genesis === undefined || !bytesEqual(genesis.hash, genesisHash)) {
      throw mismatch(
        `the execution client's block 0 is ${genesis === undefined ? "missing" : toHex(genesis.hash)}, configured is ${toHex(genesisHash)}: initialise its data directory with this rollup's genesis.json`,
      );
    }
    if (feeRuleOf(genesis.extraData) === undefined) {
      throw mismatch(
        `block 0 has the extra data ${toHex(genesis.extraData)}: this driver feeds chains with Isthmus or Jovian active from block 0`,
      );
    }
    const head = (await client.block("latest")) ?? genesis;
    const place = await this.#placeOf(head);
    const finalized = (await client.block("finalized")) ?? genesis;
    const safe = (await client.block("safe")) ?? finalized;
    if (head.number < this.#highest) {
      metrics.clientBehind.inc();
      logger.warn("the execution client came back without blocks that it had; feeding them again", {
        had: this.#highest,
        has: head.number,
      });
    }
    const state: ClientState = {
      head,
      // A client that lost blocks has lost the labels on them.
      safe: safe.number > head.number ? head : safe,
      finalized: finalized.number > head.number ? head : finalized,
      position: await this.#positionAbove(head, place),
    };
    await this.#moveTo(state);
    this.#isProven = false;
    return state;
  }

  /** Where the order was followed to: beyond the head, if nothing came since that it would hold. */
  async #positionAbove(
    head: ClientBlock,
    place: SequencerPlace | undefined,
  ): Promise<Position | undefined> {
    const ofHead = place === undefined ? undefined : positionOf(place.height, place.blockHash);
    const stored = await this.#deps.positions.load();
    if (stored === undefined || !bytesEqual(stored.headHash, head.hash)) return ofHead;
    if (stored.height <= (ofHead?.height ?? 0)) return ofHead;
    return positionOf(stored.height, stored.blockHash);
  }

  async #placeOf(block: ClientBlock): Promise<SequencerPlace | undefined> {
    if (block.number === 0) return undefined;
    const first = await this.#deps.client.firstTransaction(block.hash);
    const place =
      first?.type === DEPOSIT_TYPE ? decodeAttributes(first.data, this.#rollupId) : undefined;
    if (place !== undefined && bytesEqual(place.blockHash, block.prevRandao)) return place;
    throw mismatch(
      `block ${block.number} (${toHex(block.hash)}) of the execution client does not say which sequencer block it comes from: it was not built for rollup ${this.#options.rollupId} by this driver`,
    );
  }

  async #takeEmpty(
    request: ExecuteBlockRequest,
    state: ClientState,
  ): Promise<ExecuteBlockResponse> {
    await this.#look(state.head);
    const position = positionOf(request.sequencerHeight, copyBytes(request.sequencerBlockHash));
    this.#state = { ...state, position };
    if (position.height >= this.#savedHeight + POSITION_SAVE_HEIGHTS) await this.#savePosition();
    return { ...toExecuted(state.head), outcome: "none", included: 0, skipped: [] };
  }

  /**
   * A client that was killed may be back without its last blocks, and wallets read from it: that must not wait for the
   * next payload to be noticed, nor that it is away.
   */
  async #look(head: ClientBlock): Promise<void> {
    const { client, clock } = this.#deps;
    if (clock.monotonicMs() < this.#lookedAt + HEAD_LOOK_MS) return;
    const latest = await client.block("latest");
    this.#lookedAt = clock.monotonicMs();
    if (latest !== undefined && bytesEqual(latest.hash, head.hash)) return;
    this.#state = undefined;
    throw failure(
      { code: "EXECUTION_INTERNAL" },
      `the execution client stands at block ${latest?.number ?? "?"}, it was left at ${head.number}; it is fed from there`,
    );
  }

  async #takePayloads(
    request: ExecuteBlockRequest,
    state: ClientState,
  ): Promise<ExecuteBlockResponse> {
    const { client, clock, logger, metrics } = this.#deps;
    const started = clock.monotonicMs();
    const place: SequencerPlace = {
      heightFirst: request.sequencerHeightFirst ?? request.sequencerHeight,
      height: request.sequencerHeight,
      blockHash: copyBytes(request.sequencerBlockHash),
      seconds: request.timestamp.seconds,
    };
    const { payload, included, skipped, refusals } = await buildBlock(
      {
        parent: state.head,
        forkchoice: labelsOf(state),
        place,
        payloads: request.payloads,
      },
      this.#builder,
    );
    await client.newPayload(payload, place.blockHash);
    const { block } = payload;
    const position = positionOf(place.height, place.blockHash);
    await this.#moveTo({ ...state, head: block, position });
    if (!this.#isProven) await this.#proveHead(block);
    const seconds = (clock.monotonicMs() - started) / 1_000;
    metrics.blocks.inc();
    metrics.transactions.inc(undefined, included);
    metrics.refusals.inc(undefined, refusals);
    metrics.blockSeconds.observe(seconds);
    const reasons = new Map<string, number>();
    for (const { reason } of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    for (const [reason, count] of reasons) metrics.skipped.inc({ reason }, count);
    logger.debug("rollup block executed", {
      number: block.number,
      hash: toHex(block.hash),
      sequencerHeight: place.height,
      included,
      skipped: skipped.length,
      refusals,
      seconds,
    });
    return { ...toExecuted(block), outcome: "block", included, skipped };
  }

  /** Makes the client's head and labels those of `state`; they are ours only when it has taken them. */
  async #moveTo(state: ClientState): Promise<void> {
    const { client, metrics } = this.#deps;
    await client.forkchoiceUpdated(labelsOf(state), undefined);
    this.#state = state;
    this.#highest = state.head.number;
    metrics.headNumber.set(state.head.number);
    metrics.safeNumber.set(state.safe.number);
    metrics.finalizedNumber.set(state.finalized.number);
  }

  /**
   * A client that was killed may still have blocks whose state it lost. It calls them valid, takes none of them for its
   * head, and could build nothing on them: better found with the first block than with the second.
   */
  async #proveHead(block: ClientBlock): Promise<void> {
    const latest = await this.#deps.client.block("latest");
    if (latest !== undefined && bytesEqual(latest.hash, block.hash)) {
      this.#isProven = true;
      return;
    }
    throw failure(
      { code: "EXECUTION_INTERNAL" },
      `the execution client says that block ${block.number} is valid and stays at block ${latest?.number ?? "?"}: it was killed and has lost state that it had in memory; remove its data directory, initialise it again and start it, it is then fed from the stream (op-geth: --state.scheme hash --gcmode archive loses nothing)`,
    );
  }

  async #blockOf(hash: Uint8Array, state: ClientState): Promise<ClientBlock> {
    if (bytesEqual(hash, state.head.hash)) return state.head;
    const block = await this.#deps.client.blockByHash(hash);
    if (block !== undefined) return block;
    throw unknownBlock(hash);
  }

  #nextHeight(state: ClientState, binding: InitRequest): Height {
    return state.position === undefined
      ? binding.sequencerStartHeight
      : Height(state.position.height + 1);
  }

  async #savePosition(): Promise<void> {
    const [binding, state] = [this.#binding, this.#state];
    if (binding === undefined || state?.position === undefined) return;
    const { height, blockHash } = state.position;
    await this.#deps.positions.save({
      sequencerChainId: binding.sequencerChainId,
      startHeight: binding.sequencerStartHeight,
      headHash: state.head.hash,
      height,
      blockHash,
    });
    this.#savedHeight = height;
  }

  /** One call at a time. What a failed one left behind at the client is read anew before the next. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#calls.take(async () => {
      if (this.#isClosed) throw failure({ code: "EXECUTION_CLOSED" }, "the executor was closed");
      try {
        return await work();
      } catch (error) {
        if (isWeftError(error) && error.code.startsWith("EXECUTION_")) throw error;
        this.#state = undefined;
        const why = error instanceof Error ? error.message : String(error);
        throw failure({ code: "EXECUTION_INTERNAL" }, `the execution client failed: ${why}`, error);
      }
    });
  }
}

/** What was taken before is answered by who gathers seconds, as long as the answer is kept. */
function checkIsNew(request: ExecuteBlockRequest, { position }: ClientState): void {
  const height = request.sequencerHeight;
  if (position === undefined || height > position.height) return;
  if (height === position.height) checkSameBlock(request, position.blockHash);
  throw forgotten(height, position.height);
}

function positionOf(height: Height, blockHash: Uint8Array): Position {
  return { height, blockHash };
}

function labelsOf({ head, safe, finalized }: ClientState): {
  readonly head: Uint8Array;
  readonly safe: Uint8Array;
  readonly finalized: Uint8Array;
} {
  return { head: head.hash, safe: safe.hash, finalized: finalized.hash };
}

function toExecuted(block: ClientBlock): ExecutedBlock {
  const { number, hash, parentHash, stateRoot, receiptsRoot, timestampSeconds, gasUsed } = block;
  return { number, hash, parentHash, stateRoot, receiptsRoot, timestampSeconds, gasUsed };
}

function numbersOf({ safe, finalized }: Pick<ClientState, "safe" | "finalized">): {
  readonly safe: number;
  readonly finalized: number;
} {
  return { safe: safe.number, finalized: finalized.number };
}
