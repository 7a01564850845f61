import { Lane } from "../../../mev/lanes.ts";
import { type PricedItem, priorityFault } from "../../../mev/ordering/priority.ts";
import { Height } from "../../../proto/brands.ts";
import { Ordering } from "../../../proto/codec/rollup-policy.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import type { Refusal } from "../../../proto/refusal.ts";
import type { TxTerms } from "../execution/action-rules.ts";
import { effectiveTip } from "../execution/base-fee.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { policyAt } from "../state/rollup-policy.ts";

/** An item of a block, in block order. */
export interface PlacedItem {
  readonly use: { readonly lane: Lane };
  readonly decoded: DecodedTx | undefined;
}

/** The state before the block: who changes a policy in it changes it for later blocks. */
export interface PolicyReader {
  /** Rollups that order by price, or will: none on most chains. */
  readonly pricedRollups: ReadonlySet<string>;
  rollup(rollupId: string): RollupState | undefined;
}

/** P10: why the DEFAULT lane of a block does not do what rollups with PRIORITY_FEE ask for, or undefined. */
export function priceOrderFault(
  items: readonly PlacedItem[],
  state: PolicyReader,
  { height, baseFeePerByte }: Pick<TxTerms, "height" | "baseFeePerByte">,
): Refusal<"ORDER_PRIORITY"> | undefined {
  const priced = new Set<string>();
  for (const id of state.pricedRollups) {
    const rollup = state.rollup(id);
    if (rollup === undefined) continue;
    if (policyAt(rollup, Height(height)).ordering === Ordering.PRIORITY_FEE) priced.add(id);
  }
  if (priced.size === 0) return undefined;
  const inDefault: PricedItem[] = [];
  for (const { use, decoded } of items) {
    if (use.lane !== Lane.DEFAULT || decoded === undefined) continue;
    const { replay, fee, action } = decoded.tx.body;
    inDefault.push({
      account: decoded.sender,
      price: effectiveTip(fee, baseFeePerByte),
      id: decoded.id,
      hasNonce: replay.kind === "nonce",
      isPriority: action.kind === "rollupData" && priced.has(decoded.rollupId),
    });
  }
  return priorityFault(inDefault);
}

/** Whether a rollup orders by price, or will once its next policy is in force. */
export function isPriced({ policy, pending }: RollupState): boolean {
  const { PRIORITY_FEE } = Ordering;
  return policy.ordering === PRIORITY_FEE || pending?.policy.ordering === PRIORITY_FEE;
}
