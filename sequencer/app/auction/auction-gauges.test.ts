import { expect, test } from "vitest";
import { AuctionWorld, rollupOf } from "../../../test/support/auction-world.ts";
import { NULL_GAUGE, NULL_HISTOGRAM } from "../../ports/instruments.ts";
import { AuctionGauges } from "./auction-gauges.ts";

test("shows what became of bids, how long it took, what was earned, and whether one bidder wins it all", () => {
  const world = new AuctionWorld({ solo: { reserve: 5n }, other: {} });
  const [alice, bob] = ["a1".repeat(20), "b2".repeat(20)] as const;
  world.deposit(alice, 1_000n);
  // Auctions of one block are settled by group: the first one takes 100 of it.
  world.deposit(bob, 199n);
  const bids = [
    world.bid({ bidder: alice, group: "solo", amount: 300n, wants: ["solo"] }),
    world.bid({ bidder: bob, group: "solo", amount: 99n, wants: ["solo"] }),
    world.bid({ bidder: bob, group: "solo", amount: 99n, wants: ["solo"] }),
    world.bid({ bidder: alice, group: "solo", amount: 4n, wants: ["solo"] }),
    world.bid({ bidder: alice, group: "solo", amount: 9n, wants: ["solo"] }),
    world.bid({ bidder: alice, group: "solo", amount: 9n, wants: ["solo"] }),
    world.bid({ bidder: bob, group: "other", amount: 100n, wants: ["other"] }),
  ];
  world.endBlock();
  world.ctx.advance();
  for (const [n, bid] of bids.entries()) {
    world.resolve(bid, n === 4 ? "invalid" : n === 5 ? "expired" : "opened");
  }
  const settled = world.ctx.height;
  world.endBlock();

  const counted = new Map<string, number>();
  const counter = (name: string) => ({
    inc: (labels?: Readonly<Record<string, string>>, by = 1) => {
      const key = [name, ...Object.values(labels ?? {})].join(" ");
      counted.set(key, (counted.get(key) ?? 0) + by);
    },
  });
  const blocks: number[] = [];
  let concentration = 0;
  new AuctionGauges({
    auctionBids: counter("bids"),
    mevRevenue: counter("revenue"),
    auctionResolutionBlocks: { ...NULL_HISTOGRAM, observe: (value) => blocks.push(value) },
    auctionWinnerConcentration: { ...NULL_GAUGE, set: (value) => (concentration = value) },
  }).advance(settled, [world.ctx.events]);
  expect(Object.fromEntries(counted)).toEqual({
    "bids won": 2,
    "bids outbid": 1,
    "bids unbacked": 1,
    "bids reserve_not_met": 1,
    "bids invalid": 1,
    "bids expired": 1,
    [`revenue ${rollupOf("solo")} auction`]: 300,
    [`revenue ${rollupOf("other")} auction`]: 100,
    "revenue none penalty": 200,
  });
  expect(blocks).toEqual([2, 2]);
  expect(concentration).toBeCloseTo(0.75 ** 2 + 0.25 ** 2);
});
