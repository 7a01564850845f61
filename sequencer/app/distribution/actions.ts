/** Actions that move rewards, commission and revenue to whom they belong. `sender`: 40 hex. */
import { copyBytes, toHex } from "../../../proto/bytes.ts";
import type {
  ClaimRollupRevenue,
  FundCommunity,
  SetWithdrawAddress,
  WithdrawCommission,
  WithdrawRewards,
} from "../../../proto/codec/staking-tx.ts";
import { type Failure, failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { DELEGATIONS, delegationKey, REVENUE, VALIDATORS, WITHDRAW } from "../state/tables.ts";
import { communityEvent, revenueEvent, withdrawAddressEvent } from "./events.ts";
import { afterDelegationChange, beforeDelegationChange, payCommission } from "./rewards.ts";
import { operatorFault } from "../staking/validator-records.ts";

export function withdrawRewardsFault(
  ctx: StakingReader,
  sender: string,
  action: WithdrawRewards,
): Failure | undefined {
  const validator = toHex(action.validator);
  if (ctx.records.get(VALIDATORS, validator) === undefined) {
    return failure("VALIDATOR_UNKNOWN", validator);
  }
  if (ctx.records.get(DELEGATIONS, delegationKey(validator, sender)) !== undefined) {
    return undefined;
  }
  return failure("DELEGATION_UNKNOWN", `of this account to ${validator}`);
}

/** Pays what the sender's delegation has earned, in whole nweft; 0 is no fault. */
export function withdrawRewards(
  ctx: StakingContext,
  sender: string,
  action: WithdrawRewards,
): void {
  const validator = toHex(action.validator);
  beforeDelegationChange(ctx, validator, sender);
  afterDelegationChange(ctx, validator, sender);
}

export function withdrawCommissionFault(
  ctx: StakingReader,
  sender: string,
  action: WithdrawCommission,
): Failure | undefined {
  return operatorFault(ctx, sender, toHex(action.validator));
}

/** Pays the validator's commission, in whole nweft; 0 is no fault. */
export function withdrawCommission(
  ctx: StakingContext,
  _sender: string,
  action: WithdrawCommission,
): void {
  payCommission(ctx, toHex(action.validator));
}

/** Any account may send its rewards to any other; there is nothing to refuse. */
export function setWithdrawAddressFault(
  _ctx: StakingReader,
  _sender: string,
  _action: SetWithdrawAddress,
): Failure | undefined {
  return undefined;
}

export function setWithdrawAddress(
  ctx: StakingContext,
  sender: string,
  action: SetWithdrawAddress,
): void {
  const address = toHex(action.address);
  // An account's own address is what it has without a record.
  const record = address === sender ? undefined : { address: copyBytes(action.address) };
  ctx.records.set(WITHDRAW, sender, record);
  ctx.emit(withdrawAddressEvent(sender, address));
}

export function fundCommunityFault(
  ctx: StakingReader,
  sender: string,
  { amount }: FundCommunity,
): Failure | undefined {
  if (amount < 1n) return failure("COMMUNITY_AMOUNT", `expected at least 1 nweft, got ${amount}`);
  const balance = ctx.balance(sender);
  if (balance >= amount) return undefined;
  return failure("COMMUNITY_FUNDS", `${balance} nweft are left, ${amount} are needed`);
}

export function fundCommunity(
  ctx: StakingContext,
  sender: string,
  { amount }: FundCommunity,
): void {
  ctx.collect(sender, "community", amount);
  ctx.emit(communityEvent(sender, amount));
}

export function claimRollupRevenueFault(
  ctx: StakingReader,
  sender: string,
  action: ClaimRollupRevenue,
): Failure | undefined {
  const rollupId = toHex(action.rollupId);
  const owner = ctx.rollupOwner(rollupId);
  if (owner === undefined) return failure("ROLLUP_UNKNOWN", rollupId);
  if (owner !== sender) return failure("REVENUE_NOT_OWNER", rollupId);
  return unclaimedRevenue(ctx, rollupId) > 0n ? undefined : failure("REVENUE_NONE", rollupId);
}

export function claimRollupRevenue(
  ctx: StakingContext,
  sender: string,
  action: ClaimRollupRevenue,
): void {
  const rollupId = toHex(action.rollupId);
  const amount = unclaimedRevenue(ctx, rollupId);
  const revenue = ctx.records.get(REVENUE, rollupId);
  if (revenue === undefined) return;
  ctx.records.set(REVENUE, rollupId, { ...revenue, claimed: revenue.accrued });
  ctx.pay("rollupRevenue", sender, amount);
  ctx.emit(revenueEvent(rollupId, sender, amount));
}

/** nweft that the rollup's owner may claim. */
export function unclaimedRevenue(ctx: StakingReader, rollupId: string): bigint {
  const revenue = ctx.records.get(REVENUE, rollupId);
  return revenue === undefined ? 0n : revenue.accrued - revenue.claimed;
}
