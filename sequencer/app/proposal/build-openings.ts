import type { SealCompute } from "../../../mev/seal/compute.ts";
import { joinBytes } from "../../../proto/bytes.ts";
import type {
  BatchOpening,
  DisputeOpening,
  Openings,
  Shares,
} from "../../../proto/codec/seal-block.ts";
import type { OpenAhead } from "../seal/items/open-ahead.ts";
import { DISPUTED_POINT, type OpenedBatches } from "../seal/items/opened-batches.ts";
import {
  type ItemOutcome,
  type OpeningPlan,
  type PlannedBatch,
  type PlannedDispute,
  stillOpenPoints,
} from "../seal/items/openings.ts";

/** What one validator has shared; verified. */
export interface GivenShares {
  readonly shares: Shares;
}

export interface BuildOpeningsWork {
  readonly opened: OpenedBatches;
  readonly seal: Pick<SealCompute, "combine">;
  /** What votes have opened already. */
  readonly ahead: Pick<OpenAhead, "points">;
}

/**
 * Everything that the shares of the last commit open: each batch with shares of t tickets, an item that its
 * Z does not open as disputed; and each dispute with single shares of t tickets. Undefined: nothing.
 */
export async function buildOpenings(
  plan: OpeningPlan,
  given: readonly GivenShares[],
  work: BuildOpeningsWork,
): Promise<Openings | undefined> {
  const batches: BatchOpening[] = [];
  for (const planned of plan.batches) {
    const opening = await batchOpening(plan, planned, given, work);
    if (opening !== undefined) batches.push(opening);
  }
  const disputes = plan.disputes.flatMap((planned) => disputeOpening(planned, given) ?? []);
  return batches.length + disputes.length === 0 ? undefined : { batches, disputes };
}

async function batchOpening(
  { sharesHeight }: OpeningPlan,
  planned: PlannedBatch,
  given: readonly GivenShares[],
  { opened, seal, ahead }: BuildOpeningsWork,
): Promise<BatchOpening | undefined> {
  const { height, key } = planned;
  const shares = given.flatMap(
    (one) => one.shares.batches.find((batch) => batch.height === height)?.tickets ?? [],
  );
  const { threshold } = key;
  if (shares.length < threshold) return undefined;
  const known = await ahead.points(sharesHeight, planned);
  let outcomes =
    known?.length === planned.asked.length
      ? await opened.open(planned, stillOpenPoints(planned, known))
      : undefined;
  // The sender's fault or not: nobody is accused on the word of what was made ahead.
  if (outcomes === undefined || outcomes.some(isFailed)) {
    const combined = await seal.combine({ threshold, shares });
    outcomes = await opened.open(planned, stillOpenPoints(planned, combined));
  }
  const shown = outcomes.map((outcome) => (isFailed(outcome) ? DISPUTED_POINT : outcome.point));
  return { height, points: joinBytes(shown) };
}

function isFailed({ opened }: ItemOutcome): boolean {
  return opened !== "disputed" && opened.kind === "failed";
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
