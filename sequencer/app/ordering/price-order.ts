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
  rollup(rollupId: string): RollupState | undefined;
}

/** P10: why the DEFAULT lane of a block does not do what rollups with PRIORITY_FEE ask for, or undefined. */
export function priceOrderFault(
  items: readonly PlacedItem[],
  state: PolicyReader,
  { height, baseFeePerByte }: Pick<TxTerms, "height" | "baseFeePerByte">,
): Refusal<"ORDER_PRIORITY"> | undefined {
  const known = new Map<string, boolean>();
  const ordersByPrice = (rollupId: string): boolean => {
    let answer = known.get(rollupId);
    if (answer === undefined) {
      const rollup = state.rollup(rollupId);
      answer =
        rollup !== undefined && policyAt(rollup, Height(height)).ordering === Ordering.PRIORITY_FEE;
      known.set(rollupId, answer);
    }
    return answer;
  };
  const isPriority = ({ tx, rollupId }: DecodedTx): boolean =>
    tx.body.action.kind === "rollupData" && ordersByPrice(rollupId);

  const inDefault: DecodedTx[] = [];
  let hasPriority = false;
  for (const { use, decoded } of items) {
    if (use.lane !== Lane.DEFAULT || decoded === undefined) continue;
    inDefault.push(decoded);
    hasPriority ||= isPriority(decoded);
  }
  if (!hasPriority) return undefined;
  return priorityFault(
    inDefault.map(
      (tx): PricedItem => ({
        account: tx.sender,
        price: effectiveTip(tx.tx.body.fee, baseFeePerByte),
        id: tx.id,
        hasNonce: tx.tx.body.replay.kind === "nonce",
        isPriority: isPriority(tx),
      }),
    ),
  );
}
