/** The chunks of one snapshot: what to fetch, what is there, what to apply next. Pure: time is an input. */
import type { NodeId } from "../../../proto/brands.ts";
import { CHUNKS_AHEAD_MAX } from "./limits.ts";

export interface FetchedChunk {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly sender: NodeId;
}

interface Request {
  readonly peer: NodeId;
  readonly askedMs: number;
}

export class ChunkQueue {
  readonly #count: number;
  readonly #requests = new Map<number, Request>();
  readonly #fetched = new Map<number, FetchedChunk>();
  /** Applied chunks; all below `#firstOpen` and some above. */
  readonly #applied = new Set<number>();
  #firstOpen = 0;

  constructor(count: number) {
    this.#count = count;
  }

  get appliedCount(): number {
    return this.#firstOpen + this.#applied.size;
  }

  get isDone(): boolean {
    return this.#firstOpen === this.#count;
  }

  get pendingCount(): number {
    return this.#requests.size;
  }

  /** Chunks to ask for now, lowest first, when at most `fetchers` requests may be open. */
  wanted(fetchers: number): readonly number[] {
    const wanted: number[] = [];
    const end = Math.min(this.#count, this.#firstOpen + CHUNKS_AHEAD_MAX);
    for (let index = this.#firstOpen; index < end; index++) {
      if (this.#requests.size + wanted.length >= fetchers) break;
      const isOpen =
        !this.#applied.has(index) && !this.#fetched.has(index) && !this.#requests.has(index);
      if (isOpen) wanted.push(index);
    }
    return wanted;
  }

  requested(index: number, peer: NodeId, nowMs: number): void {
    this.#requests.set(index, { peer, askedMs: nowMs });
  }

  /** Requests older than `timeoutMs` count for nothing: their chunks are wanted again. */
  expire(nowMs: number, timeoutMs: number): readonly NodeId[] {
    const late: NodeId[] = [];
    for (const [index, { peer, askedMs }] of this.#requests) {
      if (nowMs - askedMs < timeoutMs) continue;
      this.#requests.delete(index);
      late.push(peer);
    }
    return late;
  }

  /** Chunks asked of this peer are wanted again. */
  forgetRequests(peer: NodeId): void {
    for (const [index, request] of this.#requests) {
      if (request.peer === peer) this.#requests.delete(index);
    }
  }

  /** A chunk came. False when it is not waited for any more. */
  add(index: number, bytes: Uint8Array, sender: NodeId): boolean {
    const isWaitedFor =
      index < this.#count && index >= this.#firstOpen && !this.#applied.has(index);
    if (!isWaitedFor || this.#fetched.has(index)) return false;
    this.#requests.delete(index);
    this.#fetched.set(index, { index, bytes, sender });
    return true;
  }

  /** A peer does not have the chunk: it is wanted again, of another. */
  missing(index: number, peer: NodeId): void {
    if (this.#requests.get(index)?.peer === peer) this.#requests.delete(index);
  }

  /** The lowest chunk that is not applied, once it is there. */
  next(): FetchedChunk | undefined {
    return this.#fetched.get(this.#firstOpen);
  }

  applied(index: number): void {
    this.#fetched.delete(index);
    this.#applied.add(index);
    while (this.#applied.delete(this.#firstOpen)) this.#firstOpen += 1;
  }

  /** To be fetched and applied again, whatever became of it. */
  refetch(index: number): void {
    if (index >= this.#count) return;
    this.#fetched.delete(index);
    this.#requests.delete(index);
    if (index >= this.#firstOpen) {
      this.#applied.delete(index);
      return;
    }
    for (let other = index + 1; other < this.#firstOpen; other++) this.#applied.add(other);
    this.#firstOpen = index;
  }

  /** What a peer sent and is not applied yet is fetched again. */
  discardFrom(peer: NodeId): void {
    for (const [index, { sender }] of this.#fetched) {
      if (sender === peer) this.#fetched.delete(index);
    }
    this.forgetRequests(peer);
  }
}
