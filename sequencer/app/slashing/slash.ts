/**
 * Stake that is lost (spec staking C1, with the token budget of C2). What is owed is a part of the power at
 * the infraction; it is taken first from what has left the validator since and answers for it still, then
 * from the validator's tokens. Never more than is owed, and all of it when there is enough.
 */
import { toHex } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { recordSlash } from "../distribution/rewards.ts";
import type { StakingContext } from "../staking/context.ts";
import { bpsOf, divUp } from "../staking/decimal.ts";
import { POWER_REDUCTION } from "../staking/limits.ts";
import {
  delegatedTokens,
  poolOf,
  requireValidator,
  updateValidator,
} from "../staking/validator-records.ts";
import { leftStake, shareOut, takeLeftStake } from "./left-stake.ts";
import { SlashedFunds } from "./slashed-funds.ts";

export interface Slash {
  /** Consensus address, 40 lower-case hex characters. */
  readonly validator: string;
  readonly infractionHeight: number;
  /** In the set at the infraction; its tokens are what the fraction is of. */
  readonly power: bigint;
  /** Basis points. */
  readonly fractionBps: number;
  /** Name of the route or rule, for the event. */
  readonly reason: string;
  /** Account that gets a part of what is cut, 40-hex; nobody without it. */
  readonly reporter?: string | undefined;
}

/** nweft; what is burned and the reward together are what was cut. */
export interface SlashOutcome {
  readonly burned: bigint;
  readonly reward: bigint;
}

/**
 * Takes the fraction from all stake that stood behind the validator at the infraction, and a little from
 * what joined since, as everywhere (spec staking C1). Burns it, less the reporter's reward.
 */
export function slash(ctx: StakingContext, order: Slash): SlashOutcome {
  const { validator, infractionHeight, power, fractionBps, reporter } = order;
  const owed = bpsOf(power * POWER_REDUCTION, fractionBps);
  const operator = toHex(requireValidator(ctx, validator).operator);
  const funds = new SlashedFunds(operator);

  const left = leftStake(ctx, validator, infractionHeight, fractionBps);
  const cuts = shareOut(left, owed);
  for (const [at, one] of left.entries()) takeLeftStake(ctx, one, cuts[at] ?? 0n, funds);
  cutTokens(ctx, validator, owed - funds.cut, funds);
  assert(funds.cut <= owed, "a slash takes no more than is owed");

  const reward = reporter === undefined ? 0n : rewardOf(ctx, reporter, funds);
  if (reporter !== undefined) funds.pay(ctx, reporter, reward);
  const burned = funds.burnRest(ctx);
  ctx.emit(
    event("slash", [
      indexed("validator", validator.toUpperCase()),
      indexed("reason", order.reason),
      plain("height", String(infractionHeight)),
      plain("power", String(power)),
      plain("fraction_bps", String(fractionBps)),
      plain("owed", String(owed)),
      plain("burned", String(burned)),
      plain("reward", String(reward)),
    ]),
  );
  return { burned, reward };
}

/** Takes up to `amount` nweft from the validator's tokens: all its delegations lose alike. */
function cutTokens(
  ctx: StakingContext,
  validator: string,
  amount: bigint,
  funds: SlashedFunds,
): void {
  const { tokens } = requireValidator(ctx, validator);
  const cut = amount < tokens ? amount : tokens;
  if (cut === 0n) return;
  const before = delegatedTokens(ctx, validator, funds.operator);
  // Rewards up to here were earned by the whole stake. Rounded up: no delegation is held for more than it has.
  recordSlash(ctx, validator, divUp(cut, tokens));
  const state = requireValidator(ctx, validator);
  updateValidator(ctx, validator, { tokens: tokens - cut });
  funds.add(poolOf(state), cut);
  funds.addOperatorLoss(before - delegatedTokens(ctx, validator, funds.operator));
}

/**
 * A part of what is cut, up to a cap, and never more than the operator itself has lost: who signs twice on
 * purpose and reports it from another account must not earn with the stake of its delegators.
 */
function rewardOf(ctx: StakingContext, reporter: string, funds: SlashedFunds): bigint {
  if (reporter === funds.operator) return 0n;
  const { whistleblowerBps, whistleblowerRewardMax } = ctx.params;
  const part = bpsOf(funds.cut, whistleblowerBps);
  const capped = part < whistleblowerRewardMax ? part : whistleblowerRewardMax;
  return capped < funds.operatorLoss ? capped : funds.operatorLoss;
}
