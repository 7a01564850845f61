/**
 * What the RPC server needs of the node. The composition root adapts stores, engine, application
 * and switch to these; every read may be slow and none may hold consensus.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type {
  Block,
  BlockId,
  BlockMeta,
  Commit,
  ConsensusParams,
  Evidence,
  Header,
  PublicKey,
  Timestamp,
  Validator,
  ValidatorSet,
  Vote,
} from "../../proto/types.ts";
import type {
  AbciEvent,
  CheckTxResponse,
  ExecTxResult,
  FinalizeBlockResponse,
  InfoResponse,
  QueryRequest,
  QueryResponse,
} from "../abci/application.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import type { Cancel } from "../ports/clock.ts";

/** Blocks between `base()` and `height()`; 0 and 0 when there are none. */
export interface RpcBlocks {
  base(): Height;
  height(): Height;
  meta(height: Height): Promise<BlockMeta | undefined>;
  metaByHash(hash: Uint8Array): Promise<BlockMeta | undefined>;
  block(height: Height): Promise<Block | undefined>;
  /** The commit of `height` that block `height + 1` carries. */
  commit(height: Height): Promise<Commit | undefined>;
  /** The commit this node saw for its last block. */
  seenCommit(height: Height): Promise<Commit | undefined>;
}

export interface RpcStates {
  /** The set that decides `height`, known up to the last height + 2. */
  validators(height: Height): Promise<ValidatorSet | undefined>;
  consensusParams(height: Height): Promise<ConsensusParams | undefined>;
  results(height: Height): Promise<FinalizeBlockResponse | undefined>;
}

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
  /** Up to `limit` pending transactions in the order they would be proposed. */
  list(limit: number): readonly Uint8Array[];
}

/** NodeInfo as it is announced to peers (spec §16.3). */
export interface RpcNodeInfo {
  readonly protocolVersion: {
    readonly p2p: bigint;
    readonly block: bigint;
    readonly app: bigint;
  };
  readonly id: NodeId;
  readonly listenAddress: string;
  readonly network: string;
  readonly version: string;
  /** One byte per channel. */
  readonly channels: Uint8Array;
  readonly moniker: string;
  readonly txIndex: "on" | "off";
  readonly rpcAddress: string;
}

export interface RpcPeer {
  readonly nodeInfo: RpcNodeInfo;
  readonly isOutbound: boolean;
  readonly remoteIp: string;
  /** `id@ip:port` of the socket. */
  readonly address: string;
  readonly connectedMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly channels: readonly {
    readonly id: number;
    readonly sendQueueCapacity: number;
    readonly sendQueueSize: number;
    readonly priority: number;
    readonly recentlySentBytes: number;
  }[];
  /** What the peer says of its round; undefined before its first NewRoundStep. */
  readonly round:
    | {
        readonly height: Height;
        readonly round: Round;
        readonly step: number;
        readonly startTime: Timestamp;
      }
    | undefined;
}

export interface RpcNetwork {
  nodeInfo(): RpcNodeInfo;
  isListening(): boolean;
  listeners(): readonly string[];
  peers(): readonly RpcPeer[];
}

export interface RpcConsensus {
  /** True while the node fetches blocks instead of voting. */
  isCatchingUp(): boolean;
  /** The round under way; undefined while the node catches up. */
  roundState(): RoundStateView | undefined;
  /** When the height under way began, or shall begin. */
  heightStartTime(): Timestamp;
  /** Key this node signs with; a node that is no validator has one too. */
  readonly publicKey: PublicKey;
}

/** What happened, as the engine announces it (CometBFT's `types/events.go`). */
export type NodeEvent =
  | {
      readonly kind: "NewBlock";
      readonly block: Block;
      readonly blockId: BlockId;
      readonly result: FinalizeBlockResponse;
    }
  | { readonly kind: "NewBlockHeader"; readonly header: Header }
  | {
      readonly kind: "NewBlockEvents";
      readonly height: Height;
      readonly events: readonly AbciEvent[];
      readonly txCount: number;
    }
  | {
      readonly kind: "Tx";
      readonly height: Height;
      readonly index: number;
      readonly tx: Uint8Array;
      readonly result: ExecTxResult;
    }
  | { readonly kind: "NewEvidence"; readonly height: Height; readonly evidence: Evidence }
  | { readonly kind: "ValidatorSetUpdates"; readonly validators: readonly Validator[] }
  | { readonly kind: "Vote"; readonly vote: Vote }
  | {
      readonly kind: "NewRound";
      readonly height: Height;
      readonly round: Round;
      readonly step: string;
      readonly proposer: { readonly address: Uint8Array; readonly index: number };
    }
  | {
      readonly kind: "CompleteProposal";
      readonly height: Height;
      readonly round: Round;
      readonly step: string;
      readonly blockId: BlockId;
    }
  | {
      readonly kind:
        | "NewRoundStep"
        | "TimeoutPropose"
        | "TimeoutWait"
        | "Polka"
        | "Lock"
        | "Relock"
        | "Unlock"
        | "ValidBlock";
      readonly height: Height;
      readonly round: Round;
      readonly step: string;
    };

/** The engine's announcements. A listener is called in order and returns at once. */
export interface RpcEventSource {
  subscribe(listener: (event: NodeEvent) => void): Cancel;
}

export interface RpcGenesis {
  /** The genesis document as compact JSON, `app_state` verbatim. */
  readonly json: string;
}
