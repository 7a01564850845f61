/**
 * F1 distribution of fees (spec staking C1). A block's part for stakers goes into one index of rewards per
 * unit of power; a validator takes its part when something about it changes, and a delegator when its
 * delegation changes or it asks. So a block costs the same however many there are of either.
 *
 * Nothing is created or lost by rounding: the `rewards` pool times 10^18 is always, exactly, the sum of what
 * validators have outstanding, what they have yet to take from the index, and the index's remainder.
 */
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type {
  RollupRevenueState,
  ValidatorRewardsState,
} from "../../../proto/codec/distribution-state.ts";
import type { DelegationState, ValidatorState } from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { bpsOf, DECIMAL_ONE, mulDown, toDecimal, wholeDown } from "../staking/decimal.ts";
import { tokensOf } from "../staking/shares.ts";
import {
  DELEGATIONS,
  delegationKey,
  EPOCH,
  REVENUE,
  VALIDATOR_REWARDS,
  VALIDATORS,
} from "../state/tables.ts";
import { commissionEvent, feesEvent, rewardsEvent } from "./events.ts";
import {
  addReference,
  addSlash,
  dropReference,
  movePeriod,
  ratioAt,
  removePeriods,
  slashesAfter,
  startPeriods,
} from "./periods.ts";
import { addToIndex, giveRounding, rewardsIndex } from "./rewards-index.ts";
import { withdrawAddress } from "./withdraw-address.ts";

/** Fees of a block. */
export interface BlockFees {
  /** Consensus address of the block's proposer, 40 hex. */
  readonly proposer: string;
  /** nweft, all of it in the fee pool. */
  readonly fees: bigint;
  /** nweft of it that transactions with data of a rollup paid, by rollup id. */
  readonly rollupFees: ReadonlyMap<string, bigint>;
}

/**
 * Splits a block's fees, at its end and before powers change: by parameters to the rollups whose data paid,
 * the proposer's validator and the community; what is left, rounding included, to all stake by power.
 * While no validator has power it goes to the community.
 */
export function allocateFees(ctx: StakingContext, { proposer, fees, rollupFees }: BlockFees): void {
  if (fees === 0n) return;
  const { params } = ctx;
  const toRollups = accrueRevenue(ctx, rollupFees);
  const proposerEarns = ctx.records.get(VALIDATOR_REWARDS, proposer) !== undefined;
  const toProposer = proposerEarns ? bpsOf(fees, params.feeProposerBps) : 0n;
  const communityPart = bpsOf(fees, params.feeCommunityBps);
  const rest = fees - toRollups - toProposer - communityPart;
  assert(rest >= 0n, "parts of the fees are no more than the fees");
  const power = ctx.records.get(EPOCH, "")?.activePower ?? 0n;
  const toStakers = power > 0n ? rest : 0n;
  const toCommunity = communityPart + rest - toStakers;

  ctx.move("feePool", "rollupRevenue", toRollups);
  ctx.move("feePool", "rewards", toProposer + toStakers);
  ctx.move("feePool", "community", toCommunity);
  if (toProposer > 0n) creditValidator(ctx, proposer, toProposer);
  if (toStakers > 0n) addToIndex(ctx, toStakers, power);
  ctx.emit(feesEvent({ proposer, fees, toRollups, toProposer, toCommunity, toStakers }));
}

/** Gives nweft that the `rewards` pool has received to one validator that earns rewards, commission first. */
export function creditValidator(ctx: StakingContext, validator: string, amount: bigint): void {
  const { state, rewards } = settled(ctx, validator);
  ctx.records.set(VALIDATOR_REWARDS, validator, credit(state, rewards, toDecimal(amount)));
}

/**
 * Begins the rewards of a new validator, whose own record is there and has no power, before its first
 * delegation. `validator` and `delegator` are 40 lower-case hex characters, here and below.
 */
export function startValidator(ctx: StakingContext, validator: string): void {
  assert(
    ctx.records.get(VALIDATOR_REWARDS, validator) === undefined,
    "a validator's rewards begin once",
  );
  startPeriods(ctx, validator);
  ctx.records.set(VALIDATOR_REWARDS, validator, {
    perPower: rewardsIndex(ctx).perPower,
    period: 1,
    current: 0n,
    commission: 0n,
    outstanding: 0n,
  });
}

/** Takes the validator's part of the index up to now: before its power or its commission's rate changes. */
export function settleValidator(ctx: StakingContext, validator: string): void {
  setRewards(ctx, validator, settled(ctx, validator).rewards);
}

/**
 * Before shares or tokens of a delegation change, also of one that is about to begin: pays out what it has
 * earned, to the delegator's withdraw address, and ends the period with the tokens as they are, so that
 * nobody shares in the past. `afterDelegationChange` has to follow.
 */
