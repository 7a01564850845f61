import type { StakingContext } from "../../staking/context.ts";
import { powerAt } from "../../staking/power-history.ts";
import { VALIDATORS } from "../../state/tables.ts";
import { punish } from "../../slashing/penalty.ts";

/**
 * A proposer disputed an item that opens: the content came later for nothing. Costs a small fine for each
 * item, and no jail, because a proposer's worker may have failed it. `height`: of the block that disputed.
 */
export function fineFalseDispute(ctx: StakingContext, validator: string, height: number): void {
  const state = ctx.records.get(VALIDATORS, validator);
  const power = powerAt(ctx, validator, height);
  // Removed since, or another validator under the same keys.
  if (state === undefined || power === 0n || height < state.createdHeight) return;
  punish(
    ctx,
    { validator, height, power, reason: "false-dispute" },
    { kind: "fine", fractionBps: ctx.params.sealFalseDisputeBps },
  );
}
