import { describe, expect, test } from "vitest";
import { createRewardsWorld, testAddress } from "../../../test/support/rewards-world.ts";
import {
  createStakingContext,
  type TestStakingContext,
} from "../../../test/support/staking-context.ts";
import { DECIMAL_ONE } from "../staking/decimal.ts";
import { REVENUE, VALIDATOR_REWARDS, WITHDRAW } from "../state/tables.ts";
import { fromHex } from "../../../proto/bytes.ts";
import {
  afterDelegationChange,
  allocateFees,
  beforeDelegationChange,
  payCommission,
  pendingCommission,
  pendingRewards,
} from "./rewards.ts";

const A = testAddress("a1");
const B = testAddress("b1");
const OPERATOR = testAddress("0e");
const ALICE = testAddress("01");
const BOB = testAddress("02");
const CAROL = testAddress("03");
const ROLLUP = "11".repeat(32);
const OTHER_ROLLUP = "22".repeat(32);
const NOBODY = testAddress("ff");

/** No part for rollups, proposer and community: all fees are for stake. */
const ALL_TO_STAKE = { feeRollupBps: 0, feeProposerBps: 0, feeCommunityBps: 0 };

function setUp(params: Parameters<typeof createStakingContext>[0] = {}) {
  const ctx = createStakingContext({ params: ALL_TO_STAKE, ...params });
  const world = createRewardsWorld(ctx);
  return { ctx, world };
}

/** A block with fees and nothing else. */
function block(
  ctx: TestStakingContext,
  fees: bigint,
  { proposer = NOBODY, rollupFees = {} }: BlockOptions = {},
): void {
  ctx.mintPool("feePool", fees);
  allocateFees(ctx, { proposer, fees, rollupFees: new Map(Object.entries(rollupFees)) });
  expect(ctx.pool("feePool"), "the fee pool is empty after each block").toBe(0n);
}

interface BlockOptions {
  readonly proposer?: string;
  readonly rollupFees?: Readonly<Record<string, bigint>>;
}

function withdraw(ctx: TestStakingContext, validator: string, delegator: string): bigint {
  const before = ctx.balance(delegator);
  beforeDelegationChange(ctx, validator, delegator);
  afterDelegationChange(ctx, validator, delegator);
  return ctx.balance(delegator) - before;
}

