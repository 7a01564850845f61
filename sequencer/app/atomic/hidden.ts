import { toHex } from "../../../proto/bytes.ts";
import type { RollupPlace } from "../../../proto/codec/seal-state.ts";
import { openingBlocks, protectedBlocks } from "../seal/items/room.ts";
import type { StakingReader } from "../staking/context.ts";
import { SEAL_COMMITS, SEALED } from "../state/tables.ts";

/**
 * By rollup (hex), the lowest height at which something for it is hidden still; rollups without such a height are left
 * out. Bids wait in the batches of sealed items, and an auction, or an order of a rollup that shuffles, is settled in the
 * block that resolves the last of its entries.
 */
export function lowestHidden({
  records,
}: Pick<StakingReader, "records">): ReadonlyMap<string, number> {
  const lowest = new Map<string, number>();
  const see = (height: number, items: readonly { readonly places: readonly RollupPlace[] }[]) => {
    for (const { places } of items) {
      for (const { rollupId } of places) {
        const key = toHex(rollupId);
        lowest.set(key, Math.min(height, lowest.get(key) ?? height));
      }
    }
  };
  for (const key of records.keys(SEALED)) {
    see(Number(key), records.get(SEALED, key)?.items ?? []);
  }
  for (const key of records.keys(SEAL_COMMITS)) {
    see(Number(key), records.get(SEAL_COMMITS, key)?.items ?? []);
  }
  return lowest;
}

/**
 * Blocks after which nothing of a block is hidden any more: commits are revealed or void, and sealed items opened or
 * expired, also those that a proposer disputes in the last block that may open them.
 */
export function hiddenBlocksMax(reader: StakingReader): number {
  const revealed = protectedBlocks(reader, reader.params.sealRevealBlocks);
  return Math.max(revealed, 2 * openingBlocks(reader) + 4) + 1;
}
