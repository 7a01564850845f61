import { BASIS_POINTS } from "../../../../proto/codec/weft-basics.ts";
import type { StakingContext } from "../../staking/context.ts";
import { powerAt } from "../../staking/power-history.ts";
import { VALIDATORS } from "../../state/tables.ts";
import { punish } from "../../slashing/penalty.ts";

/** Items that a proposer disputed in one block and that open. */
export interface FalseDisputes {
  /** Consensus address, 40-hex, of the proposer. */
  readonly validator: string;
  /** Of the block that disputed. */
  readonly height: number;
  /** At least 1. */
  readonly count: number;
}

/**
 * A proposer disputed what opens: the content came later for nothing. Costs a small fine for each item, all at
 * once, because a slash looks through all stake that left; and no jail, because a proposer's worker may have
 * failed it.
 */
export function fineFalseDisputes(
  ctx: StakingContext,
  { validator, height, count }: FalseDisputes,
): void {
  const state = ctx.records.get(VALIDATORS, validator);
  const power = powerAt(ctx, validator, height);
  // Removed since, or another validator under the same keys.
  if (state === undefined || power === 0n || height < state.createdHeight) return;
  punish(
    ctx,
    { validator, height, power, reason: "false-dispute" },
    {
      kind: "fine",
      fractionBps: Math.min(count * ctx.params.sealFalseDisputeBps, BASIS_POINTS),
    },
  );
}