describe("fees of a block", () => {
  test("behavior: splits between rollups, proposer, community and stake, rounding to stake", () => {
    const { ctx, world } = setUp({
      params: { feeRollupBps: 2_000, feeProposerBps: 500, feeCommunityBps: 200 },
    });
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 10n);
    world.setPower(A, 1n);
    // Rollups: 20% of 404 is 80, of 99 is 19. Proposer: 5% of 1,009 is 50. Community: 2% is 20.
    block(ctx, 1_009n, { proposer: A, rollupFees: { [ROLLUP]: 404n, [OTHER_ROLLUP]: 99n } });
    expect(ctx.records.get(REVENUE, ROLLUP)).toMatchObject({
      accrued: 80n,
      claimed: 0n,
      lastHeight: ctx.height,
    });
    expect(ctx.records.get(REVENUE, OTHER_ROLLUP)).toMatchObject({
      accrued: 19n,
      claimed: 0n,
      lastHeight: ctx.height,
    });
    expect(ctx.pool("rollupRevenue")).toBe(99n);
    expect(ctx.pool("community")).toBe(20n);
    // 50 to the proposer's validator, 840 to stake: all of both are Alice's.
    expect(ctx.pool("rewards")).toBe(890n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(890n);
    expect(ctx.events.at(-1)?.attributes.map(({ key, value }) => [key, value])).toEqual([
      ["proposer", A.toUpperCase()],
      ["fees", "1009"],
      ["rollups", "99"],
      ["to_proposer", "50"],
      ["community", "20"],
      ["stakers", "840"],
    ]);
    world.checkRewards();
  });

  test("behavior: shares by power, and a validator's part by tokens", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.create(B, { operator: OPERATOR });
    world.delegate(A, ALICE, 200n);
    world.delegate(A, BOB, 100n);
    world.delegate(B, CAROL, 100n);
    world.setPower(A, 3n);
    world.setPower(B, 1n);
    block(ctx, 1_200n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(600n);
    expect(pendingRewards(ctx, A, BOB)).toBe(300n);
    expect(pendingRewards(ctx, B, CAROL)).toBe(300n);
    world.checkRewards();
  });

  test("behavior: gives the proposer's validator its part, commission included", () => {
    const { ctx, world } = setUp({ params: { ...ALL_TO_STAKE, feeProposerBps: 1_000 } });
    world.create(A, { operator: OPERATOR, rateBps: 2_500 });
    world.create(B, { operator: OPERATOR });
    for (const validator of [A, B]) {
      world.delegate(validator, ALICE, 100n);
      world.setPower(validator, 1n);
    }
    block(ctx, 1_000n, { proposer: A });
    // A: 100 + 450, of which 25% commission: 137.5.
    expect(pendingCommission(ctx, A)).toBe(137n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(412n);
    expect(pendingRewards(ctx, B, ALICE)).toBe(450n);
    world.checkRewards();
  });

  test("behavior: shares the part of an unknown proposer among stake", () => {
    const { ctx, world } = setUp({ params: { ...ALL_TO_STAKE, feeProposerBps: 1_000 } });
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 1_000n, { proposer: NOBODY });
    expect(pendingRewards(ctx, A, ALICE)).toBe(1_000n);
  });

  test("behavior: gives to the community what comes while no validator has power", () => {
    const { ctx, world } = setUp({
      params: { feeRollupBps: 2_000, feeProposerBps: 500, feeCommunityBps: 200 },
    });
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    block(ctx, 1_000n, { rollupFees: { [ROLLUP]: 1_000n } });
    expect(ctx.pool("rollupRevenue")).toBe(200n);
    expect(ctx.pool("community")).toBe(800n);
    world.setPower(A, 1n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(0n);
    world.checkRewards();
  });

  test("behavior: writes nothing in a block without fees", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    const before = ctx.records.changes().size;
    block(ctx, 0n);
    expect(ctx.records.changes().size).toBe(before);
    expect(ctx.events).toEqual([]);
  });

  test("behavior: carries what does not divide to later blocks, exactly", () => {
    const { ctx, world } = setUp();
    for (const validator of [A, B]) world.create(validator, { operator: OPERATOR });
    world.delegate(A, ALICE, 7n);
    world.delegate(B, BOB, 7n);
    world.setPower(A, 3n);
    world.setPower(B, 4n);
    for (let at = 0; at < 7; at++) block(ctx, 1n);
    // 7 nweft for power 7: what each single block could not divide is there in the sum.
    expect(pendingRewards(ctx, A, ALICE)).toBe(2n);
    expect(pendingRewards(ctx, B, BOB)).toBe(3n);
    block(ctx, 7n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(5n);
    world.checkRewards();
  });
});

describe("rewards of a delegation", () => {
  test("behavior: commission first, the rest by stake", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(A, ALICE, 60n);
    world.delegate(A, BOB, 40n);
    world.setPower(A, 1n);
    block(ctx, 1_000n);
    expect(pendingCommission(ctx, A)).toBe(100n);
    expect(withdraw(ctx, A, ALICE)).toBe(540n);
    expect(withdraw(ctx, A, BOB)).toBe(360n);
    payCommission(ctx, A);
    expect(ctx.balance(OPERATOR)).toBe(100n);
    expect(ctx.pool("rewards")).toBe(0n);
  });

  test("behavior: a second withdrawal pays nothing", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 1_000n);
    expect(withdraw(ctx, A, ALICE)).toBe(900n);
    const events = ctx.events.length;
    expect(withdraw(ctx, A, ALICE)).toBe(0n);
    payCommission(ctx, A);
    expect(ctx.balance(OPERATOR)).toBe(100n);
    payCommission(ctx, A);
    expect(ctx.balance(OPERATOR)).toBe(100n);
    // One for the commission that was paid, none for what paid nothing.
    expect(ctx.events.length).toBe(events + 1);
  });

  test("behavior: who comes late gets nothing from the past", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 1_000n);
    world.delegate(A, BOB, 300n);
    expect(pendingRewards(ctx, A, BOB)).toBe(0n);
    block(ctx, 1_000n);
    expect(pendingRewards(ctx, A, BOB)).toBe(750n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(1_250n);
    world.checkRewards();
  });

  test("behavior: more stake counts from when it comes, and what was earned is paid out", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.delegate(A, BOB, 100n);
    world.setPower(A, 1n);
    block(ctx, 100n);
    world.delegate(A, ALICE, 100n);
    expect(ctx.balance(ALICE)).toBe(50n);
    block(ctx, 300n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(200n);
    expect(pendingRewards(ctx, A, BOB)).toBe(150n);
    world.undelegate(A, BOB, 100n);
    expect(ctx.balance(BOB)).toBe(150n);
    block(ctx, 10n);
    expect(pendingRewards(ctx, A, BOB)).toBe(0n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(210n);
    world.checkRewards();
  });

  test("behavior: rewards go to the withdraw address", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 5_000 });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 100n);
    ctx.records.set(WITHDRAW, ALICE, { address: fromHex(CAROL) });
    ctx.records.set(WITHDRAW, OPERATOR, { address: fromHex(BOB) });
    withdraw(ctx, A, ALICE);
    payCommission(ctx, A);
    expect(ctx.balance(ALICE)).toBe(0n);
    expect(ctx.balance(CAROL)).toBe(50n);
    expect(ctx.balance(OPERATOR)).toBe(0n);
    expect(ctx.balance(BOB)).toBe(50n);
  });

  test("behavior: what is less than 1 nweft stays with the validator's delegators", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.delegate(A, BOB, 100n);
    world.setPower(A, 1n);
    block(ctx, 1n);
    // Half a nweft each: none is paid.
    expect(withdraw(ctx, A, ALICE)).toBe(0n);
    expect(ctx.records.get(VALIDATOR_REWARDS, A)?.current).toBe(DECIMAL_ONE / 2n);
    // Alice's half is divided again: a quarter each. Bob has three quarters.
    expect(withdraw(ctx, A, BOB)).toBe(0n);
    block(ctx, 1n);
    // 1 + 3/4 are left to divide (Bob gave back 3/4), and Alice has the quarter of before.
    expect(ctx.pool("rewards")).toBe(2n);
    expect(withdraw(ctx, A, ALICE)).toBe(1n);
    world.checkRewards();
  });

  test("behavior: what does not divide by the tokens is carried to the next period", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 3n * DECIMAL_ONE);
    world.setPower(A, 1n);
    // 4 nweft for 3 * 10^18 tokens are 10^-18 each, and 1 nweft is left each time.
    block(ctx, 4n);
    expect(withdraw(ctx, A, ALICE)).toBe(3n);
    block(ctx, 4n);
    expect(withdraw(ctx, A, ALICE)).toBe(3n);
    block(ctx, 4n);
    expect(withdraw(ctx, A, ALICE)).toBe(6n);
    expect(ctx.pool("rewards")).toBe(0n);
    world.checkRewards();
  });

  test("behavior: earns nothing while its validator has no power, and keeps what it earned", () => {
    const { ctx, world } = setUp();
    for (const validator of [A, B]) {
      world.create(validator, { operator: OPERATOR });
      world.delegate(validator, ALICE, 100n);
      world.setPower(validator, 1n);
    }
    block(ctx, 100n);
    world.setPower(A, 0n);
    block(ctx, 100n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(50n);
    expect(pendingRewards(ctx, B, ALICE)).toBe(150n);
    world.setPower(A, 1n);
    block(ctx, 100n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(100n);
    world.checkRewards();
  });

  test("behavior: earns by the rate that its validator had when it earned", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 100n);
    world.setRate(A, 10_000);
    block(ctx, 100n);
    expect(pendingCommission(ctx, A)).toBe(110n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(90n);
  });

  test("behavior: rewards of a validator whose tokens are all gone go to the community", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    world.undelegate(A, ALICE, 100n);
    // Its power votes and earns for two more blocks.
    block(ctx, 105n);
    world.delegate(A, BOB, 100n);
    expect(pendingRewards(ctx, A, BOB)).toBe(0n);
    expect(pendingCommission(ctx, A)).toBe(10n);
    // 94.5 without the commission; the half waits in the index.
    expect(ctx.pool("community")).toBe(94n);
    world.checkRewards();
    block(ctx, 1n);
    expect(pendingRewards(ctx, A, BOB)).toBe(1n);
    world.checkRewards();
  });
});

