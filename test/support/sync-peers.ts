/** Peers of block sync in memory: each serves a real block store, as the test bends it. */
import { Height, type NodeId } from "../../proto/brands.ts";
import type { Block, ExtendedCommit } from "../../proto/types.ts";
import type { BlockSync } from "../../sequencer/engine/block-sync/block-sync.ts";
import type { BlockSyncNetwork } from "../../sequencer/engine/block-sync/ports.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";

export interface SyncAnswer {
  readonly block: Block;
  readonly extendedCommit: ExtendedCommit | undefined;
}

export interface SyncPeer {
  readonly store: BlockStore;
  /** Height it claims; its store's unless given. */
  readonly claims?: () => number;
  /** Above this height it says that it has nothing, whatever it claims. */
  readonly heightMax?: number;
  /** What it sends for a block; undefined: nothing at all. */
  readonly bend?: (answer: SyncAnswer) => SyncAnswer | undefined;
}

export class SyncPeers implements BlockSyncNetwork {
  readonly dropped: { readonly peer: NodeId; readonly reason: string }[] = [];
  readonly requests: { readonly peer: NodeId; readonly height: number }[] = [];
  readonly #peers = new Map<NodeId, SyncPeer>();
  #listener: BlockSync | undefined;

  attach(listener: BlockSync): void {
    this.#listener = listener;
    for (const id of this.#peers.keys()) this.requestStatus(id);
  }

  add(id: NodeId, peer: SyncPeer): void {
    this.#peers.set(id, peer);
    this.requestStatus(id);
  }

  remove(id: NodeId): void {
    if (this.#peers.delete(id)) this.#listener?.peerRemoved(id);
  }

  requestStatus(id: NodeId): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    setImmediate(() => {
      const height = peer.claims?.() ?? peer.store.height();
      if (this.#peers.has(id))
        this.#listener?.statusReceived(id, peer.store.base(), Height(height));
    });
    return true;
  }

  requestBlock(id: NodeId, height: Height): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    this.requests.push({ peer: id, height });
    void this.#answer(id, peer, height);
    return true;
  }

  drop(id: NodeId, reason: string): void {
    this.dropped.push({ peer: id, reason });
    this.remove(id);
  }

  bytesReceived(): number {
    return 0;
  }

  peers(): readonly NodeId[] {
    return [...this.#peers.keys()];
  }

  async #answer(id: NodeId, peer: SyncPeer, height: Height): Promise<void> {
    const { store, bend, heightMax = Infinity } = peer;
    const block = height > heightMax ? undefined : await store.block(height);
    const extendedCommit = await store.extendedCommit(height);
    if (!this.#peers.has(id)) return;
    if (block === undefined) {
      this.#listener?.noBlockReceived(id, height);
      return;
    }
    const answer = { block, extendedCommit };
    const sent = bend === undefined ? answer : bend(answer);
    if (sent === undefined) return;
    this.#listener?.blockReceived(id, sent.block, sent.extendedCommit, 1_000);
  }
}
