/**
 * A node for the RPC server without consensus: real signed blocks in real stores, events as the
 * engine publishes them, and a pool that puts what it takes into the next block.
 */
import { type Height, NodeId, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { txHash } from "../../proto/hashes.ts";
import { addMs } from "../../proto/time.ts";
import {
  type BitArray,
  type Commit,
  type Evidence,
  SignedMsgType,
  type VoteType,
} from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type {
  AbciEvent,
  CheckTxResponse,
  ExecTxResult,
  FinalizeBlockResponse,
} from "../../sequencer/abci/application.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";
import type { RoundStateView, VoteSetView } from "../../sequencer/consensus/round-state.ts";
import { Step } from "../../sequencer/consensus/step.ts";
import { advanceChainState, nextHeight } from "../../sequencer/engine/chain-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import { createEvidencePool } from "../../sequencer/engine/evidence/evidence-pool.ts";
import { NULL_ENGINE_METRICS } from "../../sequencer/engine/metrics.ts";
import { createEventBus, type EventBus } from "../../sequencer/engine/event-bus.ts";
import { genesisToJson } from "../../sequencer/engine/genesis.ts";
import { completeBlock, emptyCommit, makeBlock } from "../../sequencer/engine/make-block.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import {
  createIndexerService,
  type IndexerService,
} from "../../sequencer/rpc/indexer/indexer-service.ts";
import { openChainIndex, type WritableIndex } from "../../sequencer/rpc/indexer/level-index.ts";
import { NULL_RPC_METRICS, type RpcMetrics } from "../../sequencer/rpc/metrics.ts";
import type { RpcPeer } from "../../sequencer/rpc/ports.ts";
import {
  createRpcServer,
  type RpcServer,
  type RpcServerDependencies,
  type RpcServerOptions,
} from "../../sequencer/rpc/rpc-server.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import type { ChainState } from "../../sequencer/store/chain-state.ts";
import { openBlockStore } from "../../sequencer/store/level-block-store.ts";
import { createStateStore } from "../../sequencer/store/level-state-store.ts";
import type { StateStore } from "../../sequencer/store/state-store.ts";
import {
  signedCommit,
  testGenesis,
  testKeys,
  testState,
  withoutExtensions,
} from "./chain-builder.ts";
import { memoryStore } from "./memory-store.ts";

export const TEST_NODE_ID = NodeId("0123456789abcdef0123456789abcdef01234567");

/** The events of CometBFT's kvstore, which the recorded answers come from. */
export function kvEvents(tx: Uint8Array): readonly AbciEvent[] {
  const [key = "", value = ""] = Buffer.from(tx).toString("utf8").split("=", 2);
  const of = (creator: string, first: string): AbciEvent => ({
    type: "app",
    attributes: [
      { key: "creator", value: creator, index: true },
      { key: "key", value: first, index: true },
      { key: "index_key", value: "index is working", index: true },
      { key: "noindex_key", value: "index is working", index: false },
    ],
  });
  return [of("Cosmoshi Netowoko", key), of("Cosmoshi", value)];
}

export function okResult(changes: Partial<ExecTxResult> = {}): ExecTxResult {
  return { ...EMPTY_TX_RESULT, ...changes };
}

export class TestChain {
  readonly bus: EventBus = createEventBus();
  readonly keys = testKeys(4);
  readonly genesis = testGenesis(this.keys, {
    appState: '{"big":12345678901234567890}',
    consensusParams: { ...DEFAULT_CONSENSUS_PARAMS, version: { app: 1n } },
  });
  readonly blocks: BlockStore;
  readonly states: StateStore;
  readonly values = new Map<string, Uint8Array>();
  state: ChainState = testState(this.genesis);
  isCatchingUp = false;
  #lastCommit: Commit = emptyCommit();

  private constructor(blocks: BlockStore, states: StateStore) {
    this.blocks = blocks;
    this.states = states;
  }

  static async create(): Promise<TestChain> {
    const chain = new TestChain(
      await openBlockStore(memoryStore()),
      createStateStore(memoryStore()),
    );
    await chain.states.save(chain.state);
    return chain;
  }

