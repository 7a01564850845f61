/**
 * What ordering earns, over random bids, tips, claims, escrow, expiry and slashes: after each block all nweft are
 * somewhere, escrow is what its accounts have in it, and what rollups have accrued and not claimed is the pool it lies in.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import {
  escrowOf,
  withdrawEscrow,
  withdrawEscrowFault,
} from "../../sequencer/app/auction/escrow.ts";
import {
  claimRollupRevenue,
  claimRollupRevenueFault,
} from "../../sequencer/app/distribution/actions.ts";
import { creditMev } from "../../sequencer/app/distribution/mev-revenue.ts";
import { payCommission } from "../../sequencer/app/distribution/rewards.ts";
import { AUCTIONS, REVENUE, VALIDATORS } from "../../sequencer/app/state/tables.ts";
import { AuctionWorld, type BidEnd, rollupOf, type SellerTerms } from "../support/auction-world.ts";
import { createRewardsWorld, testAddress } from "../support/rewards-world.ts";

const ROLLUPS: Readonly<Record<string, SellerTerms>> = {
  alpha: { members: ["beta", "gamma", "delta"], reserve: 3n },
  beta: { leader: "alpha", reserve: 0n, revenueShareBps: 10_000 },
  gamma: { leader: "alpha", reserve: 50n, revenueShareBps: 1 },
  delta: { leader: "alpha", reserve: 7n, revenueShareBps: 9_700 },
  solo: { secondPrice: true, reserve: 5n },
};
const NAMES = Object.keys(ROLLUPS);
const OWNER = testAddress("f1");
const PROPOSER = testAddress("a1");
const OTHER = testAddress("a2");
const ALICE = testAddress("c1");
const BIDDERS = ["d1", "d2", "d3"].map(testAddress);

const amount = fc.oneof(
  fc.bigInt({ min: 1n, max: 50n }),
  fc.bigInt({ min: 1n, max: 1_000_000_000_000n }),
);
const bidder = fc.constantFrom(...BIDDERS);
const name = fc.constantFrom(...NAMES);
const validator = fc.constantFrom(PROPOSER, OTHER);

const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("deposit" as const), bidder, amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("withdraw" as const), bidder, amount }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("bid" as const),
      bidder,
      amount,
      isSolo: fc.boolean(),
      wants: fc.uniqueArray(fc.constantFrom("alpha", "beta", "gamma", "delta"), { minLength: 1 }),
      fee: fc.bigInt({ min: 0n, max: 100n }),
      bond: fc.bigInt({ min: 0n, max: 1_000n }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("resolve" as const),
      at: fc.nat(),
      end: fc.constantFrom<BidEnd>("opened", "opened", "revealed", "invalid", "garbage", "expired"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tip" as const), name, amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("claim" as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("delegate" as const), validator, amount }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("undelegate" as const), validator, amount }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("slash" as const),
      validator,
      bps: fc.bigInt({ min: 1n, max: 10_000n }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("power" as const),
      validator,
      power: fc.bigInt({ min: 0n, max: 9n }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("commission" as const), validator }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("endBlock" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), blocks: fc.nat(80) }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

/** What has been moved, counted by what the rules say in events. */
interface Counted {
  paidBack: bigint;
  paidForTops: bigint;
  toRollups: bigint;
  claimed: bigint;
}

