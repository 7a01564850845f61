import type { SealedItemState } from "../../../../proto/codec/seal-state.ts";
import type { StakingContext } from "../../staking/context.ts";
import { unresolvedHeights } from "../reader.ts";
import { changeItems } from "./records.ts";
import { resolveItem } from "./resolve.ts";
import { openingBlocks } from "./room.ts";

/**
 * After the last item of a block: items that nobody opened in time are void, and their senders have fee
 * and bond back. One that was disputed has as long again from there.
 */
export function expireItems(ctx: StakingContext): void {
  const blocks = openingBlocks(ctx);
  for (const height of unresolvedHeights(ctx)) {
    // No later batch can be due.
    if (ctx.height < height + 1 + blocks) return;
    changeItems(ctx, height, (item) => {
      if (ctx.height < lastHeight(height, item, blocks)) return item;
      resolveItem(ctx, height, item, { kind: "expired" });
      return undefined;
    });
  }
}

function lastHeight(height: number, { disputedHeight }: SealedItemState, blocks: number): number {
  return (disputedHeight === 0 ? height : disputedHeight) + 1 + blocks;
}
