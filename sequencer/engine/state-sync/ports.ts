/** What state sync needs of peers and of a trusted source, and what peers tell it. */
import type { Height, NodeId } from "../../../proto/brands.ts";
import type { Commit } from "../../../proto/types.ts";
import type { Snapshot } from "../../abci/application.ts";
import type { ChainState } from "../../store/chain-state.ts";

/** Peers, as state sync sees them; the reactor of channels 0x60 and 0x61 is one. */
export interface StateSyncNetwork {
  /** Asks a peer what snapshots it has. False when it cannot be sent. */
  requestSnapshots(peer: NodeId): boolean;
  requestChunk(peer: NodeId, height: Height, format: number, index: number): boolean;
  /** Connected peers that speak state sync. */
  peers(): readonly NodeId[];
}

/** What peers say. Called by the network; calls return at once and never throw. */
export interface StateSyncListener {
  peerAdded(peer: NodeId): void;
  peerRemoved(peer: NodeId): void;
  snapshotReceived(peer: NodeId, snapshot: Snapshot): void;
  /** A chunk that was requested of this peer; without bytes: it does not have it. */
  chunkReceived(
    peer: NodeId,
    height: Height,
    format: number,
    index: number,
    chunk: Uint8Array | undefined,
  ): void;
}

/** The chain at a height, as somebody vouches for it who need not be trusted peer by peer. */
export interface TrustedChain {
  /**
   * The state after block `height` and the commit that decided it. Its app hash and application version
   * are what the restored application must have.
   * @throws StateSyncError STATE_SYNC_NOT_YET when the chain has not come two blocks further;
   * STATE_SYNC_UNTRUSTED when this height cannot be verified; anything else: nothing can be trusted.
   */
  at(height: Height): Promise<{ readonly state: ChainState; readonly commit: Commit }>;
}
