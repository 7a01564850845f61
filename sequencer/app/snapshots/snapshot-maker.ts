/** Takes snapshots of the state beside the chain: a view of the moment, written chunk by chunk. */
import type { Height } from "../../../proto/brands.ts";
import { sha256 } from "../../../proto/hash.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import {
  SNAPSHOT_CHUNK_BYTES_MAX,
  SNAPSHOT_CHUNKS_MAX,
  SNAPSHOT_ENTRIES_PER_SLICE,
  SNAPSHOT_FETCH_MS_MAX,
  SNAPSHOT_FETCH_PAUSE_MS,
} from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import type { StateStore } from "../state-tree/state-store.ts";
import { ChunkBuilder, type Entry } from "./format.ts";
import type { SnapshotArchive } from "./snapshot-archive.ts";

export interface SnapshotMakerOptions {
  /** A snapshot is taken at multiples of this height; 0: never. */
  readonly interval: number;
  /** Snapshots that are kept; the oldest goes first, but not while somebody fetches it. */
  readonly keepRecent: number;
}

export class SnapshotMaker {
  readonly #options: SnapshotMakerOptions;
  readonly #archive: SnapshotArchive;
  readonly #deps: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: AppMetrics;
    readonly yieldToLoop: YieldToLoop;
  };
  #underWay: Promise<void> | undefined;
  #isStopped = false;
  /** When a chunk of a snapshot was last served, by height. */
  readonly #servedMs = new Map<Height, number>();
  /** Since when a snapshot is not among the newest any more, by height. */
  readonly #overdueMs = new Map<Height, number>();

  constructor(
    options: SnapshotMakerOptions,
    archive: SnapshotArchive,
    deps: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly metrics: AppMetrics;
      readonly yieldToLoop: YieldToLoop;
    },
  ) {
    this.#options = options;
    this.#archive = archive;
    this.#deps = deps;
    this.#tell();
  }

  /**
   * After the commit of `height`, before any other: begins a snapshot when one is due. Returns at once;
   * one that is still under way is not disturbed, and this one is left out.
   */
  committed(height: Height, store: StateStore): void {
    const { interval } = this.#options;
    if (interval === 0 || height % interval !== 0 || this.#isStopped) return;
    const { logger, metrics } = this.#deps;
    if (this.#underWay !== undefined) {
      metrics.snapshots.inc({ outcome: "skipped" });
      logger.warn("snapshot left out: the last one is not finished; raise snapshot_interval", {
        height,
      });
      return;
    }
    const entries = store.view();
    this.#underWay = this.#take(height, entries)
      .catch(async (error: unknown) => {
        // The chain goes on without it; the operator hears of it.
        metrics.snapshots.inc({ outcome: "failed" });
        logger.error("snapshot failed", { height, error: String(error) });
        await this.#archive.abandon();
      })
      .catch((error: unknown) => {
        // Left for the next start, which removes it.
        logger.error("snapshot could not be removed", { height, error: String(error) });
      })
      .finally(() => {
        this.#underWay = undefined;
      });
  }

  /** A chunk of the snapshot of `height` was handed out: whoever takes it will want the others. */
  served(height: Height): void {
    this.#servedMs.set(height, this.#deps.clock.monotonicMs());
  }

  /** Gives up a snapshot under way; resolves when nothing is read or written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#underWay;
  }

  /** Resolves when no snapshot is under way. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  async #take(height: Height, entries: AsyncIterable<Entry>): Promise<void> {
    const { clock, logger, metrics, yieldToLoop } = this.#deps;
    const startMs = clock.monotonicMs();
    const builder = new ChunkBuilder();
    const hashes: Uint8Array[] = [];
    let bytes = 0;
    const file = async (chunk: Uint8Array): Promise<void> => {
      if (chunk.length > SNAPSHOT_CHUNK_BYTES_MAX || hashes.length >= SNAPSHOT_CHUNKS_MAX) {
        throw new RangeError(
          `the state does not fit into ${SNAPSHOT_CHUNKS_MAX} chunks of at most ${SNAPSHOT_CHUNK_BYTES_MAX} bytes`,
        );
      }
      hashes.push(sha256(chunk));
      bytes += chunk.length;
      await this.#archive.writeChunk(height, hashes.length - 1, chunk);
    };
    let slice = 0;
    for await (const entry of entries) {
      if (this.#isStopped) {
        await this.#archive.abandon();
        return;
      }
      const chunk = builder.add(entry);
      if (chunk !== undefined) await file(chunk);
      if (++slice % SNAPSHOT_ENTRIES_PER_SLICE === 0) await yieldToLoop();
    }
    const last = builder.finish();
    if (last !== undefined) await file(last);
    const snapshot = await this.#archive.finish(height, hashes);
    await this.#archive.keepNewest(this.#options.keepRecent, this.#fetched());
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    metrics.snapshots.inc({ outcome: "taken" });
    metrics.snapshotSeconds.observe(seconds);
    this.#tell();
    logger.info("snapshot taken", { height, chunks: snapshot.chunks, bytes, seconds });
  }

  /** A snapshot whose time has come while a peer fetches it; the oldest, whose own time is bounded. */
  #fetched(): Height | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    const kept = this.#archive.list().map(({ height }) => height);
    for (const times of [this.#servedMs, this.#overdueMs]) {
      for (const height of times.keys()) if (!kept.includes(height)) times.delete(height);
    }
    const overdue = kept.slice(this.#options.keepRecent);
    for (const height of overdue) {
      if (!this.#overdueMs.has(height)) this.#overdueMs.set(height, nowMs);
    }
    return overdue.findLast((height) => {
      const servedMs = this.#servedMs.get(height) ?? -Infinity;
      const overdueMs = this.#overdueMs.get(height) ?? nowMs;
      const isWanted = nowMs - servedMs <= SNAPSHOT_FETCH_PAUSE_MS;
      return isWanted && nowMs - overdueMs <= SNAPSHOT_FETCH_MS_MAX;
    });
  }

  #tell(): void {
    const [newest] = this.#archive.list();
    this.#deps.metrics.snapshotHeight.set(newest?.height ?? 0);
  }
}
