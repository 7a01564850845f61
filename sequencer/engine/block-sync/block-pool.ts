/**
 * Which blocks to ask of which peers (spec/cometbft-v0.38.md §17.5): a pure scheduler. It is told
 * what peers say and send and what time it is; it says whom to ask, whom to drop, and which blocks
 * may be tried next.
 *
 * A block is proven by the commit in the one above it. When that proof fails and the two came from
 * different peers, either may have lied: CometBFT drops both, and with them, often, the honest one.
 * Here the pair is fetched again from one peer alone. If it fails too, that peer lied; if it holds,
 * it tells which of the two before was false. So an honest peer is never dropped for another's lie,
 * and each lie costs its teller one try.
 */
import { Height, type NodeId } from "../../../proto/brands.ts";
import { assert } from "../../../proto/errors.ts";
import {
  BANS_MAX,
  BAN_MS,
  BUFFERED_BYTES_MAX,
  OWN_PAUSE_MS,
  PEER_TIMEOUT_MS,
  PENDING_PER_PEER_MAX,
  RATE_BYTES_PER_SECOND_MIN,
  REQUEST_RETRY_MS,
  SECOND_REQUEST_AFTER_MS,
  SECOND_REQUEST_HEIGHTS,
  SYNC_PEERS_MAX,
  WINDOW_HEIGHTS_MAX,
} from "./limits.ts";

/** Why a peer is dropped; a closed set that labels a metric. */
export type PeerFault =
  /** Base above height, or either went down. */
  | "status"
  /** Neither answers nor sends at the least rate. */
  | "slow"
  /** Has not what it said it has. */
  | "missing"
  /** A block, or a commit for it, that does not hold. */
  | "invalid";

export interface PeerDrop {
  readonly peer: NodeId;
  readonly fault: PeerFault;
}

export interface BlockRequest {
  readonly peer: NodeId;
  readonly height: Height;
}

/** A block as it was sent. */
export interface PooledBlock<B> {
  readonly peer: NodeId;
  readonly block: B;
  readonly sizeBytes: number;
}

export interface BlockPair<B> {
  readonly first: PooledBlock<B>;
  readonly second: PooledBlock<B>;
}

interface PeerRange {
  base: number;
  height: number;
  statusMs: number;
  readonly pending: Set<number>;
}

interface Slot<B> {
  /** Who was asked, when, and how many bytes they had sent by then. */
  readonly asked: Map<NodeId, { atMs: number; readonly bytesBefore: number }>;
  block: PooledBlock<B> | undefined;
}

/** The pair at `height` is taken from one peer only. */
interface Trial {
  readonly height: number;
  peer: NodeId | undefined;
  /** What failed before: whose first block had which id, and whose block was the second. */
  readonly first: NodeId;
  readonly firstKey: string;
  readonly second: NodeId;
}

export interface BlockPoolOptions {
  readonly bufferedBytesMax?: number;
  readonly windowHeightsMax?: number;
}

export class BlockPool<B> {
  readonly #bytesMax: number;
  readonly #windowMax: number;
  readonly #peers = new Map<NodeId, PeerRange>();
  readonly #bans = new Map<NodeId, number>();
  readonly #slots = new Map<number, Slot<B>>();
  #next = 0;
  #bufferedBytes = 0;
  #blockBytes = 0;
  #sweptMs: number | undefined;
  #trial: Trial | undefined;

  constructor(options: BlockPoolOptions = {}) {
    this.#bytesMax = options.bufferedBytesMax ?? BUFFERED_BYTES_MAX;
    this.#windowMax = options.windowHeightsMax ?? WINDOW_HEIGHTS_MAX;
  }

