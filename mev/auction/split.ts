/** How what a winner pays is divided among the rollups whose blocks it gets the top of (spec/mev.md B8). */
import { assert } from "../../proto/errors.ts";
import type { AuctionMember, ValidBid } from "./winner.ts";

/**
 * A share in nweft for each member in the winner's mask, in their order; they sum to `paid`. Each member has what
 * it would have got alone (v: its best valid bid that is for it only, or its reserve) and an equal part of what the
 * winner pays above the sum of these; what does not divide goes to the first ones, 1 nweft each.
 *
 * Nobody gets less than alone: a choice that is worth most is worth at least the members' single bids and
 * reserves. `paid` is the winner's amount, or what a rollup alone sells for at second price.
 */
export function splitAmount(
  winner: ValidBid,
  members: readonly AuctionMember[],
  bids: readonly ValidBid[],
  paid: bigint = winner.amount,
): readonly bigint[] {
  const alone = new Map<number, bigint>();
  for (const [i, { reserve }] of members.entries()) {
    if ((winner.mask & (1 << i)) !== 0) alone.set(1 << i, reserve);
  }
  // Of one rollup alone, the price is all there is to divide.
  if (alone.size === 1) return [paid];
  for (const { mask, amount } of bids) {
    const most = alone.get(mask);
    if (most !== undefined && amount > most) alone.set(mask, amount);
  }
  const values = [...alone.values()];
  const count = BigInt(values.length);
  const surplus = paid - values.reduce((sum, value) => sum + value, 0n);
  assert(surplus >= 0n, "who wins pays what its rollups would get alone, or more");
  const rest = surplus % count;
  return values.map((value, at) => value + surplus / count + (BigInt(at) < rest ? 1n : 0n));
}
