import type { ValidatorShares } from "../../../mev/injected-commit.ts";
import type { SharesToCombine } from "../../../mev/seal/compute.ts";
import type { SealKeyOf } from "../../../mev/seal/shares.ts";
import type { Height } from "../../../proto/brands.ts";
import type { DisputeOpening } from "../../../proto/codec/seal-block.ts";
import type { SealAsk } from "../../../proto/codec/seal-state.ts";

/** What the shares of a commit are enough for. */
export interface CollectedShares {
  /** By height of the batch: shares of at least t tickets, ascending, for all points that were asked. */
  readonly byBatch: ReadonlyMap<Height, SharesToCombine>;
  /** Disputed items, in the order of the ask, with shares of exactly t tickets each. */
  readonly disputes: readonly DisputeOpening[];
}

/** @param given verified against `ask`: `BuiltInjectedCommit.shares` */
export function collectShares(
  ask: SealAsk,
  keyOf: SealKeyOf,
  given: readonly ValidatorShares[],
): CollectedShares {
  const byBatch = new Map<Height, SharesToCombine>();
  for (const { height, key } of ask.batches) {
    const threshold = keyOf(key)?.threshold;
    const shares = given
      .flatMap(({ shares: { batches } }) => batches.find((one) => one.height === height) ?? [])
      .flatMap(({ tickets }) => tickets)
      .sort((a, b) => a.ticket - b.ticket);
    if (threshold !== undefined && shares.length >= threshold) {
      byBatch.set(height, { threshold, shares });
    }
  }
  const disputes: DisputeOpening[] = [];
  for (const { height, index, key } of ask.disputes) {
    const threshold = keyOf(key)?.threshold;
    const shares = given
      .flatMap(
        ({ shares: answer }) =>
          answer.disputes.find((one) => one.height === height && one.index === index) ?? [],
      )
      .flatMap((one) => one.shares)
      .sort((a, b) => a.ticket - b.ticket);
    if (threshold !== undefined && shares.length >= threshold) {
      disputes.push({ height, index, shares: shares.slice(0, threshold) });
    }
  }
  return { byBatch, disputes };
}
