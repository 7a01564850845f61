/**
 * P10: rollups with the ordering PRIORITY_FEE get what pays best first (spec/mev.md B10). A pure function of
 * the DEFAULT lane of one block.
 */
import { compareBytes, toHex } from "../../proto/bytes.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";

/** A transaction of the DEFAULT lane, as the rule sees it. */
export interface PricedItem {
  /** Whose nonces it is behind, as text. */
  readonly account: string;
  /** nweft per byte beyond the base fee: min(tip, max - base). */
  readonly price: bigint;
  /** Transaction id, 32 bytes. */
  readonly id: Uint8Array;
  /** False: it is unordered, and stands behind nothing. */
  readonly hasNonce: boolean;
  /** Data of a rollup that orders by priority fee. */
  readonly isPriority: boolean;
}

/**
 * Why the DEFAULT lane of a block is not in order of price, or undefined. `items`: all of the lane, in block
 * order, each account's nonces ascending.
 *
 * An item of a PRIORITY_FEE rollup may stand only where no other such item of the lane that could stand there
 * too (the next of its account) pays more for a byte, or as much and has a smaller id. All PRIORITY_FEE
 * rollups are one queue, so that what is drawn by price passes whatever the rollups. Other items stand anywhere.
 *
 * An item could have stood anywhere after the one of its account before it. So it breaks the rule if a worse
 * one stands between those two: for each, the worst of that stretch is enough to look at.
 */
export function priorityFault(items: readonly PricedItem[]): Refusal<"ORDER_PRIORITY"> | undefined {
  /** Position of the last item of an account. */
  const lastOf = new Map<string, number>();
  /** Positions, ascending, each the worst item from the one before it to the end of what was seen. */
  const worst: number[] = [];
  for (const [position, item] of items.entries()) {
    const behind = item.hasNonce ? (lastOf.get(item.account) ?? -1) : -1;
    if (item.hasNonce) lastOf.set(item.account, position);
    if (!item.isPriority) continue;
    const passed = items[worst[firstAbove(worst, behind)] ?? -1];
    if (passed !== undefined && comparePriced(item, passed) < 0) {
      return refusal(
        "ORDER_PRIORITY",
        `${toHex(item.id)} pays ${item.price} and has to stand before ${toHex(passed.id)}, which pays ${passed.price}`,
      );
    }
    for (;;) {
      const last = items[worst.at(-1) ?? -1];
      if (last === undefined || comparePriced(last, item) > 0) break;
      worst.pop();
    }
    worst.push(position);
  }
  return undefined;
}

/** Order of a draw by price: who pays more for a byte first, among equals the smaller id. */
export function comparePriced(
  a: Pick<PricedItem, "price" | "id">,
  b: Pick<PricedItem, "price" | "id">,
): number {
  if (a.price !== b.price) return a.price > b.price ? -1 : 1;
  return compareBytes(a.id, b.id);
}

/** Index of the first number above `bound`; of ascending numbers. */
function firstAbove(numbers: readonly number[], bound: number): number {
  // Most stand behind nothing.
  if (bound < 0) return 0;
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
