/**
 * Conservation of rewards (staking invariants S12 and S13): whatever the order of delegations, slashes and
 * withdrawals, what is allocated is what can be withdrawn, and rounding; exactly.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assert } from "../../proto/errors.ts";
import {
  afterDelegationChange,
  allocateFees,
  beforeDelegationChange,
  payCommission,
  pendingCommission,
  pendingRewards,
} from "../../sequencer/app/distribution/rewards.ts";
import { REVENUE, VALIDATORS } from "../../sequencer/app/state/tables.ts";
import { createRewardsWorld, type RewardsWorld, testAddress } from "../support/rewards-world.ts";
import { createStakingContext, type TestStakingContext } from "../support/staking-context.ts";

const VALIDATOR_NAMES = ["a1", "a2", "a3"].map(testAddress);
const DELEGATORS = ["01", "02", "03", "04", "05"].map(testAddress);
const ROLLUPS = ["11".repeat(32), "22".repeat(32)];
const operatorOf = (validator: string): string => `f${validator.slice(1)}`;

type Command =
  | {
      readonly kind: "block";
      readonly fees: bigint;
      readonly rollupPart: number;
      readonly by: string;
    }
  | {
      readonly kind: "delegate" | "undelegate";
      readonly validator: string;
      readonly delegator: string;
      readonly amount: bigint;
    }
  | { readonly kind: "slash"; readonly validator: string; readonly bps: number }
  | { readonly kind: "power"; readonly validator: string; readonly power: bigint }
  | { readonly kind: "rate"; readonly validator: string; readonly bps: number }
  | { readonly kind: "withdraw"; readonly validator: string; readonly delegator: string }
  | { readonly kind: "commission"; readonly validator: string };

const validator = fc.constantFrom(...VALIDATOR_NAMES);
const delegator = fc.constantFrom(...DELEGATORS);
/** Small amounts, in which rounding is large, and those of a real chain. */
const amount = fc.oneof(fc.bigInt({ min: 1n, max: 20n }), fc.bigInt({ min: 1n, max: 10n ** 15n }));

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("block" as const),
    fees: fc.oneof(amount, fc.constant(0n)),
    rollupPart: fc.nat(10_000),
    by: validator,
  }),
  fc.record({ kind: fc.constantFrom("delegate" as const), validator, delegator, amount }),
  fc.record({ kind: fc.constant("undelegate" as const), validator, delegator, amount }),
  fc.record({ kind: fc.constant("slash" as const), validator, bps: fc.nat(10_000) }),
  fc.record({
    kind: fc.constant("power" as const),
    validator,
    power: fc.oneof(fc.bigInt(0n, 7n), fc.bigInt(0n, 10n ** 12n)),
  }),
  fc.record({ kind: fc.constant("rate" as const), validator, bps: fc.nat(10_000) }),
  fc.record({ kind: fc.constant("withdraw" as const), validator, delegator }),
  fc.record({ kind: fc.constant("commission" as const), validator }),
);

const params = fc
  .tuple(fc.nat(3_333), fc.nat(3_333), fc.nat(3_333))
  .map(([feeRollupBps, feeProposerBps, feeCommunityBps]) => ({
    feeRollupBps,
    feeProposerBps,
    feeCommunityBps,
  }));

