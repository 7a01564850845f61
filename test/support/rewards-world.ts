/**
 * Validators and delegations for tests of rewards alone: what staking and slashing do to records, without
 * queues, epochs and limits. Bookkeeping of tokens is that of `shares.ts`.
 */
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { BondStatus, type ValidatorState } from "../../proto/codec/staking-state.ts";
import { assert } from "../../proto/errors.ts";
import {
  afterDelegationChange,
  beforeDelegationChange,
  pendingCommission,
  pendingRewards,
  recordSlash,
  removeValidator,
  settleValidator,
  startValidator,
} from "../../sequencer/app/distribution/rewards.ts";
import { rewardsIndex } from "../../sequencer/app/distribution/rewards-index.ts";
import { divUp, toDecimal } from "../../sequencer/app/staking/decimal.ts";
import {
  isWorthless,
  sharesOf,
  sharesToRemove,
  tokensOf,
} from "../../sequencer/app/staking/shares.ts";
import {
  DELEGATIONS,
  delegationKey,
  EPOCH,
  RATIOS,
  ratioKey,
  SLASHES,
  VALIDATOR_REWARDS,
  VALIDATORS,
} from "../../sequencer/app/state/tables.ts";
import type { TestStakingContext } from "./staking-context.ts";
import { newValidator } from "../../sequencer/app/staking/validator-records.ts";

/** 40 hex characters that end with `name` in hex: "a1". */
export function testAddress(name: string): string {
  return name.padStart(40, "0");
}

export interface RewardsWorld {
  /** A validator without delegations and power. */
  create(
    validator: string,
    options: { readonly operator: string; readonly rateBps?: number },
  ): void;
  setPower(validator: string, power: bigint): void;
  setRate(validator: string, rateBps: number): void;
  delegate(validator: string, delegator: string, amount: bigint): void;
  /** Takes out `amount`, or all that the delegation is worth if that is less; returns it. */
  undelegate(validator: string, delegator: string, amount: bigint): bigint;
  /** Burns `amount` of the validator's tokens. */
  slash(validator: string, amount: bigint): void;
  remove(validator: string): void;
  /** Fails unless the `rewards` pool covers, exactly, what everybody has earned. */
  checkRewards(): void;
  /** Records of periods that exist, and the sum of their references. */
  periods(validator: string): { readonly records: number; readonly references: number };
  /** What references must add up to: the period under way, each delegation, each slash. */
  expectedReferences(validator: string): number;
}

export function createRewardsWorld(ctx: TestStakingContext): RewardsWorld {
  const { records } = ctx;
  const validators = new Set<string>();
  const delegators = new Set<string>();

  const state = (validator: string): ValidatorState => {
    const found = records.get(VALIDATORS, validator);
    assert(found !== undefined, `validator ${validator} is there`);
    return found;
  };
  const update = (validator: string, changes: Partial<ValidatorState>): void =>
    records.set(VALIDATORS, validator, { ...state(validator), ...changes });

  return {
    create(validator, { operator, rateBps = 0 }) {
      validators.add(validator);
      records.set(VALIDATORS, validator, emptyValidator(operator, rateBps));
      startValidator(ctx, validator);
    },

    setPower(validator, power) {
      settleValidator(ctx, validator);
      update(validator, { power });
      let activePower = 0n;
      for (const one of validators) activePower += records.get(VALIDATORS, one)?.power ?? 0n;
      records.set(EPOCH, "", {
        number: 0,
        startHeight: Height(1),
        length: 1,
        nextSetSize: 1,
        followingSetSize: 1,
        activePower,
      });
    },

    setRate(validator, rateBps) {
      settleValidator(ctx, validator);
      update(validator, { commission: { ...state(validator).commission, rateBps } });
    },

    delegate(validator, delegator, amount) {
      delegators.add(delegator);
      beforeDelegationChange(ctx, validator, delegator);
      const before = state(validator);
      assert(!isWorthless(before), "a worthless validator takes no delegation");
      const key = delegationKey(validator, delegator);
      const bought = sharesOf(before, amount);
      const held = records.get(DELEGATIONS, key) ?? { shares: 0n, period: 0, stake: 0n };
      records.set(DELEGATIONS, key, { ...held, shares: held.shares + bought });
      update(validator, { tokens: before.tokens + amount, shares: before.shares + bought });
      afterDelegationChange(ctx, validator, delegator);
    },

    undelegate(validator, delegator, amount) {
      const key = delegationKey(validator, delegator);
      const held = records.get(DELEGATIONS, key);
      if (held === undefined) return 0n;
      beforeDelegationChange(ctx, validator, delegator);
      const before = state(validator);
      const sold = sharesToRemove(before, held.shares, amount);
      const tokens = tokensOf(before, sold);
      const shares = held.shares - sold;
      records.set(DELEGATIONS, key, shares === 0n ? undefined : { ...held, shares });
      update(validator, { tokens: before.tokens - tokens, shares: before.shares - sold });
      afterDelegationChange(ctx, validator, delegator);
      return tokens;
    },

    slash(validator, amount) {
      const { tokens } = state(validator);
      recordSlash(ctx, validator, divUp(amount, tokens));
      update(validator, { tokens: tokens - amount });
    },

    remove(validator) {
      removeValidator(ctx, validator);
      records.set(VALIDATORS, validator, undefined);
    },

    checkRewards() {
      const { perPower, remainder } = rewardsIndex(ctx);
      let owed = remainder;
      for (const validator of validators) {
        const rewards = records.get(VALIDATOR_REWARDS, validator);
        if (rewards === undefined) continue;
        const { power } = state(validator);
        const notTaken = power * (perPower - rewards.perPower);
        owed += rewards.outstanding + notTaken;
        let withdrawable = toDecimal(pendingCommission(ctx, validator));
        for (const delegator of delegators) {
          withdrawable += toDecimal(pendingRewards(ctx, validator, delegator));
        }
        assert(
          withdrawable <= rewards.outstanding + notTaken,
          `${withdrawable} may be withdrawn of ${rewards.outstanding + notTaken}`,
        );
      }
      const pool = toDecimal(ctx.pool("rewards"));
      assert(owed === pool, `the rewards pool holds ${pool}, ${owed} is owed`);
      ctx.checkSupply();
    },

    periods(validator) {
      let count = 0;
      let references = 0;
      const { period } = records.get(VALIDATOR_REWARDS, validator) ?? { period: 0 };
      for (let at = 0; at < period; at++) {
        const ratio = records.get(RATIOS, ratioKey(validator, at));
        if (ratio === undefined) continue;
        count++;
        references += ratio.references;
      }
      return { records: count, references };
    },

    expectedReferences(validator) {
      let count = 1 + records.keys(SLASHES, `${validator}/`).length;
      for (const delegator of delegators) {
        if (records.get(DELEGATIONS, delegationKey(validator, delegator)) !== undefined) count++;
      }
      return count;
    },
  };
}

function emptyValidator(operator: string, rateBps: number): ValidatorState {
  return newValidator({
    applicationKey: new Uint8Array(32),
    consensusKey: new Uint8Array(32),
    operator: fromHex(operator),
    status: BondStatus.BONDED,
    minSelfDelegation: 1n,
    commission: { rateBps, maxRateBps: 10_000, maxChangeBps: 10_000, changedSeconds: 0 },
    description: { moniker: "", website: "", details: "" },
    createdHeight: Height(1),
    applicationKeySince: Height(1),
  });
}
