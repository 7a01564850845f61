import { codeName } from "../codes.ts";
import type { AppMetrics } from "../metrics.ts";
import type { ExecutedBlock } from "./execute-block.ts";

/** Counts what a committed block holds, by lane, whose action failed, and whom its evidence names. */
export function countBlock(
  {
    input,
    txs,
    lanes,
    results,
  }: Pick<ExecutedBlock, "txs" | "lanes" | "results"> & {
    readonly input: Pick<ExecutedBlock["input"], "misbehavior">;
  },
  metrics: Pick<
    AppMetrics,
    "blockItems" | "blockItemBytes" | "laneBytes" | "failedActions" | "misbehavior"
  >,
): void {
  const ofLanes = new Map<number, { count: number; bytes: number }>();
  let total = 0;
  for (const [index, lane] of lanes.entries()) {
    const tx = txs[index];
    if (tx === undefined) continue;
    let ofLane = ofLanes.get(lane);
    if (ofLane === undefined) ofLanes.set(lane, (ofLane = { count: 0, bytes: 0 }));
    ofLane.count++;
    ofLane.bytes += tx.item.length;
    total += tx.item.length;
  }
  for (const [number, { count, bytes }] of ofLanes) {
    const lane = number.toString();
    metrics.blockItems.inc({ lane }, count);
    metrics.laneBytes.inc({ lane }, bytes);
  }
  metrics.blockItemBytes.inc(undefined, total);
  for (const { code } of results) {
    if (code !== 0) metrics.failedActions.inc({ code: codeName(code) ?? code.toString() });
  }
  for (const { type } of input.misbehavior) metrics.misbehavior.inc({ type });
}
