import { codeName } from "../codes.ts";
import type { AppMetrics } from "../metrics.ts";
import type { ExecutedBlock } from "./execute-block.ts";

/** Counts what a committed block holds, by lane, and whose action failed. */
export function countBlock(
  { txs, lanes, results }: Pick<ExecutedBlock, "txs" | "lanes" | "results">,
  metrics: Pick<AppMetrics, "blockItems" | "blockItemBytes" | "failedActions">,
): void {
  const counts = new Map<number, number>();
  let bytes = 0;
  for (const [index, lane] of lanes.entries()) {
    const tx = txs[index];
    if (tx === undefined) continue;
    counts.set(lane, (counts.get(lane) ?? 0) + 1);
    bytes += tx.item.length;
  }
  for (const [lane, count] of counts) metrics.blockItems.inc({ lane: lane.toString() }, count);
  metrics.blockItemBytes.inc(undefined, bytes);
  for (const { code } of results) {
    if (code !== 0) metrics.failedActions.inc({ code: codeName(code) ?? code.toString() });
  }
}
