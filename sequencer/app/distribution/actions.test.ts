import { describe, expect, test } from "vitest";
import { fromHex } from "../../../proto/bytes.ts";
import { createRewardsWorld, testAddress } from "../../../test/support/rewards-world.ts";
import { createStakingContext } from "../../../test/support/staking-context.ts";
import { REVENUE, WITHDRAW } from "../state/tables.ts";
import {
  claimRollupRevenue,
  claimRollupRevenueFault,
  fundCommunity,
  fundCommunityFault,
  setWithdrawAddress,
  setWithdrawAddressFault,
  unclaimedRevenue,
  withdrawCommission,
  withdrawCommissionFault,
  withdrawRewards,
  withdrawRewardsFault,
} from "./actions.ts";
import { allocateFees } from "./rewards.ts";

const VALIDATOR = testAddress("a1");
const OPERATOR = testAddress("0e");
const ALICE = testAddress("01");
const BOB = testAddress("02");
const ROLLUP = "11".repeat(32);
const ZOO = "22".repeat(32);

const toRewards = { kind: "withdrawRewards", validator: fromHex(VALIDATOR) } as const;
const toCommission = { kind: "withdrawCommission", validator: fromHex(VALIDATOR) } as const;
const claim = { kind: "claimRollupRevenue", rollupId: fromHex(ROLLUP) } as const;

/** One validator with 10% commission, 100 nweft of Alice's, and 1,000 nweft of fees: 200 for a rollup. */
function setUp() {
  const ctx = createStakingContext({
    params: { feeRollupBps: 2_000, feeProposerBps: 0, feeCommunityBps: 0 },
    rollupOwners: { [ROLLUP]: BOB, [ZOO]: BOB },
  });
  const world = createRewardsWorld(ctx);
  world.create(VALIDATOR, { operator: OPERATOR, rateBps: 1_000 });
  world.delegate(VALIDATOR, ALICE, 100n);
  world.setPower(VALIDATOR, 1n);
  ctx.mintPool("feePool", 1_000n);
  const rollupFees = new Map([[ROLLUP, 1_000n]]);
  allocateFees(ctx, { proposer: VALIDATOR, fees: 1_000n, rollupFees });
  return { ctx, world };
}

describe("withdrawing", () => {
  test("behavior: pays the delegator and says so", () => {
    const { ctx } = setUp();
    expect(withdrawRewardsFault(ctx, ALICE, toRewards)).toBeUndefined();
    withdrawRewards(ctx, ALICE, toRewards);
    expect(ctx.balance(ALICE)).toBe(720n);
    expect(ctx.events.at(-1)).toMatchObject({
      type: "withdraw_rewards",
      attributes: [
        { key: "validator", value: VALIDATOR.toUpperCase() },
        { key: "delegator" },
        { key: "recipient" },
        { key: "amount", value: "720" },
      ],
    });
    expect(withdrawRewardsFault(ctx, ALICE, toRewards), "0 is no fault").toBeUndefined();
    withdrawRewards(ctx, ALICE, toRewards);
    expect(ctx.balance(ALICE)).toBe(720n);
  });

  test("behavior: refuses who has no delegation, and a validator that is not there", () => {
    const { ctx } = setUp();
    expect(withdrawRewardsFault(ctx, BOB, toRewards)?.code).toBe("DELEGATION_UNKNOWN");
    const unknown = { ...toRewards, validator: fromHex(testAddress("99")) };
    expect(withdrawRewardsFault(ctx, ALICE, unknown)?.code).toBe("VALIDATOR_UNKNOWN");
  });

  test("behavior: pays commission to the operator alone", () => {
    const { ctx } = setUp();
    expect(withdrawCommissionFault(ctx, ALICE, toCommission)?.code).toBe("VALIDATOR_NOT_OPERATOR");
    const unknown = { ...toCommission, validator: fromHex(testAddress("99")) };
    expect(withdrawCommissionFault(ctx, OPERATOR, unknown)?.code).toBe("VALIDATOR_UNKNOWN");
    expect(withdrawCommissionFault(ctx, OPERATOR, toCommission)).toBeUndefined();
    withdrawCommission(ctx, OPERATOR, toCommission);
    expect(ctx.balance(OPERATOR)).toBe(80n);
  });

  test("behavior: goes to another address until it is set back", () => {
    const { ctx, world } = setUp();
    const toBob = { kind: "setWithdrawAddress", address: fromHex(BOB) } as const;
    expect(setWithdrawAddressFault(ctx, ALICE, toBob)).toBeUndefined();
    setWithdrawAddress(ctx, ALICE, toBob);
    // Also what a change of the delegation pays.
    world.undelegate(VALIDATOR, ALICE, 50n);
    expect(ctx.balance(BOB)).toBe(720n);
    setWithdrawAddress(ctx, ALICE, { kind: "setWithdrawAddress", address: fromHex(ALICE) });
    expect(ctx.records.get(WITHDRAW, ALICE), "an own address needs no record").toBeUndefined();
  });
});

