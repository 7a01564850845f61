/**
 * State sync (spec/cometbft-v0.38.md §17.6): finds the snapshots that peers have, takes the best, learns
 * from a trusted chain what its state must be, fetches its chunks from many peers and has the
 * application restore it. What fails is never tried again; the next best is.
 */
import type { Height, NodeId } from "../../../proto/brands.ts";
import { bytesEqual, toHex } from "../../../proto/bytes.ts";
import { assertNever } from "../../../proto/errors.ts";
import type { Commit } from "../../../proto/types.ts";
import type {
  Application,
  ApplySnapshotChunkResponse,
  OfferSnapshotResult,
  Snapshot,
  SnapshotApplication,
} from "../../abci/application.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { BLOCK_PROTOCOL } from "../chain-state.ts";
import { ABCI_VERSION, P2P_PROTOCOL } from "../handshake.ts";
import type { StateSyncMetrics } from "../metrics.ts";
import { ChunkQueue, type FetchedChunk } from "./chunk-queue.ts";
import { StateSyncError } from "./errors.ts";
import {
  CHUNK_TIMEOUT_MS,
  DISCOVERY_ROUNDS_MAX,
  FAILURES_TOLD_MAX,
  SNAPSHOT_RETRIES_MAX,
  TICK_MS,
  TRUST_RETRY_MS,
  TRUST_WAIT_MS,
} from "./limits.ts";
import type { StateSyncListener, StateSyncNetwork, TrustedChain } from "./ports.ts";
import { type KnownSnapshot, SnapshotPool } from "./snapshot-pool.ts";

export interface StateSyncOptions {
  /** What Info tells the application. */
  readonly softwareVersion: string;
  /** How long snapshots are gathered before the best is taken, in ms. */
  readonly discoveryTimeMs: number;
  /** After this long another peer is asked for a chunk, in ms. */
  readonly chunkRequestTimeoutMs: number;
  /** Chunks asked for at once. */
  readonly chunkFetchers: number;
}

export interface StateSyncDeps {
  readonly application: Pick<Application, "info"> &
    Pick<SnapshotApplication, "offerSnapshot" | "applySnapshotChunk">;
  readonly network: StateSyncNetwork;
  readonly trusted: TrustedChain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StateSyncMetrics;
}

/** What the chain was at the restored height. */
export interface SyncedChain {
  readonly state: ChainState;
  readonly commit: Commit;
}

export interface StateSync extends StateSyncListener {
  /**
   * Resolves when the application holds a verified state.
   * @throws StateSyncError when no snapshot is left, the application aborts or the node is stopped;
   * whatever the trusted chain throws when nothing can be trusted.
   */
  run(): Promise<SyncedChain>;
  /** Ends `run` with STATE_SYNC_STOPPED. */
  stop(): void;
}

export function createStateSync(options: StateSyncOptions, deps: StateSyncDeps): StateSync {
  return new Syncer(options, deps);
}

/** How trying one snapshot ended. */
type Outcome = { readonly kind: "restored" } | FailedOutcome;
type FailedOutcome =
  /** Nobody has it any more; it may be found again. */
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "formatRejected"; readonly reason: string };

/** A snapshot whose chunks are being fetched. */
interface Fetching {
  readonly known: KnownSnapshot;
  readonly queue: ChunkQueue;
  /** Peers asked last come last. */
  readonly askedMs: Map<NodeId, number>;
}

class Syncer implements StateSync {
  readonly #options: StateSyncOptions;
  readonly #deps: StateSyncDeps;
  readonly #logger: Logger;
  readonly #pool = new SnapshotPool();
  /** Why each snapshot that was tried failed, for the end. */
  readonly #failures: string[] = [];
  #fetching: Fetching | undefined;
  #isStopped = false;
  /** Ends the wait that is under way. */
  #wake: (() => void) | undefined;

  constructor(options: StateSyncOptions, deps: StateSyncDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#logger = deps.logger.child({ module: "statesync" });
  }

