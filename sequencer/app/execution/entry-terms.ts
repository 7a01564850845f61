import type { EntryTerms } from "../../../mev/manifest.ts";

/** Of a block of a chain where nothing is shuffled and no rollup leads an auction. */
export function entryTerms(chainId: string): EntryTerms {
  return { chainId, isShuffled: () => false, membersOf: () => [] };
}
