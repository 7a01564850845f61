/** What block sync needs of peers and of the chain, and what it tells its metrics and its caller. */
import type { Height, NodeId } from "../../../proto/brands.ts";
import type { Block, BlockId, ExtendedCommit } from "../../../proto/types.ts";
import type { BlockRecord } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import type { BlockFault } from "../block-validation.ts";

/** Peers, as block sync sees them; the reactor of channel 0x40 is one. */
export interface BlockSyncNetwork {
  /** Asks a peer what blocks it has. False when it cannot be sent. */
  requestStatus(peer: NodeId): boolean;
  requestBlock(peer: NodeId, height: Height): boolean;
  /** Disconnects a peer that broke a rule. */
  drop(peer: NodeId, reason: string): void;
  /** Bytes ever received of a peer; 0 when it is gone. */
  bytesReceived(peer: NodeId): number;
  /** Connected peers that speak block sync. */
  peers(): readonly NodeId[];
}

/** What peers say. Called by the network; calls return at once and never throw. */
export interface BlockSyncListener {
  peerRemoved(peer: NodeId): void;
  statusReceived(peer: NodeId, base: Height, height: Height): void;
  /** A block that was requested of this peer. */
  blockReceived(
    peer: NodeId,
    block: Block,
    extendedCommit: ExtendedCommit | undefined,
    sizeBytes: number,
  ): void;
  noBlockReceived(peer: NodeId, height: Height): void;
  /** The peer's consensus is at this height; only a hint to ask. */
  peerHeightSeen(peer: NodeId, height: Height): void;
}

/** The chain that is to be moved on while consensus stands still; the engine is one. */
export interface SyncTarget {
  readonly chainId: string;
  /** Address of our validator key; undefined without one. */
  readonly ownAddress: Uint8Array | undefined;
  state(): ChainState;
  /** Consensus cannot go on before a block was applied: the state came from a snapshot. */
  needsBlock(): boolean;
  /** Consensus stands still and blocks may be applied. */
  isSuspended(): boolean;
  /**
   * Stops consensus: no timer runs, nothing is signed and nothing is under way when it resolves. False
   * when there is nothing to suspend: the engine halted or stops.
   */
  suspend(): Promise<boolean>;
  /** Consensus goes on at the height after the last block, where it was when that is the same. */
  resume(): Promise<void>;
  /** The first rule that the block breaks. `isCommitVerified`: its last commit was verified before. */
  findFault(
    block: Block,
    blockId: BlockId,
    isCommitVerified: boolean,
  ): Promise<BlockFault | undefined>;
  /** Stores and executes the next block, whose commit was verified. Only while suspended. */
  apply(record: BlockRecord): Promise<void>;
  /** Stops the engine for good. */
  halt(error: unknown): void;
}
