import type { SharesToVerify } from "../../../../mev/seal/compute.ts";
import { publicShareAt } from "../../../../mev/seal/dkg.ts";
import { sharesContext } from "../../../../mev/seal/shares.ts";
import { kemPoint } from "../../../../mev/seal/tdh2.ts";
import type { DisputeOpening } from "../../../../proto/codec/seal-block.ts";
import type { SealKeyState } from "../../../../proto/codec/seal-state.ts";
import { assert } from "../../../../proto/errors.ts";
import type { OpeningPlan, OpeningWork, PlannedDispute, VerifiedOpenings } from "./openings.ts";

interface Settlement {
  readonly planned: PlannedDispute;
  readonly opening: DisputeOpening;
  /** One for each share. */
  readonly checks: readonly SharesToVerify[];
}

/**
 * Single shares of exactly t tickets, each proven, decide what the only right Z of an item is; then the item
 * opens, or its ciphertext is garbage. Why they may not stand in the block, as text.
 */
export async function settleDisputes(
  plan: OpeningPlan,
  openings: readonly DisputeOpening[],
  { opened, seal }: OpeningWork,
): Promise<VerifiedOpenings["disputes"] | string> {
  const settlements: Settlement[] = [];
  for (const opening of openings) {
    const settlement = settlementOf(plan, opening);
    if (typeof settlement === "string") return settlement;
    settlements.push(settlement);
  }
  const proven = await seal.verifyShares(settlements.flatMap(({ checks }) => checks));
  let at = 0;
  for (const { opening } of settlements) {
    for (const { ticket } of opening.shares) {
      if (proven[at++] !== true)
        return `${nameOf(opening)}: the share of ticket ${ticket} is not proven`;
    }
  }
  return Promise.all(
    settlements.map(async ({ planned, opening }) => {
      const { height, key, item } = planned;
      const point = await seal.combine({
        threshold: key.threshold,
        shares: opening.shares.map(({ ticket, point: points }) => ({ ticket, points })),
      });
      const [outcome] = await opened.open({ key, items: [item] }, point);
      assert(outcome !== undefined, "every item has an outcome");
      return { height, outcome };
    }),
  );
}

function settlementOf(plan: OpeningPlan, opening: DisputeOpening): Settlement | string {
  const { height, index, shares } = opening;
  const planned = plan.disputes.find((one) => one.height === height && one.item.index === index);
  if (planned === undefined) return `${nameOf(opening)} was not asked for, or is settled`;
  const { key, item } = planned;
  if (shares.length !== key.threshold) {
    return `${nameOf(opening)} needs shares of ${key.threshold} tickets, got ${shares.length}`;
  }
  const checks: SharesToVerify[] = [];
  for (const { ticket, point, proof } of shares) {
    const validator = holderOf(key, ticket);
    if (validator === undefined) return `${nameOf(opening)}: nobody holds ticket ${ticket}`;
    const terms = { chainId: plan.chainId, height: plan.sharesHeight, validator };
    checks.push({
      context: sharesContext(terms, { key: key.number, height, index }, ticket),
      publicShare: publicShareAt(key, ticket),
      points: kemPoint(item.kem),
      shares: point,
      proof,
    });
  }
  return { planned, opening, checks };
}

function nameOf({ height, index }: DisputeOpening): string {
  return `openings: the dispute of item ${index} of batch ${height}`;
}

function holderOf(key: SealKeyState, ticket: number): Uint8Array | undefined {
  let last = 0;
  for (const { validator, tickets } of key.members) {
    last += tickets;
    if (ticket <= last) return validator;
  }
  return undefined;
}
