/**
 * What the RPC server needs of the node. The engine's stores and event bus and the switch's peers
 * fit as they are; the composition root adapts the rest. Every read may be slow and none may hold
 * consensus.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type { BitArray, Evidence, PartSetHeader, PublicKey, Timestamp } from "../../proto/types.ts";
import type {
  CheckTxResponse,
  InfoResponse,
  QueryRequest,
  QueryResponse,
} from "../abci/application.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import type { EventBus } from "../engine/event-bus.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { StateStore } from "../store/state-store.ts";

export type RpcBlocks = Pick<
  BlockStore,
  "base" | "height" | "meta" | "block" | "heightByHash" | "commit" | "seenCommit"
>;

export type RpcStates = Pick<
  StateStore,
  "validators" | "consensusParams" | "finalizeBlockResponse"
>;

/** Listeners run inside `publish`: the server only queues there. */
export type RpcEventSource = Pick<EventBus, "on">;

/** The application, past the consensus connection. */
export interface RpcApplication {
  info(): Promise<InfoResponse>;
  query(request: QueryRequest): Promise<QueryResponse>;
  /** Checks a transaction without keeping it; undefined when the application cannot. */
  readonly dryRun: ((tx: Uint8Array) => Promise<CheckTxResponse>) | undefined;
}

/** The pool of pending transactions, wherever it lives. */
export interface RpcMempool {
  /**
   * Checks a transaction, keeps it when its code is 0, and passes it to peers.
   * Rejects with a `WeftError` when it is refused before the check (too large, known, pool full).
   */
  submit(tx: Uint8Array): Promise<CheckTxResponse>;
  count(): number;
  sizeBytes(): number;
  /** Drops all pending transactions. */
  flush(): void;
  /** Up to `limit` pending transactions in the order they would be proposed. */
  list(limit: number): readonly Uint8Array[];
}

/** NodeInfo as it is announced to peers (spec §16.3). */
export interface RpcNodeInfo {
  readonly protocolVersion: { readonly p2p: bigint; readonly block: bigint; readonly app: bigint };
  readonly id: NodeId;
  readonly listenAddress: string;
  readonly network: string;
  readonly version: string;
  readonly channels: readonly number[];
  readonly moniker: string;
  readonly other: { readonly txIndex: string; readonly rpcAddress: string };
}

export interface RpcPeer {
  readonly id: NodeId;
  readonly nodeInfo: RpcNodeInfo;
  readonly isOutbound: boolean;
  /** Address of the socket, `host:port`. */
  readonly remoteAddress: string;
  /** Points for misbehaviour; ours, told by `net_info` when there are some. */
  score(): number;
  status(): {
    readonly connectedMs: number;
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly channels: readonly {
      readonly id: number;
      readonly priority: number;
      readonly sendQueueMessagesMax: number;
      readonly sendQueueMessages: number;
      readonly recentlySentBytes: number;
    }[];
  };
}

/** What is known of a peer's round. Bit arrays are indexed by validator, or by part. */
export interface RpcPeerState {
  readonly height: Height;
  readonly round: Round;
  readonly step: number;
  /** Monotonic ms at which its height began. */
  readonly startMs: number;
  readonly hasProposal: boolean;
  readonly partSetHeader: PartSetHeader | undefined;
  readonly parts: BitArray | undefined;
  readonly polRound: Round;
  readonly pol: BitArray | undefined;
  readonly prevotes: BitArray | undefined;
  readonly precommits: BitArray | undefined;
  readonly lastCommitRound: Round;
  readonly lastCommit: BitArray | undefined;
  readonly catchUpRound: Round;
  readonly catchUpCommit: BitArray | undefined;
  readonly received: { readonly votes: number; readonly blockParts: number };
}

export interface RpcNetwork {
  nodeInfo(): RpcNodeInfo;
  isListening(): boolean;
  /** As CometBFT prints them: `Listener(@host:port)`. */
  listeners(): readonly string[];
  peers(): readonly RpcPeer[];
  /** Who is not talked to; ours, told by `net_info` when there is somebody. */
  banned(): readonly RpcBan[];
  /**
   * `dial_seeds` and `dial_peers`: begin to dial and return. Throws a `WeftError` for what is no
   * address, and when there is no peer exchange to dial seeds.
   */
  dialSeeds(seeds: readonly string[]): void;
  dialPeers(peers: readonly string[], as: DialPeersOptions): void;
  /** undefined for who is no peer any more. */
  peerState(id: NodeId): RpcPeerState | undefined;
}

export interface RpcBan {
  readonly id: NodeId;
  /** Wall ms. */
  readonly untilMs: number;
  readonly count: number;
  readonly code: string;
}

export interface DialPeersOptions {
  readonly isPersistent: boolean;
  readonly isUnconditional: boolean;
  readonly isPrivate: boolean;
}

export interface RpcConsensus {
  /** True while the node fetches blocks instead of voting. */
  isCatchingUp(): boolean;
  /** The round under way; undefined until the engine has started. */
  roundState(): RoundStateView | undefined;
  /** When the height under way began, or shall begin. */
  heightStartTime(): Timestamp;
  /** When the last height was decided here, by our clock. */
  commitTime(): Timestamp;
  /** Key this node signs with; a node that is no validator has one too. */
  readonly publicKey: PublicKey;
}

/** Where evidence that clients report goes; the engine fits as it is. */
export interface RpcEvidence {
  /** Verifies a piece against the chain and keeps it until a block holds it. */
  addEvidence(
    evidence: Evidence,
  ): Promise<
    | { readonly kind: "added" | "known" }
    | { readonly kind: "malformed" | "invalid" | "unjudgeable" | "full"; readonly message: string }
  >;
}

export interface RpcGenesis {
  /** The genesis document as JSON, `app_state` verbatim. */
  readonly json: string;
}