function run(commands: readonly Command[]): void {
  const owners = Object.fromEntries(NAMES.map((one) => [rollupOf(one), OWNER]));
  const world = new AuctionWorld(ROLLUPS, { rollupOwners: owners }, PROPOSER);
  const { ctx } = world;
  const rewards = createRewardsWorld(ctx);
  for (const one of [PROPOSER, OTHER]) {
    rewards.create(one, { operator: OWNER, rateBps: 777 });
    rewards.delegate(one, ALICE, 1_000_003n);
    rewards.setPower(one, 3n);
  }
  let deposited = 0n;
  const bidsOf = new Map<string, number>();
  const endBlock = (): void => {
    world.endBlock();
    rewards.checkRewards();
    bidsOf.clear();
    checkCounts(world, deposited);
  };
  for (const one of commands) {
    switch (one.kind) {
      case "deposit":
        world.deposit(one.bidder, one.amount);
        deposited += one.amount;
        break;
      case "withdraw": {
        const action = { kind: "withdrawEscrow", amount: one.amount } as const;
        if (withdrawEscrowFault(ctx, one.bidder, action) !== undefined) break;
        withdrawEscrow(ctx, one.bidder, action);
        break;
      }
      case "bid": {
        const count = (bidsOf.get(one.bidder) ?? 0) + 1;
        if (count > 5 || escrowOf(ctx, one.bidder).balance === 0n) break;
        bidsOf.set(one.bidder, count);
        const where = one.isSolo
          ? { group: "solo", wants: ["solo"] }
          : { group: "alpha", wants: one.wants };
        world.bid({ ...one, ...where });
        break;
      }
      case "resolve": {
        const open = [...world.waiting].filter(({ height }) => height < ctx.height);
        const bid = open[one.at % Math.max(open.length, 1)];
        if (bid !== undefined) world.resolve(bid, one.end);
        break;
      }
      case "tip":
        ctx.mintPool("sealed", one.amount);
        creditMev(ctx, rollupOf(one.name), one.amount, "tip", PROPOSER);
        break;
      case "claim": {
        const action = {
          kind: "claimRollupRevenue",
          rollupId: fromHex(rollupOf(one.name)),
        } as const;
        if (claimRollupRevenueFault(ctx, OWNER, action) !== undefined) break;
        claimRollupRevenue(ctx, OWNER, action);
        break;
      }
      case "delegate":
        if ((ctx.records.get(VALIDATORS, one.validator)?.tokens ?? 0n) === 0n) break;
        rewards.delegate(one.validator, ALICE, one.amount);
        break;
      case "undelegate":
        rewards.undelegate(one.validator, ALICE, one.amount);
        break;
      case "slash": {
        const tokens = ctx.records.get(VALIDATORS, one.validator)?.tokens ?? 0n;
        const lost = (tokens * one.bps) / 10_000n;
        if (lost > 0n) rewards.slash(one.validator, lost);
        break;
      }
      case "power":
        rewards.setPower(one.validator, one.power);
        break;
      case "commission":
        payCommission(ctx, one.validator);
        break;
      case "endBlock":
        endBlock();
        break;
      case "wait":
        endBlock();
        ctx.advance({ blocks: one.blocks });
        break;
    }
  }
  // All that is open ends, and everything that was asked back is paid.
  for (const bid of world.waiting) if (bid.height < ctx.height) world.resolve(bid, "expired");
  endBlock();
  for (const bid of world.waiting) world.resolve(bid, "opened");
  endBlock();
  ctx.advance({ blocks: 200 });
  endBlock();
  expect(ctx.records.keys(AUCTIONS)).toEqual([]);
  expect(ctx.pool("sealed")).toBe(0n);
  for (const one of BIDDERS) expect(escrowOf(ctx, one).withdrawals).toEqual([]);
}

function checkCounts({ ctx }: AuctionWorld, deposited: bigint): void {
  const counted: Counted = {
    paidBack: 0n,
    paidForTops: 0n,
    toRollups: 0n,
    claimed: 0n,
  };
  for (const { type, attributes } of ctx.events) {
    const of = (key: string): bigint =>
      BigInt(attributes.find((attribute) => attribute.key === key)?.value ?? 0);
    if (type === "pay_escrow") counted.paidBack += of("amount");
    if (type === "auction_settled") counted.paidForTops += of("paid");
    if (type === "claim_rollup_revenue") counted.claimed += of("amount");
    if (type === "distribute_fees") counted.toRollups += of("rollups");
    if (type !== "revenue") continue;
    counted.toRollups += of("rollup_part");
    const parts = of("rollup_part") + of("to_proposer") + of("community") + of("stakers");
    expect(parts).toBe(of("gross"));
  }
  expect(ctx.pool("escrow")).toBe(deposited - counted.paidBack - counted.paidForTops);
  expect(ctx.pool("rollupRevenue")).toBe(counted.toRollups - counted.claimed);
  const accrued = NAMES.reduce(
    (sum, one) => sum + (ctx.records.get(REVENUE, rollupOf(one))?.accrued ?? 0n),
    0n,
  );
  expect(accrued).toBe(counted.toRollups);
}

test("property: nothing is created or lost by auctions, tips, claims, escrow, expiry and slashes", () => {
  fc.assert(fc.property(fc.array(command, { minLength: 20, maxLength: 120 }), run), {
    numRuns: 300,
  });
});
