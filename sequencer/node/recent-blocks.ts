/** The last applied blocks in memory: streams want each as soon as it is there, and reading it back costs more. */
import { Height } from "../../proto/brands.ts";
import type { Block } from "../../proto/types.ts";
import type { BlockOutcome } from "../abci/application.ts";
import type { EventBus } from "../engine/event-bus.ts";
import { RECENT_BLOCKS_BYTES_MAX, RECENT_BLOCKS_MAX } from "./limits.ts";

export interface RecentBlock {
  readonly block: Block;
  readonly results: BlockOutcome;
}

export interface RecentBlocks {
  /** Of the last block announced; 0 before the first. Its results and its validators are stored by then. */
  height(): Height;
  get(height: number): RecentBlock | undefined;
}

/** Keeps what `events` announces for as long as it announces anything; the oldest goes first. */
export function createRecentBlocks(events: Pick<EventBus, "on">): RecentBlocks {
  const kept = new Map<number, RecentBlock & { readonly bytes: number }>();
  let keptBytes = 0;
  let last = Height(0);
  events.on((event) => {
    if (event.kind !== "NewBlock") return;
    const { block, result } = event;
    last = block.header.height;
    const bytes = block.txs.reduce((sum, tx) => sum + tx.length, 0);
    kept.set(block.header.height, { block, results: result, bytes });
    keptBytes += bytes;
    for (const [height, oldest] of kept) {
      if (kept.size <= RECENT_BLOCKS_MAX && keptBytes <= RECENT_BLOCKS_BYTES_MAX) return;
      kept.delete(height);
      keptBytes -= oldest.bytes;
    }
  });
  return { height: () => last, get: (height) => kept.get(height) };
}
