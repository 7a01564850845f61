import type { InjectedLists } from "../../../mev/injected-commit.ts";
import { askedOfValidator } from "../../../mev/seal/shares.ts";
import { toHex } from "../../../proto/bytes.ts";
import { askAt, sealKey, type SealReader } from "../seal/reader.ts";

/**
 * Validators (40-hex) that voted for the block at `height` and owed shares, and whose part said ABSTAIN: they
 * hold tickets of a key that something was asked for. A part that the proposer left out (BLANK) says nothing.
 */
export function missingShares(
  reader: SealReader,
  height: number,
  injected: readonly Pick<InjectedLists, "address" | "lists">[],
): ReadonlySet<string> {
  const missing = new Set<string>();
  const ask = askAt(reader, height);
  if (ask === undefined) return missing;
  for (const { address, lists } of injected) {
    if (lists.shares.kind !== "abstain") continue;
    const asked = askedOfValidator(ask, (key) => sealKey(reader, key), address);
    if (asked !== undefined) missing.add(toHex(address));
  }
  return missing;
}
