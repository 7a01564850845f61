/**
 * In which order a rollup executes the entries of a block, once they are filled (docs/formats.md, "Manifest"): pure, for
 * nodes, drivers and whoever checks them.
 */
import { type Refusal, refusal } from "../refusal.ts";
import { type EntryHead, EntryKind, FillStatus } from "./manifest.ts";

export type ExecutionOrderCode =
  /** The block has two or more shuffled entries and nobody decided on their order. */
  | "ORDER_MISSING"
  /** The order does not name exactly the shuffled entries, each once; or there is nothing to order. */
  | "ORDER_NOT_A_PERMUTATION"
  /** Two bids have won the top of the block. */
  | "TWO_WINNERS";

/** Entries whose content the block does not show: each waits for a fill. */
export function isHidden({ kind }: Pick<EntryHead, "kind">): boolean {
  return kind === EntryKind.SEALED || kind === EntryKind.SHUFFLED || kind === EntryKind.BID;
}

/** Whether a block with these entries waits for an ORDER decision. */
export function needsOrder(entries: readonly Pick<EntryHead, "kind">[]): boolean {
  return entries.filter(({ kind }) => kind === EntryKind.SHUFFLED).length >= 2;
}

/**
 * Positions of a rollup's entries of a block in the order of their execution: FORCED first, then the bid that won, then
 * all others at their places, the SHUFFLED ones among their own places as `order` says. A bid that is LOST, INVALID
 * or EXPIRED is left out; so is none of the others, whatever became of it. `order`: the positions of an ORDER
 * decision whose hash was checked.
 */
export function executionOrder(
  entries: readonly Pick<EntryHead, "kind">[],
  fills: ReadonlyMap<number, FillStatus>,
  order: readonly number[] | undefined,
): readonly number[] | Refusal<ExecutionOrderCode> {
  const forced: number[] = [];
  const winners: number[] = [];
  const rest: number[] = [];
  const shuffled: number[] = [];
  for (const [position, { kind }] of entries.entries()) {
    if (kind === EntryKind.FORCED) forced.push(position);
    else if (kind === EntryKind.BID) {
      if (fills.get(position) === FillStatus.OPENED) winners.push(position);
    } else {
      rest.push(position);
      if (kind === EntryKind.SHUFFLED) shuffled.push(position);
    }
  }
  if (winners.length > 1) {
    return refusal("TWO_WINNERS", `bids at places ${winners.join(" and ")} both won the top`);
  }
  if (order === undefined && shuffled.length >= 2) {
    return refusal("ORDER_MISSING", `${shuffled.length} shuffled entries have no order`);
  }
  if (order !== undefined && !isPermutation(order, shuffled)) {
    return refusal(
      "ORDER_NOT_A_PERMUTATION",
      `an order of ${order.length} places for ${shuffled.length} shuffled entries`,
    );
  }
  const next = (order ?? shuffled).values();
  const placed = rest.map((position) =>
    entries[position]?.kind === EntryKind.SHUFFLED ? (next.next().value ?? position) : position,
  );
  return [...forced, ...winners, ...placed];
}

/** `own` ascends; an order is decided for two or more. */
function isPermutation(order: readonly number[], own: readonly number[]): boolean {
  if (own.length < 2 || order.length !== own.length) return false;
  const sorted = order.toSorted((a, b) => a - b);
  return sorted.every((position, index) => position === own[index]);
}
