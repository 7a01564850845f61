/**
 * What a block has to hold because validators have listed it (rule P7 of spec/mev.md B4): the OBLIGATED
 * lane is exactly what the committed state says, in the order that it says, each as its transaction or as
 * a proof that it may not stand there. The proposer chooses nothing.
 */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";
import { itemBlockBytes } from "../lanes.ts";
import { type DueTx, type Listed, listingKey } from "./keys.ts";
import { isReleased, type TallyView } from "./tally.ts";

export type ObligationCode =
  /** Something is due, and the block holds neither it nor its excuse. */
  | "OBLIGATION_MISSING"
  /** What is due stands in another order than the state's. */
  | "OBLIGATION_ORDER"
  /** The lane holds what is not due in this block. */
  | "OBLIGATION_NOT_DUE"
  /** An excuse for a transaction that could stand in the block; or none for a sealed one that would fail there. */
  | "OBLIGATION_NOT_EXCUSED";

/** An item of the OBLIGATED lane, as a transaction or as an excuse. */
export type ObligatedItem = Listed;

/**
 * What the block at `height` has to hold: of what is due, in order, as much as fits `roomBytes` without
 * leaving anything out in between. What nobody is held to (`isReleased`), and what is larger than the
 * whole room, holds nobody up.
 */
export function dueNow(tally: TallyView, height: number, roomBytes: number): readonly DueTx[] {
  const taken: DueTx[] = [];
  let bytes = 0;
  for (const due of tally.due()) {
    if (due.dueHeight > height) break;
    const wanted = itemBlockBytes(due.size);
    if (wanted > roomBytes) continue;
    const listing = tally.listing(listingKey(due));
    if (listing === undefined || isReleased(listing, tally)) continue;
    bytes += wanted;
    if (bytes > roomBytes) break;
    taken.push(due);
  }
  return taken;
}

/** Why the OBLIGATED lane is not what is due, or undefined. Whether excuses hold is seen where they stand. */
export function obligationFault(
  due: readonly DueTx[],
  lane: readonly ObligatedItem[],
): Refusal<ObligationCode> | undefined {
  for (const [at, item] of lane.entries()) {
    const wanted = due[at];
    if (wanted !== undefined && isSame(wanted, item)) continue;
    const place = due.findIndex((one) => isSame(one, item));
    if (place < 0) {
      return refusal("OBLIGATION_NOT_DUE", `place ${at}: ${describe(item)} is not due`);
    }
    const expected = wanted === undefined ? "nothing" : describe(wanted);
    // Whoever leaves one out has all that follow at wrong places.
    const isLeftOut = wanted !== undefined && !lane.some((one) => isSame(one, wanted));
    return isLeftOut
      ? refusal("OBLIGATION_MISSING", `place ${at}: ${expected} is due and not in the block`)
      : refusal("OBLIGATION_ORDER", `place ${at}: expected ${expected}, got ${describe(item)}`);
  }
  const missing = due[lane.length];
  if (missing === undefined) return undefined;
  return refusal(
    "OBLIGATION_MISSING",
    `place ${lane.length}: ${describe(missing)} is due and not in the block`,
  );
}

function isSame(a: Listed, b: Listed): boolean {
  return a.size === b.size && bytesEqual(a.id, b.id);
}

function describe({ id, size }: Listed): string {
  return `${toHex(id)} (${size} bytes)`;
}
