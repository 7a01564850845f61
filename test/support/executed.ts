/** What rollups execute of a block, from blocks as nodes serve them; for chains without headers. */
import { Height } from "../../proto/brands.ts";
import { rollupDataEntries } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { decidedOrder } from "../../proto/verify/decided-order.ts";
import { executionOrder } from "../../proto/verify/execution-order.ts";
import { fillEntries, type Content } from "../../proto/verify/fills.ts";
import type { FillStatus } from "../../proto/verify/manifest.ts";
import type { BlockSlices } from "../../sequencer/app/block-slices.ts";

export interface ServedBlock {
  readonly height: number;
  readonly slices: BlockSlices;
}

/** Texts in the order of execution. `later`: blocks that follow, at least those that fill something of it. */
export async function executedTexts(
  { height, slices }: ServedBlock,
  later: readonly ServedBlock[],
  rollupId: Uint8Array,
): Promise<readonly string[]> {
  const slice = slices.slice(rollupId);
  if (slice.kind === "absence") return [];
  const contents: Content[] = [];
  const blocks: Parameters<typeof fillEntries>[2][number][] = [];
  let positions: readonly number[] = [];
  for (const block of later) {
    const own = block.slices.fills(rollupId, height);
    const of = block.slices.slice(rollupId);
    if (own.length === 0 || of.kind === "absence") continue;
    blocks.push({ height: Height(block.height), fills: of.fills });
    contents.push(...(await slices.contents(own, block.slices)));
    positions = block.slices.order(rollupId, height) ?? positions;
  }
  contents.sort((a, b) => a.position - b.position);
  const filled = fillEntries(Height(height), slice.entries, blocks, contents);
  assert(!("code" in filled), `all is filled: ${"code" in filled ? filled.reason : ""}`);
  const decisions = later.flatMap((block) => {
    const of = block.slices.slice(rollupId);
    return of.kind === "absence" ? [] : of.decisions;
  });
  const decided = decidedOrder(Height(height), decisions, positions);
  assert(!("code" in decided), `the order is decided: ${"code" in decided ? decided.reason : ""}`);
  const fills = new Map<number, FillStatus>();
  for (const [position, { fill }] of filled.entries()) {
    if (fill !== undefined) fills.set(position, fill.status);
  }
  const order = executionOrder(filled, fills, decided.positions);
  assert(!("code" in order), `it can be executed: ${"code" in order ? order.reason : ""}`);
  return order.flatMap((position) => {
    const content = filled[position]?.content;
    if (content === undefined) return [];
    return rollupDataEntries(content).map((entry) => Buffer.from(entry).toString());
  });
}
