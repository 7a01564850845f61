/**
 * The order of a block's shuffled entries as a later block decides it (docs/adr/0021): its manifest commits to the
 * decision, the decision to the positions. Whoever checks has verified the headers of the deciding blocks, and with
 * `verifyRollupFills` their decisions.
 */
import type { Height } from "../brands.ts";
import { bytesEqual } from "../bytes.ts";
import { type Refusal, refusal } from "../refusal.ts";
import { type DecisionEntry, DecisionOutcome, orderHash } from "./manifest.ts";

export type DecidedOrderCode =
  /** Two orders were decided for one block. */
  | "ORDER_TWICE"
  /** Positions came, and nothing was decided. */
  | "ORDER_UNEXPECTED"
  /** The positions are not those of the decision. */
  | "ORDER_DIFFERS";

/**
 * The order of the entries of block `height`, for `executionOrder`; no positions where nothing was decided.
 *
 * @param decisions verified ones, of all blocks that fill something of the block
 * @param positions as they came
 */
export function decidedOrder(
  height: Height,
  decisions: readonly DecisionEntry[],
  positions: readonly number[],
): { readonly positions: readonly number[] | undefined } | Refusal<DecidedOrderCode> {
  const own = decisions.filter(
    (one) => one.height === height && one.outcome === DecisionOutcome.ORDER,
  );
  const [decision] = own;
  if (own.length > 1) {
    return refusal("ORDER_TWICE", `block ${height} has ${own.length} orders of one rollup`);
  }
  if (decision === undefined) {
    if (positions.length === 0) return { positions: undefined };
    return refusal(
      "ORDER_UNEXPECTED",
      `${positions.length} positions came for block ${height}, whose order nobody decided`,
    );
  }
  const areUint32 = positions.every((one) => Number.isInteger(one) && one >= 0 && one < 2 ** 32);
  if (areUint32 && bytesEqual(orderHash(positions), decision.detailHash)) return { positions };
  return refusal(
    "ORDER_DIFFERS",
    `the ${positions.length} positions for block ${height} are not those of its decision`,
  );
}