function run(ctx: TestStakingContext, world: RewardsWorld, one: Command): void {
  switch (one.kind) {
    case "block": {
      const fromRollups = (one.fees * BigInt(one.rollupPart)) / 10_000n;
      const first = fromRollups / 3n;
      ctx.mintPool("feePool", one.fees);
      allocateFees(ctx, {
        proposer: one.by,
        fees: one.fees,
        rollupFees: new Map(ROLLUPS.map((id, at) => [id, at === 0 ? first : fromRollups - first])),
      });
      return;
    }
    case "delegate": {
      const stake = ctx.records.get(VALIDATORS, one.validator);
      if (stake === undefined || (stake.tokens === 0n && stake.shares > 0n)) return;
      // Fewer tokens than buy a share: refused by staking.
      if (stake.shares > 0n && (stake.shares * one.amount) / stake.tokens === 0n) return;
      const before = [...DELEGATORS].map((other) => pendingRewards(ctx, one.validator, other));
      world.delegate(one.validator, one.delegator, one.amount);
      assert(pendingRewards(ctx, one.validator, one.delegator) === 0n, "nothing of the past");
      for (const [at, other] of DELEGATORS.entries()) {
        if (other === one.delegator) continue;
        const now = pendingRewards(ctx, one.validator, other);
        assert(now >= (before[at] ?? 0n), "nobody else loses by it");
      }
      return;
    }
    case "undelegate":
      world.undelegate(one.validator, one.delegator, one.amount);
      return;
    case "slash": {
      const { tokens } = ctx.records.get(VALIDATORS, one.validator) ?? { tokens: 0n };
      const burned = (tokens * BigInt(one.bps)) / 10_000n;
      if (burned > 0n) world.slash(one.validator, burned);
      return;
    }
    case "power":
      world.setPower(one.validator, one.power);
      return;
    case "rate":
      world.setRate(one.validator, one.bps);
      return;
    case "withdraw":
      withdraw(ctx, one.validator, one.delegator);
      return;
    case "commission":
      payCommission(ctx, one.validator);
      assert(pendingCommission(ctx, one.validator) === 0n, "all of it is paid");
      return;
  }
}

function withdraw(ctx: TestStakingContext, from: string, to: string): void {
  const due = pendingRewards(ctx, from, to);
  const before = ctx.balance(to);
  beforeDelegationChange(ctx, from, to);
  afterDelegationChange(ctx, from, to);
  assert(ctx.balance(to) - before === due, "a withdrawal pays what the query says");
  const again = ctx.balance(to);
  beforeDelegationChange(ctx, from, to);
  afterDelegationChange(ctx, from, to);
  // What all left below 1 nweft may have added up to one more.
  assert(ctx.balance(to) - again <= 1n, "a second one pays nothing new");
}

describe("rewards", () => {
  test("property: what is allocated is what can be withdrawn, and rounding, exactly", () => {
    fc.assert(
      fc.property(
        params,
        fc.array(command, { minLength: 1, maxLength: 60 }),
        fc.shuffledSubarray([...DELEGATORS], { minLength: DELEGATORS.length }),
        (fees, commands, leaving) => {
          const ctx = createStakingContext({ params: fees });
          const world = createRewardsWorld(ctx);
          for (const name of VALIDATOR_NAMES) world.create(name, { operator: operatorOf(name) });
          for (const one of commands) {
            run(ctx, world, one);
            world.checkRewards();
            for (const name of VALIDATOR_NAMES) {
              expect(world.periods(name).references).toBe(world.expectedReferences(name));
            }
          }
          const allocated = ctx.total;

          for (const name of VALIDATOR_NAMES) {
            for (const one of leaving) world.undelegate(name, one, 10n ** 18n);
            world.setPower(name, 0n);
            world.remove(name);
            world.checkRewards();
          }
          const paid = [...DELEGATORS, ...VALIDATOR_NAMES.map(operatorOf)]
            .map((address) => ctx.balance(address))
            .reduce((sum, one) => sum + one, 0n);
          const revenue = ROLLUPS.map((id) => ctx.records.get(REVENUE, id)?.accrued ?? 0n);
          expect(ctx.pool("rollupRevenue")).toBe(revenue.reduce((sum, one) => sum + one, 0n));
          expect(ctx.pool("rewards"), "only what is less than 1 nweft waits").toBe(0n);
          expect(paid + ctx.pool("community") + ctx.pool("rollupRevenue")).toBe(allocated);
        },
      ),
      { numRuns: 300 },
    );
  });
});