  /** First height that is still wanted. */
  get next(): number {
    return this.#next;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  /** Requests that nobody has answered yet. */
  get pendingCount(): number {
    let count = 0;
    for (const { pending } of this.#peers.values()) count += pending.size;
    return count;
  }

  /** The highest block anybody has; 0 without peers. */
  maxHeight(): number {
    let max = 0;
    for (const { height } of this.#peers.values()) max = Math.max(max, height);
    return max;
  }

  /** The lowest height of those that said theirs; undefined without peers. */
  minHeight(): number | undefined {
    let min: number | undefined;
    for (const { height } of this.#peers.values()) min = Math.min(min ?? height, height);
    return min;
  }

  /** Peers whose word is not older than `sinceMs`. */
  heardSince(sinceMs: number): number {
    let count = 0;
    for (const { statusMs } of this.#peers.values()) if (statusMs >= sinceMs) count += 1;
    return count;
  }

  /** Blocks below `height` are here by other ways. */
  advanceTo(height: number): void {
    assert(height >= this.#next, "the pool never goes back");
    this.#next = height;
    for (const [at, slot] of this.#slots) if (at < height) this.#remove(at, slot);
    if (this.#trial !== undefined && this.#trial.height < height) this.#trial = undefined;
  }

  /** A peer's word about its blocks. Returns why it is to be dropped, if it is. */
  setRange(peer: NodeId, base: number, height: number, nowMs: number): PeerDrop | undefined {
    if (this.isBanned(peer, nowMs)) return undefined;
    const known = this.#peers.get(peer);
    const isFalling = known !== undefined && (base < known.base || height < known.height);
    if (base > height || isFalling) return this.#ban(peer, "status", nowMs);
    if (known !== undefined) {
      known.base = base;
      known.height = height;
      known.statusMs = nowMs;
    } else if (this.#peers.size < SYNC_PEERS_MAX) {
      this.#peers.set(peer, { base, height, statusMs: nowMs, pending: new Set() });
    }
    return undefined;
  }

  removePeer(peer: NodeId): void {
    const range = this.#peers.get(peer);
    if (range === undefined) return;
    this.#peers.delete(peer);
    for (const height of range.pending) this.#slots.get(height)?.asked.delete(peer);
    if (this.#trial?.peer === peer) this.#restartTrial(this.#trial);
  }

  isBanned(peer: NodeId, nowMs: number): boolean {
    const untilMs = this.#bans.get(peer);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#bans.delete(peer);
    return false;
  }

  /**
   * Whom to ask for what now. `windowHeights` bounds how far ahead; 2 is the least that makes
   * progress. Every request returned counts as sent: `requestFailed` takes one back.
   */
  plan(
    nowMs: number,
    bytesReceived: (peer: NodeId) => number,
    windowHeights = this.#windowMax,
  ): readonly BlockRequest[] {
    const requests: BlockRequest[] = [];
    const last = Math.min(
      this.maxHeight(),
      this.#next + Math.min(windowHeights, this.#windowMax) - 1,
    );
    for (let height = this.#next; height <= last; height++) {
      const slot = this.#slots.get(height);
      if (slot?.block !== undefined) continue;
      if (height > this.#next + 1 && this.#isFull()) break;
      const peer = this.#choose(height, slot, nowMs);
      if (peer === undefined) continue;
      const range = this.#peers.get(peer);
      assert(range !== undefined, "only known peers are chosen");
      range.pending.add(height);
      const asked = { atMs: nowMs, bytesBefore: bytesReceived(peer) };
      if (slot === undefined) {
        this.#slots.set(height, { asked: new Map([[peer, asked]]), block: undefined });
      } else {
        slot.asked.set(peer, asked);
      }
      requests.push({ peer, height: Height(height) });
    }
    return requests;
  }

  /** The request could not be sent. */
  requestFailed({ peer, height }: BlockRequest): void {
    this.#peers.get(peer)?.pending.delete(height);
    this.#slots.get(height)?.asked.delete(peer);
  }

  /** A block that was asked for. False: it is not wanted any more. */
  addBlock(peer: NodeId, height: number, block: B, sizeBytes: number): boolean {
    this.#peers.get(peer)?.pending.delete(height);
    const slot = this.#slots.get(height);
    if (slot === undefined || !slot.asked.has(peer) || slot.block !== undefined) return false;
    if (!this.#isForTrial(height, peer)) return false;
    for (const other of slot.asked.keys()) this.#peers.get(other)?.pending.delete(height);
    slot.block = { peer, block, sizeBytes };
    this.#bufferedBytes += sizeBytes;
    this.#blockBytes = Math.max(sizeBytes, Math.floor(this.#blockBytes * 0.9));
    return true;
  }

  /** The peer says that it has no such block, although it said it had. */
  noBlock(peer: NodeId, height: number, nowMs: number): PeerDrop | undefined {
    if (this.#slots.get(height)?.asked.has(peer) !== true) return undefined;
    return this.#peers.has(peer) ? this.#ban(peer, "missing", nowMs) : undefined;
  }

  /** Peers that owe us too long. */
  sweep(nowMs: number, bytesReceived: (peer: NodeId) => number): readonly PeerDrop[] {
    const pauseMs = this.#sweptMs === undefined ? 0 : nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    if (pauseMs > OWN_PAUSE_MS) {
      for (const { asked } of this.#slots.values()) {
        for (const one of asked.values()) one.atMs += pauseMs;
      }
    }
    const slow: NodeId[] = [];
    for (const [peer, { pending }] of this.#peers) {
      for (const height of pending) {
        const asked = this.#slots.get(height)?.asked.get(peer);
        if (asked === undefined) continue;
        const ageMs = nowMs - asked.atMs;
        const bytes = bytesReceived(peer) - asked.bytesBefore;
        if (ageMs >= PEER_TIMEOUT_MS && bytes * 1_000 < ageMs * RATE_BYTES_PER_SECOND_MIN) {
          slow.push(peer);
          break;
        }
      }
    }
    return slow.map((peer) => this.#ban(peer, "slow", nowMs));
  }

  /** The next block to try and the one that proves it, `ahead` heights above the next. */
  pair(ahead = 0): BlockPair<B> | undefined {
    const first = this.#slots.get(this.#next + ahead)?.block;
    const second = this.#slots.get(this.#next + ahead + 1)?.block;
    return first === undefined || second === undefined ? undefined : { first, second };
  }

  /**
   * The next pair held; `firstKey` names the first block's id. Returns who sent a false one before.
   */
  accept(firstKey: string, nowMs: number): readonly PeerDrop[] {
    const trial = this.#trial;
    this.advanceTo(this.#next + 1);
    if (trial === undefined || trial.height !== this.#next - 1) return [];
    const liar = trial.firstKey === firstKey ? trial.second : trial.first;
    return [this.#ban(liar, "invalid", nowMs)];
  }

  /** The next pair failed: the second's commit does not prove the first, whose id is `firstKey`. */
  reject(firstKey: string, nowMs: number): readonly PeerDrop[] {
    const pair = this.pair();
    assert(pair !== undefined, "only a pair can be rejected");
    const [first, second] = [pair.first.peer, pair.second.peer];
    const height = this.#next;
    if (first === second) {
      const drop = this.#ban(first, "invalid", nowMs);
      if (this.#trial !== undefined) this.#restartTrial(this.#trial);
      return [drop];
    }
    assert(this.#trial === undefined, "in a trial both blocks come from one peer");
    const trial: Trial = { height, peer: undefined, first, firstKey, second };
    if (this.#trialPeer(trial) === undefined) {
      // Nobody alone has both: as CometBFT, drop whoever may be to blame.
      return [this.#ban(first, "invalid", nowMs), this.#ban(second, "invalid", nowMs)];
    }
    this.#trial = trial;
    this.#restartTrial(trial);
    return [];
  }

  /** The first block of the next pair came with something that only its sender can have made up. */
  rejectFirst(nowMs: number): readonly PeerDrop[] {
    const pair = this.pair();
    assert(pair !== undefined, "only a pair can be rejected");
    return [this.#ban(pair.first.peer, "invalid", nowMs)];
  }

  #isFull(): boolean {
    const estimate = this.#bufferedBytes + (this.pendingCount + 1) * this.#blockBytes;
    return estimate > this.#bytesMax;
  }

  /** Who is asked for a height now; undefined when nobody can be, or somebody was. */
  #choose(height: number, slot: Slot<B> | undefined, nowMs: number): NodeId | undefined {
    const trial = this.#trialAt(height);
    if (trial !== undefined) {
      trial.peer ??= this.#trialPeer(trial);
      const { peer } = trial;
      if (peer !== undefined) return slot?.asked.has(peer) === true ? undefined : peer;
      // Nobody is left who has both: they are fetched as any others.
      this.#trial = undefined;
    }
    let [waiting, newestMs] = [0, Number.NEGATIVE_INFINITY];
    for (const [, { atMs }] of slot?.asked ?? []) {
      if (nowMs - atMs < REQUEST_RETRY_MS) waiting += 1;
      newestMs = Math.max(newestMs, atMs);
    }
    const isSecond =
      waiting === 1 &&
      height < this.#next + SECOND_REQUEST_HEIGHTS &&
      nowMs - newestMs >= SECOND_REQUEST_AFTER_MS;
    if (waiting > 0 && !isSecond) return undefined;
    let best: NodeId | undefined;
    let least = PENDING_PER_PEER_MAX;
    for (const [peer, { base, height: top, pending }] of this.#peers) {
      if (height < base || height > top || slot?.asked.has(peer) === true) continue;
      if (pending.size < least) [best, least] = [peer, pending.size];
    }
    return best;
  }

  #trialAt(height: number): Trial | undefined {
    const trial = this.#trial;
    if (trial === undefined) return undefined;
    return height === trial.height || height === trial.height + 1 ? trial : undefined;
  }

  #isForTrial(height: number, peer: NodeId): boolean {
    const trial = this.#trialAt(height);
    return trial === undefined || trial.peer === peer;
  }

  /** Somebody who has both blocks: rather one who sent neither of those that failed. */
  #trialPeer({ height, first, second }: Trial): NodeId | undefined {
    const able = [...this.#peers].filter(
      ([, range]) => range.base <= height && range.height > height,
    );
    const other = able.find(([peer]) => peer !== first && peer !== second) ?? able[0];
    return other?.[0];
  }

  /** Forgets both blocks of a trial, and who is asked for them. */
  #restartTrial(trial: Trial): void {
    trial.peer = undefined;
    for (const height of [trial.height, trial.height + 1]) {
      const slot = this.#slots.get(height);
      if (slot !== undefined) this.#remove(height, slot);
    }
  }

  #remove(height: number, slot: Slot<B>): void {
    this.#slots.delete(height);
    this.#bufferedBytes -= slot.block?.sizeBytes ?? 0;
    for (const peer of slot.asked.keys()) this.#peers.get(peer)?.pending.delete(height);
  }

  /** Not asked again for a while; what it sent is not trusted either. */
  #ban(peer: NodeId, fault: PeerFault, nowMs: number): PeerDrop {
    this.#bans.delete(peer);
    this.#bans.set(peer, nowMs + BAN_MS);
    if (this.#bans.size > BANS_MAX) {
      const [oldest] = this.#bans.keys();
      if (oldest !== undefined) this.#bans.delete(oldest);
    }
    this.removePeer(peer);
    for (const [height, slot] of this.#slots) {
      if (slot.block?.peer === peer) this.#remove(height, slot);
      else slot.asked.delete(peer);
    }
    return { peer, fault };
  }
}
