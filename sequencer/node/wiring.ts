/** Adapters between parts that do not know each other: the ports of RPC and gRPC, the way of a transaction. */
import { Height } from "../../proto/brands.ts";
import { isWeftError } from "../../proto/errors.ts";
import type { PublicKey } from "../../proto/types.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import type { Engine } from "../engine/engine.ts";
import type { GrpcBlocks } from "../grpc/ports.ts";
import { formatPeerAddress, parsePeerAddress } from "../p2p/address.ts";
import { P2pError } from "../p2p/errors.ts";
import type { AddressBook } from "../p2p/pex/address-book.ts";
import type { PexReactor } from "../p2p/pex/pex-reactor.ts";
import type { Switch } from "../p2p/switch.ts";
import type { Logger } from "../ports/logger.ts";
import type {
  RpcApplication,
  RpcConsensus,
  RpcMempool,
  RpcNetwork,
  RpcNodeInfo,
} from "../rpc/ports.ts";
import { createRpcConsensus } from "../rpc/engine-adapter.ts";
import { refusedForNow, refusedForSize, type SubmitTx } from "./grpc-ports.ts";
import { createRecentBlocks } from "./recent-blocks.ts";
import type { VERSION } from "./version.ts";

/** Transactions of peers or clients, checked in one go; answers in their order. */
export type CheckTxs = (txs: readonly Uint8Array[]) => Promise<readonly CheckTxResponse[]>;

/** CheckTx that tells the engine when there is something to order. Before it has started, all is refused. */
export function createCheckTxs(engine: Engine, hasStarted = (): boolean => true): CheckTxs {
  return async (txs) => {
    if (!hasStarted()) {
      return txs.map((tx) => refusedForNow(tx, "the node restores its state; submit to another"));
    }
    const answers = await engine.checkTxs(txs);
    if (answers.some(({ code }) => code === 0)) engine.notifyTxsAvailable();
    return answers;
  };
}

/** Submission at the doors: what no peer would take is refused as the application refuses, not as a failure. */
export function createSubmitTx(submit: SubmitTx): SubmitTx {
  return async (tx) => {
    try {
      return await submit(tx);
    } catch (error) {
      if (!isWeftError(error) || error.code !== "P2P_TX_INVALID") throw error;
      return refusedForSize(tx, error.message);
    }
  };
}

export function createRpcPorts(parts: {
  readonly engine: Engine;
  readonly application: WeftApplication;
  readonly peers: Switch;
  readonly exchange: RpcExchange;
  readonly submitTx: SubmitTx;
  readonly validatorKey: PublicKey;
  readonly isCatchingUp: () => boolean;
  readonly peerState: RpcNetwork["peerState"];
  readonly timeoutCommitMs: number;
  readonly logger: Logger;
  readonly version: typeof VERSION;
}): {
  readonly app: RpcApplication;
  readonly mempool: RpcMempool;
  readonly network: RpcNetwork;
  readonly consensus: RpcConsensus;
} {
  const { engine, application, peers, exchange, submitTx, validatorKey, isCatchingUp, version } =
    parts;
  return {
    app: {
      info: () =>
        application.info({
          version: version.cometbft,
          blockVersion: BigInt(version.block),
          p2pVersion: BigInt(version.p2p),
          abciVersion: version.abci,
        }),
      query: (request) => application.query(request),
      dryRun: (tx) => application.dryRun(tx),
    },
    mempool: {
      submit: submitTx,
      flush: () => {
        parts.logger.warn("pool flushed over RPC", { transactions: application.flushPool() });
      },
      count: () => application.poolSize().count,
      sizeBytes: () => application.poolSize().bytes,
      list: (limit) => application.poolItems(limit),
    },
    network: {
      nodeInfo: () => rpcNodeInfo(peers.nodeInfo()),
      isListening: () => peers.listenAddress() !== undefined,
      listeners: () => {
        const address = peers.listenAddress();
        return address === undefined ? [] : [`Listener(@${address})`];
      },
      peers: () =>
        peers.peers().map((peer) => ({
          id: peer.id,
          nodeInfo: rpcNodeInfo(peer.nodeInfo),
          isOutbound: peer.isOutbound,
          remoteAddress: peer.remoteAddress,
          score: () => peers.score(peer.id),
          status: () => peer.status(),
        })),
      banned: () => peers.banned(),
      ...createDialing(peers, exchange),
      peerState: parts.peerState,
    },
    consensus: createRpcConsensus(engine, {
      fallbackKey: validatorKey,
      isCatchingUp,
      timeoutCommitMs: parts.timeoutCommitMs,
    }),
  };
}

/** Peer exchange as far as RPC may steer it; empty when it is off. */
export interface RpcExchange {
  readonly pex: Pick<PexReactor, "dialSeeds"> | undefined;
  readonly book: Pick<AddressBook, "addPrivateId"> | undefined;
}

function createDialing(
  peers: Switch,
  { pex, book }: RpcExchange,
): Pick<RpcNetwork, "dialSeeds" | "dialPeers"> {
  return {
    dialSeeds(seeds) {
      if (pex === undefined) throw new P2pError("P2P_DIAL_FAILED", "expected pex to be on");
      void pex.dialSeeds(seeds.map(parsePeerAddress));
    },
    dialPeers(addresses, { isPersistent, isUnconditional, isPrivate }) {
      const parsed = addresses.map(parsePeerAddress);
      for (const address of parsed) {
        if (isPrivate) book?.addPrivateId(address.id);
        if (isUnconditional) peers.addUnconditionalPeer(address.id);
        if (isPersistent) peers.addPersistentPeer(formatPeerAddress(address));
        // One that cannot be reached shows in the log and in the metric of dials.
        else peers.dialAddress(address).catch(() => {});
      }
    },
  };
}

/** The blocks of the embedded engine. */
export function createEngineBlocks(engine: Engine): GrpcBlocks {
  const { blockStore, stateStore } = engine;
  const recent = createRecentBlocks(engine.events);
  return {
    base: () => blockStore.base(),
    // What is applied, not only stored: results and the next validator set are there too.
    // The engine's own word comes a moment after the event that wakes the streams.
    height: () =>
      Height(Math.max(recent.height(), Math.min(blockStore.height(), engine.status().height))),
    block: async (height) => recent.get(height)?.block ?? blockStore.block(height),
    header: async (height) =>
      recent.get(height)?.block.header ?? (await blockStore.meta(height))?.header,
    seenCommit: (height) => blockStore.seenCommit(height),
    validators: (height) => stateStore.validators(height),
    hashedValidators: (height) => stateStore.hashedValidators(height),
    results: async (height) =>
      recent.get(height)?.results ?? (await stateStore.finalizeBlockResponse(height)),
    onBlock: (listener) =>
      engine.events.on((event) => {
        if (event.kind === "NewBlock") listener(event.block.header.height);
      }),
  };
}

function rpcNodeInfo(info: ReturnType<Switch["nodeInfo"]>): RpcNodeInfo {
  const { nodeId, channels, ...rest } = info;
  return { ...rest, id: nodeId, channels: [...channels] };
}