export function beforeDelegationChange(
  ctx: StakingContext,
  validator: string,
  delegator: string,
): void {
  const ended = endPeriod(ctx, validator);
  const delegation = ctx.records.get(DELEGATIONS, delegationKey(validator, delegator));
  if (delegation === undefined) return;
  const { state, rewards } = settled(ctx, validator);
  const earned = rewardsOf(ctx, validator, {
    state,
    delegation,
    endRatio: ratioAt(ctx, validator, ended),
  });
  const amount = wholeDown(earned);
  // What is less than 1 nweft is for the delegators of the next period.
  setRewards(ctx, validator, {
    ...rewards,
    current: rewards.current + earned - toDecimal(amount),
    outstanding: lessPaid(rewards, amount),
  });
  dropReference(ctx, validator, delegation.period);
  if (amount === 0n) return;
  const recipient = withdrawAddress(ctx, delegator);
  ctx.pay("rewards", recipient, amount);
  ctx.emit(rewardsEvent({ validator, delegator, recipient, amount }));
}

/** After the change: the delegation earns from here on with the stake that it has now. No-op if it is gone. */
export function afterDelegationChange(
  ctx: StakingContext,
  validator: string,
  delegator: string,
): void {
  const key = delegationKey(validator, delegator);
  const delegation = ctx.records.get(DELEGATIONS, key);
  if (delegation === undefined) return;
  const { state, rewards } = settled(ctx, validator);
  const period = rewards.period - 1;
  addReference(ctx, validator, period);
  ctx.records.set(DELEGATIONS, key, {
    ...delegation,
    period,
    stake: tokensOf(state, delegation.shares),
  });
}

/**
 * Before tokens of the validator are burned. `fraction`: the part of its tokens that is lost, a decimal,
 * rounded up: stakes that are reduced by it never exceed what shares are worth.
 */
export function recordSlash(ctx: StakingContext, validator: string, fraction: bigint): void {
  assert(fraction >= 0n && fraction <= DECIMAL_ONE, "a slash takes a part of what there is");
  if (fraction === 0n) return;
  const period = endPeriod(ctx, validator, "always");
  addSlash(ctx, validator, { period, fraction });
}

/**
 * Ends the rewards of a validator that nobody delegates to any more and that has no power; its own record
 * is still there. The commission goes to the operator's withdraw address, what rounding left to the community.
 */
export function removeValidator(ctx: StakingContext, validator: string): void {
  endPeriod(ctx, validator);
  const { state, rewards } = settled(ctx, validator);
  assert(
    state.shares === 0n && state.power === 0n,
    "a validator that is removed has nobody's stake",
  );
  const commission = wholeDown(rewards.commission);
  giveRounding(ctx, lessPaid(rewards, commission));
  removePeriods(ctx, validator, rewards.period - 1);
  ctx.records.set(VALIDATOR_REWARDS, validator, undefined);
  payOperator(ctx, validator, state, commission);
}

/** Pays the operator what the commission is in whole nweft; the rest stays. */
export function payCommission(ctx: StakingContext, validator: string): void {
  const { state, rewards } = settled(ctx, validator);
  const amount = wholeDown(rewards.commission);
  setRewards(ctx, validator, {
    ...rewards,
    commission: rewards.commission - toDecimal(amount),
    outstanding: lessPaid(rewards, amount),
  });
  payOperator(ctx, validator, state, amount);
}

/** nweft that a withdrawal would pay now; 0 for a delegation that is not there. For queries. */
export function pendingRewards(ctx: StakingReader, validator: string, delegator: string): bigint {
  const delegation = ctx.records.get(DELEGATIONS, delegationKey(validator, delegator));
  if (delegation === undefined) return 0n;
  const { state, rewards } = settled(ctx, validator);
  const endRatio = ratioAt(ctx, validator, rewards.period - 1) + perToken(state, rewards);
  return wholeDown(rewardsOf(ctx, validator, { state, delegation, endRatio }));
}

/** nweft of commission that its operator may withdraw now; 0 for an unknown validator. For queries. */
export function pendingCommission(ctx: StakingReader, validator: string): bigint {
  if (ctx.records.get(VALIDATORS, validator) === undefined) return 0n;
  return wholeDown(settled(ctx, validator).rewards.commission);
}

/** Of a rollup that has earned nothing. */
export const NO_REVENUE: RollupRevenueState = {
  accrued: 0n,
  claimed: 0n,
  auction: 0n,
  tips: 0n,
  lastHeight: Height(0),
};

