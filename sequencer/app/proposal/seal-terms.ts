import type { ExtensionRefusal, SealTerms } from "../../../mev/extension.ts";
import { askAt, sealKey, type SealReader } from "../seal/reader.ts";

/**
 * What extensions of `height` answer, by the committed state: known from the block below on, until the one
 * that the answers are for is committed.
 */
export function sealTermsAt(reader: SealReader, height: number): SealTerms | undefined {
  const ask = askAt(reader, height);
  return ask && { ask, keyOf: (key) => sealKey(reader, key) };
}

/** Whether an extension was refused for its SHARES part. */
export function isOfShares({ code }: ExtensionRefusal): boolean {
  return code.startsWith("SHARES_");
}
