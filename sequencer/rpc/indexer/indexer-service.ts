/**
 * Keeps the index up with the chain. Events bring new blocks at once; whatever is missing, after a
 * restart or because the queue was full, is read back from the stores. Consensus never waits.
 */
import { Height } from "../../../proto/brands.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { INDEX_QUEUE_BLOCKS_MAX, INDEX_RETRY_MS } from "../limits.ts";
import type { RpcMetrics } from "../metrics.ts";
import type { RpcBlocks, RpcEventSource, RpcStates } from "../ports.ts";
import type { IndexedBlock, WritableIndex } from "./level-index.ts";

export interface IndexerService {
  /** Begins to follow the chain; returns at once. */
  start(): void;
  /** Ends after the height under way. */
  stop(): Promise<void>;
  /** Resolves once `height` is indexed, or the service stopped. */
  caughtUp(height: Height): Promise<void>;
}

export function createIndexerService(deps: {
  readonly index: WritableIndex;
  readonly blocks: Pick<RpcBlocks, "base" | "height" | "block">;
  readonly states: Pick<RpcStates, "finalizeBlockResponse">;
  readonly events: RpcEventSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
}): IndexerService {
  const { index, blocks, states, clock, metrics } = deps;
  const logger = deps.logger.child({ module: "indexer" });
  const queued = new Map<number, IndexedBlock>();
  const waiters = new Set<() => void>();
  let remove: (() => void) | undefined;
  let wake: (() => void) | undefined;
  const state = { isStopped: false, isWoken: false };
  let running: Promise<void> = Promise.resolve();

  const notify = () => {
    state.isWoken = true;
    wake?.();
  };

  async function run(): Promise<void> {
    while (!state.isStopped) {
      state.isWoken = false;
      try {
        if (await indexNext()) continue;
      } catch (error) {
        logger.error("could not index a block, trying again", {
          height: index.indexedHeight() + 1,
          error,
        });
        clock.after(INDEX_RETRY_MS, notify);
      }
      if (state.isWoken || state.isStopped) continue;
      await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
    }
  }

  /** True when a height was done. */
  async function indexNext(): Promise<boolean> {
    const next = Height(Math.max(index.indexedHeight() + 1, blocks.base()));
    const committed = blocks.height();
    metrics.indexLag.set(Math.max(0, committed - index.indexedHeight()));
    if (committed === 0 || next > committed) return false;
    const indexed = await load(next);
    if (indexed === undefined) {
      // Of what was the last block, results may have come since; of an earlier one they never come.
      if (next === committed) return false;
      logger.warn("no results are kept for a block, it is left out of the index", { height: next });
      await index.skipHeight(next);
    } else {
      const startMs = clock.monotonicMs();
      await index.addBlock(indexed);
      metrics.indexDuration.observe((clock.monotonicMs() - startMs) / 1_000);
      metrics.indexedTxs.inc({}, indexed.block.txs.length);
    }
    for (const height of queued.keys()) if (height <= next) queued.delete(height);
    metrics.indexedHeight.set(next);
    metrics.indexLag.set(Math.max(0, blocks.height() - next));
    for (const waiter of waiters) waiter();
    await index.prune(blocks.base());
    return true;
  }

  async function load(height: Height): Promise<IndexedBlock | undefined> {
    const waiting = queued.get(height);
    if (waiting !== undefined) return waiting;
    const [block, result] = await Promise.all([
      blocks.block(height),
      states.finalizeBlockResponse(height),
    ]);
    return block === undefined || result === undefined ? undefined : { block, result };
  }

  return {
    start() {
      remove = deps.events.on((event) => {
        if (event.kind !== "NewBlock") return;
        if (queued.size < INDEX_QUEUE_BLOCKS_MAX) {
          queued.set(event.block.header.height, { block: event.block, result: event.result });
        }
        notify();
      });
      metrics.indexedHeight.set(index.indexedHeight());
      running = run();
    },
    async stop() {
      state.isStopped = true;
      remove?.();
      notify();
      await running;
      for (const waiter of waiters) waiter();
    },
    caughtUp(height) {
      return new Promise((resolve) => {
        const waiter = () => {
          if (index.indexedHeight() < height && !state.isStopped) return;
          waiters.delete(waiter);
          resolve();
        };
        waiters.add(waiter);
        waiter();
      });
    },
  };
}