/** Adds the rollups' parts to what they have accrued; returns their sum. */
function accrueRevenue(ctx: StakingContext, rollupFees: ReadonlyMap<string, bigint>): bigint {
  let sum = 0n;
  for (const [rollupId, paid] of rollupFees) {
    const part = bpsOf(paid, ctx.params.feeRollupBps);
    if (part === 0n) continue;
    const before = ctx.records.get(REVENUE, rollupId) ?? NO_REVENUE;
    const accrued = before.accrued + part;
    ctx.records.set(REVENUE, rollupId, { ...before, accrued, lastHeight: Height(ctx.height) });
    sum += part;
  }
  return sum;
}

/** A decimal amount for one validator, commission first. */
function credit(
  { commission }: ValidatorState,
  rewards: ValidatorRewardsState,
  earned: bigint,
): ValidatorRewardsState {
  const commissionPart = bpsOf(earned, commission.rateBps);
  return {
    ...rewards,
    current: rewards.current + earned - commissionPart,
    commission: rewards.commission + commissionPart,
    outstanding: rewards.outstanding + earned,
  };
}

interface Settled {
  readonly state: ValidatorState;
  readonly rewards: ValidatorRewardsState;
}

/** The validator and its rewards with its part of the index; the record itself when there is none. */
function settled(ctx: StakingReader, validator: string): Settled {
  const state = ctx.records.get(VALIDATORS, validator);
  const rewards = ctx.records.get(VALIDATOR_REWARDS, validator);
  assert(
    state !== undefined && rewards !== undefined,
    `validator ${validator} has a record, and one of its rewards`,
  );
  const { perPower } = rewardsIndex(ctx);
  if (perPower === rewards.perPower) return { state, rewards };
  const earned = state.power * (perPower - rewards.perPower);
  return { state, rewards: { ...credit(state, rewards, earned), perPower } };
}

/**
 * Ends the period under way and returns the one that ended last: what was earned in it belongs to the
 * tokens of now. A period in which nobody earned anything goes on, unless told to end `always`.
 */
function endPeriod(ctx: StakingContext, validator: string, when?: "always"): number {
  const { state, rewards: before } = settled(ctx, validator);
  let rewards = before;
  if (state.tokens === 0n) {
    // Nobody to give it to.
    giveRounding(ctx, rewards.current);
    rewards = { ...rewards, current: 0n, outstanding: rewards.outstanding - rewards.current };
  }
  const gain = perToken(state, rewards);
  const { period } = rewards;
  if (gain === 0n && when !== "always") {
    setRewards(ctx, validator, rewards);
    return period - 1;
  }
  movePeriod(ctx, validator, { period, ratio: ratioAt(ctx, validator, period - 1) + gain });
  setRewards(ctx, validator, {
    ...rewards,
    period: period + 1,
    current: rewards.current - gain * state.tokens,
  });
  return period;
}

function setRewards(ctx: StakingContext, validator: string, rewards: ValidatorRewardsState): void {
  if (ctx.records.get(VALIDATOR_REWARDS, validator) === rewards) return;
  ctx.records.set(VALIDATOR_REWARDS, validator, rewards);
}

/** Decimal nweft for each token when the period ends now; what does not divide stays in the next one. */
function perToken({ tokens }: ValidatorState, { current }: ValidatorRewardsState): bigint {
  return tokens === 0n ? 0n : current / tokens;
}

/** Decimal nweft that a delegation has earned by the time that the ratio is `endRatio`. */
function rewardsOf(
  ctx: StakingReader,
  validator: string,
  {
    state,
    delegation,
    endRatio,
  }: {
    readonly state: ValidatorState;
    readonly delegation: DelegationState;
    readonly endRatio: bigint;
  },
): bigint {
  let { stake } = delegation;
  let from = ratioAt(ctx, validator, delegation.period);
  let earned = 0n;
  for (const { period, fraction } of slashesAfter(ctx, validator, delegation.period)) {
    const to = ratioAt(ctx, validator, period);
    earned += stake * (to - from);
    stake = mulDown(stake, DECIMAL_ONE - fraction);
    from = to;
  }
  // Shares buy rounded down, leave rounded up and are slashed by no more than `fraction`.
  assert(
    stake <= tokensOf(state, delegation.shares),
    "nobody earns with more stake than its shares are worth",
  );
  return earned + stake * (endRatio - from);
}

function lessPaid({ outstanding }: ValidatorRewardsState, amount: bigint): bigint {
  const left = outstanding - toDecimal(amount);
  assert(left >= 0n, "nobody withdraws more than the validator has earned");
  return left;
}

function payOperator(
  ctx: StakingContext,
  validator: string,
  { operator }: ValidatorState,
  amount: bigint,
): void {
  if (amount === 0n) return;
  const recipient = withdrawAddress(ctx, toHex(operator));
  ctx.pay("rewards", recipient, amount);
  ctx.emit(commissionEvent({ validator, recipient, amount }));
}