describe("the community pool", () => {
  test("behavior: takes what an account gives", () => {
    const { ctx } = setUp();
    ctx.mint(ALICE, 50n);
    const action = { kind: "fundCommunity", amount: 50n } as const;
    expect(fundCommunityFault(ctx, ALICE, action)).toBeUndefined();
    fundCommunity(ctx, ALICE, action);
    expect(ctx.pool("community")).toBe(50n);
    expect(ctx.balance(ALICE)).toBe(0n);
  });

  test("behavior: refuses nothing, and more than there is", () => {
    const { ctx } = setUp();
    ctx.mint(ALICE, 50n);
    const fault = (amount: bigint) =>
      fundCommunityFault(ctx, ALICE, { kind: "fundCommunity", amount })?.code;
    expect(fault(0n)).toBe("COMMUNITY_AMOUNT");
    expect(fault(51n)).toBe("COMMUNITY_FUNDS");
    expect(fault((1n << 63n) - 1n)).toBe("COMMUNITY_FUNDS");
  });
});

describe("revenue of a rollup", () => {
  test("behavior: its owner claims all that has accrued, once", () => {
    const { ctx } = setUp();
    expect(unclaimedRevenue(ctx, ROLLUP)).toBe(200n);
    expect(claimRollupRevenueFault(ctx, BOB, claim)).toBeUndefined();
    claimRollupRevenue(ctx, BOB, claim);
    expect(ctx.balance(BOB)).toBe(200n);
    expect(ctx.pool("rollupRevenue")).toBe(0n);
    expect(ctx.records.get(REVENUE, ROLLUP)).toMatchObject({ accrued: 200n, claimed: 200n });
    expect(claimRollupRevenueFault(ctx, BOB, claim)?.code).toBe("REVENUE_NONE");

    ctx.mintPool("feePool", 10n);
    const rollupFees = new Map([[ROLLUP, 10n]]);
    allocateFees(ctx, { proposer: VALIDATOR, fees: 10n, rollupFees });
    claimRollupRevenue(ctx, BOB, claim);
    expect(ctx.balance(BOB)).toBe(202n);
    expect(ctx.records.get(REVENUE, ROLLUP)).toMatchObject({ accrued: 202n, claimed: 202n });
  });

  test("behavior: refuses others, unknown rollups, and those that have nothing", () => {
    const { ctx } = setUp();
    expect(claimRollupRevenueFault(ctx, ALICE, claim)?.code).toBe("REVENUE_NOT_OWNER");
    const unknown = { ...claim, rollupId: fromHex("33".repeat(32)) };
    expect(claimRollupRevenueFault(ctx, BOB, unknown)?.code).toBe("ROLLUP_UNKNOWN");
    const none = { ...claim, rollupId: fromHex(ZOO) };
    expect(claimRollupRevenueFault(ctx, BOB, none)?.code).toBe("REVENUE_NONE");
  });
});