  /** Appends a block with `txs` and announces it. */
  async commitBlock(
    txs: readonly Uint8Array[],
    options: {
      readonly events?: readonly AbciEvent[];
      readonly evidence?: readonly Evidence[];
      readonly result?: (tx: Uint8Array) => ExecTxResult;
    } = {},
  ): Promise<Height> {
    const height = nextHeight(this.state);
    const built = completeBlock(
      makeBlock(this.state, {
        txs,
        evidence: options.evidence ?? [],
        lastCommit: this.#lastCommit,
        proposerAddress: this.state.validators.proposer.address,
      }),
    );
    const { block, blockId } = built;
    const time = addMs(block.header.time, 1_000);
    const commit = signedCommit(this.keys, this.state.validators, height, blockId, time);
    const result: FinalizeBlockResponse = {
      events: options.events ?? [],
      txResults: txs.map(options.result ?? ((tx) => okResult({ events: kvEvents(tx) }))),
      validatorUpdates: [],
      consensusParamUpdates: undefined,
      appHash: Buffer.from(`00000000000000${(height % 100).toString().padStart(2, "0")}`, "hex"),
    };
    this.#lastCommit = withoutExtensions(commit);
    await this.blocks.save({ ...built, seenCommit: this.#lastCommit, extendedCommit: undefined });
    await this.states.saveFinalizeBlockResponse(height, result);
    this.state = advanceChainState(this.state, blockId, block.header, result);
    await this.states.save(this.state);
    for (const tx of txs) {
      const [key = "", value = ""] = Buffer.from(tx).toString("utf8").split("=", 2);
      this.values.set(key, utf8ToBytes(value));
    }
    this.bus.publish({ kind: "NewBlock", block, blockId, result });
    this.bus.publish({ kind: "NewBlockHeader", header: block.header });
    const txCount = txs.length;
    this.bus.publish({ kind: "NewBlockEvents", height, events: result.events, txCount });
    for (const [index, tx] of txs.entries()) {
      const outcome = result.txResults[index] ?? okResult();
      this.bus.publish({ kind: "Tx", height, index, tx, result: outcome });
    }
    return height;
  }

  /** The round after the last block, before anything happened in it. */
  view(): RoundStateView {
    const { validators } = this.state;
    const height = nextHeight(this.state);
    const bits = validators.validators.length;
    const none = (): BitArray => ({ bits, elems: [0n] });
    const votes = (round: Round, type: VoteType): VoteSetView => ({
      height,
      round,
      type,
      size: bits,
      bitArray: none,
      bitArrayFor: none,
      voteAt: () => undefined,
      majority: () => undefined,
      sum: 0n,
      hasTwoThirdsAny: () => false,
    });
    return {
      height,
      initialHeight: this.state.initialHeight,
      round: Round(0),
      step: Step.NEW_HEIGHT,
      validators,
      proposer: validators.proposer.address,
      proposal: undefined,
      proposalBlock: undefined,
      proposalParts: undefined,
      lockedRound: Round(-1),
      lockedBlockId: undefined,
      lockedBlock: undefined,
      lockedParts: undefined,
      validRound: Round(-1),
      validBlockId: undefined,
      validBlock: undefined,
      validParts: undefined,
      commitRound: Round(-1),
      lastCommit: votes(Round(0), SignedMsgType.PRECOMMIT),
      isExtended: false,
      isPrecommitWaitTriggered: false,
      votes,
    };
  }
}

/** A pool in front of a `TestChain`: what it takes is in the next block. */
export class TestMempool {
  readonly #chain: TestChain;
  readonly #seen = new Set<string>();
  pending: Uint8Array[] = [];
  /** Off: transactions stay pending. */
  commits = true;

  constructor(chain: TestChain) {
    this.#chain = chain;
  }

  async submit(tx: Uint8Array): Promise<CheckTxResponse> {
    const hash = toHex(txHash(tx));
    if (this.#seen.has(hash)) {
      throw new WeftError({ code: "TEST_TX_KNOWN" }, "tx already exists in cache");
    }
    this.#seen.add(hash);
    if (!Buffer.from(tx).includes("=")) return okResult({ code: 2 });
    this.pending.push(tx);
    if (this.commits) setImmediate(() => void this.#commit());
    return okResult({ gasWanted: 1n });
  }

  count(): number {
    return this.pending.length;
  }

  sizeBytes(): number {
    return this.pending.reduce((sum, tx) => sum + tx.length, 0);
  }

  flush(): void {
    this.pending = [];
  }

  list(limit: number): readonly Uint8Array[] {
    return this.pending.slice(0, limit);
  }

  async #commit(): Promise<void> {
    const txs = this.pending;
    this.pending = [];
    if (txs.length > 0) await this.#chain.commitBlock(txs);
  }
}

export interface TestNode {
  readonly chain: TestChain;
  readonly mempool: TestMempool;
  readonly index: WritableIndex;
  readonly indexer: IndexerService;
  readonly server: RpcServer;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly peers: RpcPeer[];
  stop(): Promise<void>;
}

export async function startTestNode(
  options: Partial<RpcServerOptions> = {},
  changes: Partial<RpcServerDependencies> & { readonly metrics?: RpcMetrics } = {},
): Promise<TestNode> {
  const chain = await TestChain.create();
  const mempool = new TestMempool(chain);
  const clock = createSystemClock();
  const peers: RpcPeer[] = [];
  const index = await openChainIndex(
    { isPrunable: false },
    { store: memoryStore(), blocks: chain.blocks },
  );
  const { blocks, states, bus: events } = chain;
  const [key] = chain.keys;
  if (key === undefined) throw new Error("a chain has keys");
  const base = { clock, logger: NULL_LOGGER };
  const verifier = createEd25519Verifier();
  const pool = createEvidencePool({
    ...base,
    store: memoryStore(),
    blockStore: blocks,
    stateStore: states,
    verifier,
    incomingVerifier: verifier,
    metrics: NULL_ENGINE_METRICS,
  });
  await pool.open();
  const indexer = createIndexerService({
    ...base,
    index,
    blocks,
    states,
    events,
    metrics: NULL_RPC_METRICS,
  });
  indexer.start();
  const server = createRpcServer(
    { host: "127.0.0.1", port: 0, ...options },
    {
      ...base,
      blocks,
      states,
      events,
      mempool,
      evidence: { addEvidence: (piece) => pool.add(chain.state, piece) },
      index,
      app: {
        info: async () => ({
          data: `{"size":${chain.values.size}}`,
          version: "2.0.0",
          appVersion: 1n,
          lastBlockHeight: blocks.height(),
          lastBlockAppHash: chain.state.appHash,
        }),
        query: async ({ data }) => {
          const value = chain.values.get(Buffer.from(data).toString("utf8"));
          return {
            code: 0,
            log: value === undefined ? "does not exist" : "exists",
            info: "",
            index: 0n,
            key: data,
            value: value ?? EMPTY_BYTES,
            proofOps: [],
            height: blocks.height(),
            codespace: "",
          };
        },
        dryRun: async () => okResult({ gasWanted: 1n }),
      },
      network: {
        nodeInfo: () => TEST_NODE_INFO,
        isListening: () => true,
        listeners: () => ["Listener(@)"],
        peers: () => peers,
        banned: () => [],
        dialSeeds: () => {},
        dialPeers: () => {},
        peerState: () => undefined,
      },
      consensus: {
        isCatchingUp: () => chain.isCatchingUp,
        roundState: () => chain.view(),
        heightStartTime: () => chain.state.lastBlockTime,
        commitTime: () => chain.state.lastBlockTime,
        publicKey: key.publicKey,
      },
      genesis: { json: genesisToJson(chain.genesis) },
      ...changes,
    },
  );
  const { host, port } = await server.start();
  return {
    chain,
    mempool,
    index,
    indexer,
    server,
    host,
    port,
    url: `http://${host}:${port}`,
    peers,
    async stop() {
      await server.stop();
      await indexer.stop();
    },
  };
}

export const TEST_NODE_INFO = {
  protocolVersion: { p2p: 8n, block: 11n, app: 1n },
  id: TEST_NODE_ID,
  listenAddress: "tcp://0.0.0.0:26656",
  network: "weft-test",
  version: "0.38.25",
  channels: [0x40, 0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x60, 0x61, 0x00],
  moniker: "test node",
  other: { txIndex: "on", rpcAddress: "tcp://0.0.0.0:26657" },
};

/** A JSON-RPC call over POST. */
export async function postRpc(
  node: Pick<TestNode, "url">,
  body: unknown,
): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const response = await fetch(node.url, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
