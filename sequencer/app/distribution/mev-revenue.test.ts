import { beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { PLAIN_POLICY } from "../../../proto/codec/rollup-policy.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import {
  createRewardsWorld,
  type RewardsWorld,
  testAddress,
} from "../../../test/support/rewards-world.ts";
import {
  createStakingContext,
  type TestStakingContext,
} from "../../../test/support/staking-context.ts";
import { REVENUE } from "../state/tables.ts";
import { creditMev, creditPenalty } from "./mev-revenue.ts";
import { pendingCommission, pendingRewards } from "./rewards.ts";

const ROLLUP = "aa".repeat(32);
const GREEDY = "bb".repeat(32);
const VALIDATOR = testAddress("a1");
const OTHER = testAddress("a2");
const OPERATOR = testAddress("b1");
const ALICE = testAddress("c1");

function rollup(name: string, revenueShareBps: number): RollupState {
  return {
    name,
    ownerKey: EMPTY_BYTES,
    policy: { ...PLAIN_POLICY, revenueShareBps },
    pending: {
      policy: { ...PLAIN_POLICY, revenueShareBps: 6_000 },
      effectiveHeight: Height(10),
    },
    deposit: 0n,
    registeredHeight: Height(0),
  };
}

let ctx: TestStakingContext;
let world: RewardsWorld;

beforeEach(() => {
  ctx = createStakingContext({
    rollups: { [ROLLUP]: rollup("r", 0), [GREEDY]: rollup("g", 10_000) },
  });
  world = createRewardsWorld(ctx);
  for (const validator of [VALIDATOR, OTHER]) {
    world.create(validator, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(validator, ALICE, 1_000_000n);
    world.setPower(validator, 1n);
  }
  ctx.mintPool("escrow", 100_000n);
  ctx.mintPool("sealed", 100_000n);
});

const pools = () =>
  (["escrow", "sealed", "rollupRevenue", "rewards", "community"] as const).map((pool) =>
    ctx.pool(pool),
  );

describe("what ordering earns", () => {
  test("behavior: goes to the rollup, the proposer's validator with its commission, all stake and the community", () => {
    creditMev(ctx, ROLLUP, 10_000n, "auction", VALIDATOR);
    expect(pools()).toEqual([90_000n, 100_000n, 8_000n, 1_800n, 200n]);
    expect(ctx.records.get(REVENUE, ROLLUP)).toEqual({
      accrued: 8_000n,
      claimed: 0n,
      auction: 8_000n,
      tips: 0n,
      lastHeight: ctx.height,
    });
    // 300 for the proposer and 750 for each by power, a tenth of it commission.
    expect(pendingCommission(ctx, VALIDATOR)).toBe(105n);
    expect(pendingRewards(ctx, VALIDATOR, ALICE)).toBe(945n);
    expect(pendingRewards(ctx, OTHER, ALICE)).toBe(675n);
    world.checkRewards();
    ctx.checkSupply();
    expect(ctx.events.at(-1)).toMatchObject({ type: "revenue" });
  });

  test("behavior: tips come from another pool and are counted by themselves", () => {
    creditMev(ctx, ROLLUP, 1_000n, "tip", VALIDATOR);
    creditMev(ctx, ROLLUP, 500n, "auction", VALIDATOR);
    expect(ctx.pool("sealed")).toBe(99_000n);
    expect(ctx.records.get(REVENUE, ROLLUP)).toMatchObject({
      accrued: 1_200n,
      tips: 800n,
      auction: 400n,
    });
  });

  test("behavior: a policy has its part as it is in force in the block", () => {
    creditMev(ctx, GREEDY, 1_000n, "auction", VALIDATOR);
    expect(ctx.records.get(REVENUE, GREEDY)?.accrued).toBe(1_000n);
    ctx.advance({ blocks: 20 });
    creditMev(ctx, GREEDY, 1_000n, "auction", VALIDATOR);
    expect(ctx.records.get(REVENUE, GREEDY)?.accrued).toBe(1_600n);
    ctx.checkSupply();
  });

  test("behavior: a proposer that is gone leaves its part to all stake, a chain without power to the community", () => {
    creditMev(ctx, ROLLUP, 10_000n, "auction", testAddress("99"));
    expect(pools()).toEqual([90_000n, 100_000n, 8_000n, 1_800n, 200n]);
    expect(pendingRewards(ctx, VALIDATOR, ALICE)).toBe(810n);
    for (const validator of [VALIDATOR, OTHER]) world.setPower(validator, 0n);
    creditMev(ctx, ROLLUP, 10_000n, "auction", testAddress("99"));
    expect(pools()).toEqual([80_000n, 100_000n, 16_000n, 1_800n, 2_200n]);
    world.checkRewards();
  });

  test("behavior: dust is the community's; nothing is nothing", () => {
    creditMev(ctx, ROLLUP, 7n, "tip", VALIDATOR);
    expect(pools()).toEqual([100_000n, 99_993n, 5n, 1n, 1n]);
    const events = ctx.events.length;
    creditMev(ctx, ROLLUP, 0n, "tip", VALIDATOR);
    expect(ctx.events).toHaveLength(events);
  });

  test("behavior: a lost bond is the community's", () => {
    creditPenalty(ctx, 40n);
    expect(pools()).toEqual([100_000n, 99_960n, 0n, 0n, 40n]);
  });
});
