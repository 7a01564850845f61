import { joinBytes } from "../../../proto/bytes.ts";
import type {
  BatchOpening,
  DisputeOpening,
  Openings,
  Shares,
} from "../../../proto/codec/seal-block.ts";
import { DISPUTED_POINT } from "../seal/items/opened-batches.ts";
import {
  type OpeningPlan,
  type OpeningWork,
  type PlannedBatch,
  type PlannedDispute,
  stillOpenPoints,
} from "../seal/items/openings.ts";

/** What one validator has shared; verified. */
export interface GivenShares {
  readonly shares: Shares;
}

/**
 * Everything that the shares of the last commit open: each batch with shares of t tickets, an item that its
 * Z does not open as disputed; and each dispute with single shares of t tickets. Undefined: nothing.
 */
export async function buildOpenings(
  plan: OpeningPlan,
  given: readonly GivenShares[],
  work: OpeningWork,
): Promise<Openings | undefined> {
  const batches: BatchOpening[] = [];
  for (const planned of plan.batches) {
    const opening = await batchOpening(planned, given, work);
    if (opening !== undefined) batches.push(opening);
  }
  const disputes = plan.disputes.flatMap((planned) => disputeOpening(planned, given) ?? []);
  return batches.length + disputes.length === 0 ? undefined : { batches, disputes };
}

async function batchOpening(
  planned: PlannedBatch,
  given: readonly GivenShares[],
  { opened, seal }: OpeningWork,
): Promise<BatchOpening | undefined> {
  const { height, key } = planned;
  const shares = given.flatMap(
    (one) => one.shares.batches.find((batch) => batch.height === height)?.tickets ?? [],
  );
  if (shares.length < key.threshold) return undefined;
  const { threshold } = key;
  const points = stillOpenPoints(planned, await seal.combine({ threshold, shares }));
  const outcomes = await opened.open(planned, points);
  const shown = outcomes.map((outcome) =>
    outcome.opened !== "disputed" && outcome.opened.kind === "failed"
      ? DISPUTED_POINT
      : outcome.point,
  );
  return { height, points: joinBytes(shown) };
}

function disputeOpening(
  { height, key, item }: PlannedDispute,
  given: readonly GivenShares[],
): DisputeOpening | undefined {
  const { index } = item;
  const shares = given.flatMap(
    (one) =>
      one.shares.disputes.find((asked) => asked.height === height && asked.index === index)
        ?.shares ?? [],
  );
  if (shares.length < key.threshold) return undefined;
  const chosen = [...shares].sort((a, b) => a.ticket - b.ticket).slice(0, key.threshold);
  return { height, index, shares: chosen };
}
