import type { SealedItemState } from "../../../../proto/codec/seal-state.ts";
import type { StakingContext } from "../../staking/context.ts";
import { numberKey, SEALED } from "../../state/tables.ts";
import { sealedBatch } from "../reader.ts";

/** Replaces the unresolved items of a block; with the last one, the record goes. */
export function setItems(
  ctx: StakingContext,
  height: number,
  key: number,
  items: readonly SealedItemState[],
): void {
  const record = items.length === 0 ? undefined : { key, items };
  ctx.records.set(SEALED, numberKey(height), record);
}

/** Takes items out, or changes them: `change` returns what each becomes, undefined when it is resolved. */
export function changeItems(
  ctx: StakingContext,
  height: number,
  change: (item: SealedItemState) => SealedItemState | undefined,
): void {
  const batch = sealedBatch(ctx, height);
  if (batch === undefined) return;
  const items = batch.items.flatMap((item) => change(item) ?? []);
  setItems(ctx, height, batch.key, items);
}

export function isDisputed(item: SealedItemState): boolean {
  return item.disputedHeight !== 0;
}
