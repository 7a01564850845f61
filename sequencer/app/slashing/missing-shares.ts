import type { InjectedLists } from "../../../mev/injected-commit.ts";
import { askedOfValidator } from "../../../mev/seal/shares.ts";
import { toHex } from "../../../proto/bytes.ts";
import { askAt, sealKey, type SealReader } from "../seal/reader.ts";

/**
 * Validators (40-hex) that voted for the block at `height` and owed shares, and whose part said ABSTAIN: they
 * hold tickets of a key that something was asked for. A part that the proposer left out (BLANK) says nothing.
 * Nobody when those who abstain have more power than those who answer: they vote, so that it is what they have
 * in common that failed, and to jail them for it would leave the chain to the few who are left.
 */
export function missingShares(
  reader: SealReader,
  height: number,
  injected: readonly Pick<InjectedLists, "address" | "power" | "lists">[],
): ReadonlySet<string> {
  const missing = new Set<string>();
  const ask = askAt(reader, height);
  if (ask === undefined) return missing;
  let answered = 0n;
  let owed = 0n;
  for (const { address, power, lists } of injected) {
    if (lists.shares.kind !== "abstain") {
      answered += power;
      continue;
    }
    if (askedOfValidator(ask, (key) => sealKey(reader, key), address) === undefined) continue;
    missing.add(toHex(address));
    owed += power;
  }
  return owed > answered ? new Set() : missing;
}
