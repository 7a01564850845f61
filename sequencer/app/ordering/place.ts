import type { ManifestBuilder } from "../../../mev/manifest.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { EntryKind } from "../../../proto/verify/manifest.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { WorkingState } from "../state/working-state.ts";

/**
 * Adds the entries of a transaction whose action has succeeded to the manifest of its block; their positions
 * among the entries of each rollup. Shuffled ones wait for their order from here on. `isDue`: it is in this block
 * because it has to be.
 */
export function placeEntries(
  working: WorkingState,
  tx: DecodedTx,
  manifest: ManifestBuilder,
  isDue: boolean,
): readonly number[] {
  const { entryTerms, shuffles } = working;
  const entries = tx.entries(isDue, entryTerms);
  // Of one that names several rollups, the manifest makes the keys.
  const key = tx.rollupId === "" ? undefined : tx.rollupId;
  return entries.map(({ rollupId, entry }) => {
    const position = manifest.add(rollupId, entry, key);
    if (entry.kind === EntryKind.SHUFFLED) {
      shuffles.place(toHex(rollupId), position, fromHex(tx.sender));
    }
    return position;
  });
}