describe("slashes", () => {
  test("behavior: rewards before a slash are for the stake before it", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.delegate(A, BOB, 300n);
    world.setPower(A, 1n);
    block(ctx, 400n);
    world.slash(A, 40n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(100n);
    block(ctx, 360n);
    // 90 of 360 tokens are Alice's.
    expect(pendingRewards(ctx, A, ALICE)).toBe(190n);
    expect(pendingRewards(ctx, A, BOB)).toBe(570n);
    world.checkRewards();
  });

  test("behavior: reduces stake by each slash in turn, truncated", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 7n);
    world.delegate(A, BOB, 3n);
    world.setPower(A, 1n);
    block(ctx, 10n);
    world.slash(A, 3n);
    // Alice 4.9 -> 4, Bob 2.1 -> 2 of 7 tokens.
    block(ctx, 70n);
    world.slash(A, 2n);
    // Alice 4 * 5/7 -> 2, Bob 2 * 5/7 -> 1 of 5 tokens.
    block(ctx, 50n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(7n + 40n + 20n);
    expect(pendingRewards(ctx, A, BOB)).toBe(3n + 20n + 10n);
    world.checkRewards();
    expect(withdraw(ctx, A, ALICE)).toBe(67n);
    expect(withdraw(ctx, A, BOB)).toBe(33n);
    expect(ctx.pool("rewards")).toBe(30n);
    world.checkRewards();
  });

  test("behavior: who comes after a slash is not reduced by it", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    world.slash(A, 50n);
    world.delegate(A, BOB, 50n);
    block(ctx, 100n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(50n);
    expect(pendingRewards(ctx, A, BOB)).toBe(50n);
    world.checkRewards();
  });

  test("behavior: two slashes of one block count both", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    world.slash(A, 50n);
    world.slash(A, 25n);
    block(ctx, 100n);
    expect(pendingRewards(ctx, A, ALICE)).toBe(100n);
    expect(withdraw(ctx, A, ALICE)).toBe(100n);
    expect(world.undelegate(A, ALICE, 100n)).toBe(25n);
    world.checkRewards();
  });

  test("behavior: a stake that was slashed whole keeps what it earned before", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 100n);
    world.setPower(A, 1n);
    block(ctx, 100n);
    world.slash(A, 100n);
    block(ctx, 100n);
    expect(withdraw(ctx, A, ALICE)).toBe(100n);
    expect(ctx.pool("community")).toBe(100n);
    world.checkRewards();
  });
});