  async run(): Promise<SyncedChain> {
    const { metrics } = this.#deps;
    metrics.syncing.set(1);
    try {
      return await this.#syncAny();
    } finally {
      metrics.syncing.set(0);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake?.();
  }

  peerAdded(peer: NodeId): void {
    this.#deps.network.requestSnapshots(peer);
  }

  peerRemoved(peer: NodeId): void {
    this.#pool.removePeer(peer);
    this.#fetching?.queue.forgetRequests(peer);
    this.#wake?.();
  }

  snapshotReceived(peer: NodeId, snapshot: Snapshot): void {
    if (!this.#pool.add(peer, snapshot)) return;
    const { height, format, chunks, hash } = snapshot;
    this.#logger.info("snapshot found", { peer, height, format, chunks, hash: toHex(hash) });
    this.#deps.metrics.snapshots.set(this.#pool.size);
  }

  chunkReceived(
    peer: NodeId,
    height: Height,
    format: number,
    index: number,
    chunk: Uint8Array | undefined,
  ): void {
    const fetching = this.#fetching;
    if (fetching === undefined || this.#pool.isPeerRejected(peer)) return;
    const { known, queue } = fetching;
    const isOther = known.snapshot.height !== height || known.snapshot.format !== format;
    if (isOther) return;
    if (chunk === undefined) {
      queue.missing(index, peer);
      this.#pool.removeFromPeer(known.key, peer);
      this.#logger.warn("peer does not have the chunk", { peer, height, index });
    } else {
      queue.add(index, chunk, peer);
    }
    this.#wake?.();
  }

  async #syncAny(): Promise<SyncedChain> {
    const { discoveryTimeMs } = this.#options;
    for (let round = 1; round <= DISCOVERY_ROUNDS_MAX; round++) {
      this.#logger.info("looking for snapshots", { round, seconds: discoveryTimeMs / 1_000 });
      for (const peer of this.#deps.network.peers()) this.#deps.network.requestSnapshots(peer);
      await this.#sleep(discoveryTimeMs);
      const chain = await this.#tryAll();
      if (chain !== undefined) return chain;
    }
    throw this.#noneLeft();
  }

  /** Tries the best that can be verified, then the next, until none is left. */
  async #tryAll(): Promise<SyncedChain | undefined> {
    const { clock, metrics } = this.#deps;
    /** Since when the only snapshots are those whose next blocks are missing. */
    let waitingMs: number | undefined;
    for (;;) {
      const found = await this.#bestVerifiable();
      if (found === undefined) return undefined;
      if ("notYet" in found) {
        waitingMs ??= clock.monotonicMs();
        if (clock.monotonicMs() - waitingMs < TRUST_WAIT_MS) await this.#sleep(TRUST_RETRY_MS);
        else this.#giveUp(found.notYet, rejected(found.reason));
        continue;
      }
      waitingMs = undefined;
      const outcome = await this.#try(found.known, found.chain);
      if (outcome.kind === "restored") return found.chain;
      this.#giveUp(found.known, outcome);
      metrics.snapshots.set(this.#pool.size);
    }
  }

  /**
   * The best snapshot that the trusted chain can vouch for now. Whoever names heights that are yet to
   * come holds nobody up: they are waited for only when there is nothing else.
   */
  async #bestVerifiable(): Promise<
    | { readonly known: KnownSnapshot; readonly chain: SyncedChain }
    | { readonly notYet: KnownSnapshot; readonly reason: string }
    | undefined
  > {
    let notYet: { readonly notYet: KnownSnapshot; readonly reason: string } | undefined;
    for (const known of this.#pool.ranked()) {
      this.#checkRunning();
      try {
        return { known, chain: await this.#deps.trusted.at(known.snapshot.height) };
      } catch (error) {
        // Anything else means that nothing can be trusted: the operator must look.
        if (!(error instanceof StateSyncError)) throw error;
        if (error.code === "STATE_SYNC_NOT_YET")
          notYet ??= { notYet: known, reason: error.message };
        else this.#giveUp(known, rejected(error.message));
      }
    }
    return notYet;
  }

  #giveUp({ key, snapshot }: KnownSnapshot, outcome: FailedOutcome): void {
    const { height, format, hash } = snapshot;
    const { kind, reason } = outcome;
    this.#deps.metrics.rejected.inc({ what: "snapshot" });
    this.#logger.warn("snapshot given up", { height, format, hash: toHex(hash), reason });
    this.#failures.push(`height ${height}, format ${format}: ${reason}`);
    if (this.#failures.length > FAILURES_TOLD_MAX) this.#failures.shift();
    if (kind === "formatRejected") this.#pool.rejectFormat(format);
    if (kind !== "lost") this.#pool.reject(key);
  }

  async #try(known: KnownSnapshot, chain: SyncedChain): Promise<Outcome> {
    const { snapshot } = known;
    const { height, format, chunks } = snapshot;
    this.#logger.info("trying a snapshot", { height, format, chunks, peers: known.peers.size });
    this.#deps.metrics.height.set(height);
    this.#deps.metrics.chunks.set(chunks);
    for (let attempt = 0; attempt < SNAPSHOT_RETRIES_MAX; attempt++) {
      const offer = await this.#deps.application.offerSnapshot({
        snapshot,
        appHash: chain.state.appHash,
      });
      const refused = this.#offerRefused(known, offer);
      if (refused !== undefined) return refused;
      const result = await this.#fetchAndApply(known);
      if (result === "retrySnapshot") continue;
      if (result === NO_PEERS) return { kind: "lost", reason: result };
      if (result !== "done") return rejected(result);
      await this.#checkApplication(chain.state);
      return { kind: "restored" };
    }
    return rejected(`the application began anew ${SNAPSHOT_RETRIES_MAX} times`);
  }

  #offerRefused(known: KnownSnapshot, result: OfferSnapshotResult): FailedOutcome | undefined {
    const { height } = known.snapshot;
    switch (result) {
      case "accept":
        return undefined;
      case "abort":
        throw aborted(height, "was offered a snapshot");
      case "reject":
        return rejected("the application refused it");
      case "rejectFormat":
        this.#deps.metrics.rejected.inc({ what: "format" });
        return { kind: "formatRejected", reason: "the application does not know the format" };
      case "rejectSender":
        for (const peer of this.#pool.peersOf(known.key)) this.#rejectPeer(peer);
        return rejected("the application refused its senders");
      default:
        return assertNever(result, "answer to an offered snapshot");
    }
  }

  /** "done", "retrySnapshot", or why the snapshot is given up. */
  async #fetchAndApply(known: KnownSnapshot): Promise<string> {
    const { clock } = this.#deps;
    const queue = new ChunkQueue(known.snapshot.chunks);
    this.#fetching = { known, queue, askedMs: new Map() };
    let progressMs = clock.monotonicMs();
    try {
      while (!queue.isDone) {
        this.#checkRunning();
        const chunk = queue.next();
        if (chunk === undefined) {
          if (this.#pool.peersOf(known.key).length === 0) return NO_PEERS;
          if (clock.monotonicMs() - progressMs >= CHUNK_TIMEOUT_MS) {
            return `no chunk came within ${CHUNK_TIMEOUT_MS / 1_000} s`;
          }
          this.#request(this.#fetching);
          await this.#sleep(TICK_MS, () => queue.next() !== undefined);
          continue;
        }
        this.#request(this.#fetching);
        const end = await this.#apply(known, queue, chunk);
        if (end !== undefined) return end;
        progressMs = clock.monotonicMs();
      }
      return "done";
    } finally {
      this.#fetching = undefined;
      this.#deps.metrics.pendingChunks.set(0);
    }
  }

  /** Undefined to go on with the next chunk. */
  async #apply(
    known: KnownSnapshot,
    queue: ChunkQueue,
    chunk: FetchedChunk,
  ): Promise<string | undefined> {
    const { application, metrics } = this.#deps;
    const { index, bytes, sender } = chunk;
    const answer = await application.applySnapshotChunk({ index, chunk: bytes, sender });
    const { height } = known.snapshot;
    const { result } = answer;
    if (result === "accept") {
      queue.applied(index);
      metrics.chunksApplied.inc();
      metrics.chunkBytes.inc(undefined, bytes.length);
    }
    this.#refetch(queue, chunk, answer);
    switch (result) {
      case "accept":
        return undefined;
      case "abort":
        throw aborted(height, `was given chunk ${index}`);
      case "retry":
        metrics.rejected.inc({ what: "chunk" });
        this.#logger.warn("chunk refused, to be fetched again", { height, index, sender });
        return undefined;
      case "retrySnapshot":
        return "retrySnapshot";
      case "rejectSnapshot":
        return "the application rejected it";
      default:
        return assertNever(result, "answer to a chunk");
    }
  }

