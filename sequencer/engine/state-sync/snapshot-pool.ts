/** Which snapshots peers have, and which to try next (spec/cometbft-v0.38.md §17.6; `statesync/snapshots.go`). Pure. */
import type { NodeId } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import type { Snapshot } from "../../abci/application.ts";
import {
  REJECTIONS_MAX,
  SNAPSHOT_METADATA_BYTES_MAX,
  SNAPSHOTS_MAX,
  SNAPSHOTS_PER_PEER_MAX,
} from "./limits.ts";

export interface KnownSnapshot {
  readonly key: string;
  readonly snapshot: Snapshot;
  /** Peers that have it, in the order in which they said so. */
  readonly peers: ReadonlySet<NodeId>;
}

interface Entry {
  readonly key: string;
  readonly snapshot: Snapshot;
  readonly peers: Set<NodeId>;
}

export class SnapshotPool {
  readonly #entries = new Map<string, Entry>();
  readonly #rejectedKeys = new Set<string>();
  readonly #rejectedFormats = new Set<number>();
  readonly #rejectedPeers = new Set<NodeId>();

  get size(): number {
    return this.#entries.size;
  }

  /** A peer has it. False when it is rejected, too large or known already, or does not find a place. */
  add(peer: NodeId, snapshot: Snapshot): boolean {
    const key = keyOf(snapshot);
    const isRejected =
      this.#rejectedPeers.has(peer) ||
      this.#rejectedFormats.has(snapshot.format) ||
      this.#rejectedKeys.has(key) ||
      snapshot.metadata.length > SNAPSHOT_METADATA_BYTES_MAX;
    if (isRejected) return false;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.peers.has(peer)) return false;
      known.peers.add(peer);
    } else {
      this.#entries.set(key, { key, snapshot, peers: new Set([peer]) });
    }
    for (const excess of this.#of(peer).slice(SNAPSHOTS_PER_PEER_MAX)) {
      this.#forget(excess, peer);
    }
    while (this.#entries.size > SNAPSHOTS_MAX) this.#makeRoom();
    return this.#entries.get(key)?.peers.has(peer) === true;
  }

  /** Best first: the greatest height, then the greatest format, then the most peers. */
  ranked(): readonly KnownSnapshot[] {
    return this.#ranked();
  }

  /** Who has a snapshot that is still known. */
  peersOf(key: string): readonly NodeId[] {
    return [...(this.#entries.get(key)?.peers ?? [])];
  }

  /** Never again. */
  reject(key: string): void {
    this.#entries.delete(key);
    remember(this.#rejectedKeys, key);
  }

  /** No snapshot of this format. */
  rejectFormat(format: number): void {
    remember(this.#rejectedFormats, format);
    for (const { key, snapshot } of this.#ranked()) {
      if (snapshot.format === format) this.#entries.delete(key);
    }
  }

  /** Nothing of this peer. */
  rejectPeer(peer: NodeId): void {
    remember(this.#rejectedPeers, peer);
    this.removePeer(peer);
  }

  isPeerRejected(peer: NodeId): boolean {
    return this.#rejectedPeers.has(peer);
  }

  removePeer(peer: NodeId): void {
    for (const entry of this.#ranked()) this.#forget(entry, peer);
  }

  /** A peer that named it does not have it after all. */
  removeFromPeer(key: string, peer: NodeId): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#forget(entry, peer);
  }

  /** Many names of one peer push out its own, not those of others. */
  #makeRoom(): void {
    const counts = new Map<NodeId, number>();
    for (const { peers } of this.#entries.values()) {
      for (const peer of peers) counts.set(peer, (counts.get(peer) ?? 0) + 1);
    }
    let most: NodeId | undefined;
    for (const [peer, count] of counts) {
      if (most === undefined || count >= (counts.get(most) ?? 0)) most = peer;
    }
    const last = most === undefined ? undefined : this.#of(most).at(-1);
    if (most !== undefined && last !== undefined) this.#forget(last, most);
  }

  #of(peer: NodeId): readonly Entry[] {
    return rank([...this.#entries.values()].filter(({ peers }) => peers.has(peer)));
  }

  #forget(entry: Entry, peer: NodeId): void {
    entry.peers.delete(peer);
    if (entry.peers.size === 0) this.#entries.delete(entry.key);
  }

  #ranked(): readonly Entry[] {
    return rank([...this.#entries.values()]);
  }
}

function rank(entries: readonly Entry[]): readonly Entry[] {
  return entries.toSorted(
    (a, b) =>
      b.snapshot.height - a.snapshot.height ||
      b.snapshot.format - a.snapshot.format ||
      b.peers.size - a.peers.size ||
      (a.key < b.key ? -1 : 1),
  );
}

/** Equal for equal snapshots only, metadata included. */
function keyOf({ height, format, chunks, hash, metadata }: Snapshot): string {
  return `${height}/${format}/${chunks}/${toHex(hash)}/${toHex(sha256(metadata))}`;
}

function remember<T>(set: Set<T>, value: T): void {
  set.add(value);
  const [oldest] = set;
  if (set.size > REJECTIONS_MAX && oldest !== undefined) set.delete(oldest);
}
