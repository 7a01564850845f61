/** Which transactions of a block were legs of bundles of level 0: ordered together or not at all (docs/adr/0019). */
import { copyBytes } from "../../proto/bytes.ts";
import type { PayloadLeg, SkippedPayload } from "../execution.ts";
import type { StoredReceipt } from "./records.ts";

export interface IncludedLeg {
  readonly transactionHash: Uint8Array;
  readonly bundleId: Uint8Array;
}

export interface LegsOfBlock {
  /** Their indices count from the first payload of the request that made the block. */
  readonly legs: readonly PayloadLeg[];
  /** Payloads that stand before those of the request, gathered earlier. */
  readonly payloadsBefore: number;
  /** In order of their indices among all payloads. */
  readonly skipped: readonly SkippedPayload[];
  /** Of the block: of the legs that it commits, then of the payloads that were not skipped, in order. */
  readonly receipts: readonly StoredReceipt[];
  /** How many receipts are of legs that it commits. */
  readonly committed: number;
}

/** The transactions of legs that became part of the block. */
export function includedLegs(block: LegsOfBlock): readonly IncludedLeg[] {
  const { legs, payloadsBefore, receipts, committed } = block;
  if (legs.length === 0) return [];
  const skipped = new Set(block.skipped.map(({ index }) => index));
  const found: IncludedLeg[] = [];
  let payload = 0;
  let receipt = committed;
  for (const { bundleId, first, count } of legs) {
    const end = payloadsBefore + first + count;
    for (; payload < end; payload++) {
      if (skipped.has(payload)) continue;
      const hash = receipts[receipt]?.transactionHash;
      receipt += 1;
      if (hash === undefined || payload < payloadsBefore + first) continue;
      found.push({ transactionHash: hash, bundleId: copyBytes(bundleId) });
    }
  }
  return found;
}
