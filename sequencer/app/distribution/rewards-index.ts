import type { RewardsIndexState } from "../../../proto/codec/distribution-state.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { toDecimal, wholeDown } from "../staking/decimal.ts";
import { REWARDS_INDEX } from "../state/tables.ts";

const START: RewardsIndexState = { perPower: 0n, remainder: 0n };

export function rewardsIndex(ctx: StakingReader): RewardsIndexState {
  return ctx.records.get(REWARDS_INDEX, "") ?? START;
}

/** Divides nweft that the `rewards` pool has received by `power`, above 0: so much for each unit of it. */
export function addToIndex(ctx: StakingContext, amount: bigint, power: bigint): void {
  const { perPower, remainder } = rewardsIndex(ctx);
  const shared = toDecimal(amount) + remainder;
  const gain = shared / power;
  ctx.records.set(REWARDS_INDEX, "", {
    perPower: perPower + gain,
    remainder: shared - gain * power,
  });
}

/**
 * Takes a decimal amount of the `rewards` pool that is nobody's any more: whole nweft go to the community,
 * what is less waits in the index's remainder.
 */
export function giveRounding(ctx: StakingContext, amount: bigint): void {
  if (amount === 0n) return;
  const { perPower, remainder } = rewardsIndex(ctx);
  const whole = wholeDown(remainder + amount);
  ctx.records.set(REWARDS_INDEX, "", {
    perPower,
    remainder: remainder + amount - toDecimal(whole),
  });
  ctx.move("rewards", "community", whole);
}