describe("records of periods", () => {
  test("behavior: references are the period under way, delegations and slashes; the rest is pruned", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.setPower(A, 1n);
    const delegators = [ALICE, BOB, CAROL];
    for (const delegator of delegators) {
      world.delegate(A, delegator, 100n);
      block(ctx, 10n);
    }
    for (let at = 0; at < 20; at++) {
      block(ctx, 1_000n);
      withdraw(ctx, A, delegators[at % 3] ?? ALICE);
      expect(world.periods(A).references).toBe(world.expectedReferences(A));
      expect(world.periods(A).records, "one each for three delegations at most").toBeLessThan(4);
    }
    world.slash(A, 3n);
    block(ctx, 1_000n);
    for (const delegator of delegators) withdraw(ctx, A, delegator);
    // The end with the slash, and one for each withdrawal: what it left below 1 nweft was divided again.
    expect(world.periods(A)).toEqual({ records: 4, references: 5 });
  });

  test("behavior: changes in a block without rewards share one period", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.setPower(A, 1n);
    for (let at = 1; at <= 50; at++) world.delegate(A, testAddress(`0${at}`), 10n);
    expect(ctx.records.get(VALIDATOR_REWARDS, A)?.period).toBe(1);
    expect(world.periods(A)).toEqual({ records: 1, references: 51 });
  });
});

describe("removal", () => {
  test("behavior: commission to the operator, rounding to the community, no record stays", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR, rateBps: 1_000 });
    world.delegate(A, ALICE, 3n);
    world.setPower(A, 3n);
    block(ctx, 105n);
    world.slash(A, 1n);
    block(ctx, 10n);
    // Before the slash 94.5 for 3 tokens; then 9 for 2 tokens, of which her truncated stake has 1.
    expect(pendingRewards(ctx, A, ALICE)).toBe(103n - 4n);
    world.undelegate(A, ALICE, 3n);
    expect(ctx.balance(ALICE)).toBe(99n);
    expect(world.expectedReferences(A)).toBe(2);
    world.setPower(A, 0n);
    world.remove(A);
    expect(ctx.balance(OPERATOR)).toBe(11n);
    // 115 - 99 - 11: all of it whole, because nothing is left that could wait for more.
    expect(ctx.pool("community")).toBe(5n);
    expect(ctx.pool("rewards")).toBe(0n);
    const left = [...ctx.records.changes()].filter(([key]) =>
      /^(ratio|slashes|rewards)\//.test(key),
    );
    expect(left.filter(([, value]) => value !== undefined)).toEqual([]);
    world.checkRewards();
  });

  test("behavior: a validator with stake or power is not removed", () => {
    const { ctx, world } = setUp();
    world.create(A, { operator: OPERATOR });
    world.delegate(A, ALICE, 1n);
    expect(() => world.remove(A)).toThrow("nobody's stake");
    world.undelegate(A, ALICE, 1n);
    world.setPower(A, 1n);
    expect(() => world.remove(A)).toThrow("nobody's stake");
    expect(ctx.pool("rewards")).toBe(0n);
  });

  test("behavior: a validator that comes again begins anew", () => {
    const { ctx, world } = setUp();
    for (const validator of [A, B]) {
      world.create(validator, { operator: OPERATOR });
      world.delegate(validator, ALICE, 10n);
      world.setPower(validator, 1n);
    }
    block(ctx, 100n);
    world.undelegate(A, ALICE, 10n);
    world.setPower(A, 0n);
    world.remove(A);
    block(ctx, 100n);
    world.create(A, { operator: OPERATOR });
    world.delegate(A, BOB, 10n);
    world.setPower(A, 1n);
    expect(pendingRewards(ctx, A, BOB)).toBe(0n);
    block(ctx, 100n);
    expect(pendingRewards(ctx, A, BOB)).toBe(50n);
    world.checkRewards();
  });
});