  #refetch(queue: ChunkQueue, chunk: FetchedChunk, answer: ApplySnapshotChunkResponse): void {
    for (const index of answer.refetchChunks) queue.refetch(index);
    for (const sender of answer.rejectSenders) {
      const peer = [...this.#deps.network.peers(), chunk.sender].find((id) => id === sender);
      if (peer === undefined) continue;
      this.#rejectPeer(peer);
      queue.discardFrom(peer);
    }
  }

  #rejectPeer(peer: NodeId): void {
    this.#deps.metrics.rejected.inc({ what: "sender" });
    this.#logger.warn("peer is not asked for snapshots any more", { peer });
    this.#pool.rejectPeer(peer);
  }

  /** Asks for what is wanted, each chunk of the peer that was asked longest ago. */
  #request({ known, queue, askedMs }: Fetching): void {
    const { clock, network, metrics } = this.#deps;
    const { chunkFetchers, chunkRequestTimeoutMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const { height, format } = known.snapshot;
    for (const peer of queue.expire(nowMs, chunkRequestTimeoutMs)) {
      this.#logger.warn("peer is slow with a chunk, asking another", { peer, height });
      metrics.rejected.inc({ what: "late" });
    }
    for (const index of queue.wanted(chunkFetchers)) {
      const peers = this.#pool
        .peersOf(known.key)
        .toSorted((a, b) => (askedMs.get(a) ?? -Infinity) - (askedMs.get(b) ?? -Infinity));
      const peer = peers.find((id) => network.requestChunk(id, height, format, index));
      if (peer === undefined) break;
      // A little later for each: requests of one moment go round.
      askedMs.set(peer, nowMs + index / known.snapshot.chunks);
      queue.requested(index, peer, nowMs);
    }
    metrics.pendingChunks.set(queue.pendingCount);
  }

  /** The application must say itself that it is where the trusted chain was. */
  async #checkApplication(state: ChainState): Promise<void> {
    const { application } = this.#deps;
    const info = await application.info({
      version: this.#options.softwareVersion,
      blockVersion: BLOCK_PROTOCOL,
      p2pVersion: P2P_PROTOCOL,
      abciVersion: ABCI_VERSION,
    });
    const wrong = (what: string, expected: string, got: string): StateSyncError =>
      new StateSyncError(
        { code: "STATE_SYNC_WRONG_APPLICATION", height: state.lastBlockHeight },
        `the restored application has ${what} ${got}, the chain ${expected}: this version of the software is not the chain's`,
      );
    if (info.lastBlockHeight !== state.lastBlockHeight) {
      throw wrong("height", `${state.lastBlockHeight}`, `${info.lastBlockHeight}`);
    }
    if (!bytesEqual(info.lastBlockAppHash, state.appHash)) {
      throw wrong("app hash", toHex(state.appHash), toHex(info.lastBlockAppHash));
    }
    if (info.appVersion !== state.version.app) {
      throw wrong("application version", `${state.version.app}`, `${info.appVersion}`);
    }
    this.#logger.info("snapshot restored and verified", {
      height: state.lastBlockHeight,
      appHash: toHex(state.appHash),
    });
  }

  #noneLeft(): StateSyncError {
    const tried = this.#failures.length === 0 ? "no peer offered one" : this.#failures.join("; ");
    return new StateSyncError(
      { code: "STATE_SYNC_NO_SNAPSHOT" },
      `state sync found no snapshot to use (${tried}); start again when peers have newer ones (they take them with storage.snapshot_interval), or set statesync.enable to false to fetch all blocks`,
    );
  }

  #checkRunning(): void {
    if (!this.#isStopped) return;
    throw new StateSyncError({ code: "STATE_SYNC_STOPPED" }, "state sync was stopped");
  }

  /** Waits that long, or until woken with `isEnough`, or for the stop, which ends all. */
  async #sleep(delayMs: number, isEnough: () => boolean = () => false): Promise<void> {
    this.#checkRunning();
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.after(delayMs, resolve);
      this.#wake = () => {
        if (!this.#isStopped && !isEnough()) return;
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
    this.#checkRunning();
  }
}

const NO_PEERS = "no peer has it any more";

function rejected(reason: string): FailedOutcome {
  return { kind: "rejected", reason };
}

function aborted(height: Height, when: string): StateSyncError {
  return new StateSyncError(
    { code: "STATE_SYNC_ABORTED", height },
    `the application refused to be restored when it ${when} of height ${height}: its log says why; state sync needs an application without blocks of its own`,
  );
}
