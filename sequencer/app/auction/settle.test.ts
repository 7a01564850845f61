import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { FillStatus } from "../../../proto/verify/manifest.ts";
import {
  AuctionWorld,
  type BidEnd,
  contentFor,
  type PlacedBid,
  pointOf,
  rollupOf,
  type SellerTerms,
} from "../../../test/support/auction-world.ts";
import { AUCTION_RESULTS, AUCTIONS, ESCROW, heightKey } from "../state/tables.ts";
import { escrowOf } from "./escrow.ts";

const [ALICE, BOB, CAROL] = ["a1", "b2", "c3"].map((byte) => byte.repeat(20)) as [
  string,
  string,
  string,
];
/** A group of three; `solo` sells alone. */
const ROLLUPS: Readonly<Record<string, SellerTerms>> = {
  alpha: { members: ["beta", "gamma"], reserve: 10n },
  beta: { leader: "alpha", reserve: 10n, revenueShareBps: 10_000 },
  gamma: { leader: "alpha", reserve: 10n },
  solo: { secondPrice: true, reserve: 5n },
};

function world(): AuctionWorld {
  const made = new AuctionWorld(ROLLUPS);
  for (const bidder of [ALICE, BOB, CAROL]) made.deposit(bidder, 1_000n);
  return made;
}

/** Status of each of the bid's fills, by rollup. */
function fillsOf({ ctx }: AuctionWorld, { height, item }: PlacedBid) {
  return ctx.fills
    .filter(({ fill, rollupId }) => {
      const place = item.places.find((one) => toHex(one.rollupId) === toHex(rollupId));
      return fill.height === height && fill.position === place?.position;
    })
    .map(({ fill }) => fill.status);
}

const eventsOf = ({ ctx }: AuctionWorld, type: string) =>
  ctx.events
    .filter((one) => one.type === type)
    .map(({ attributes }) => Object.fromEntries(attributes.map(({ key, value }) => [key, value])));

const resultOf = ({ ctx }: AuctionWorld, height: number, group: string) =>
  ctx.records.get(AUCTION_RESULTS, heightKey(height, rollupOf(group)));

const { OPENED, INVALID, EXPIRED, LOST } = FillStatus;

describe("the settlement of an auction", () => {
  test("behavior: the winner pays out of escrow, runs at the top of its rollups, and everybody else has lost", () => {
    const one = world();
    const both = one.bid({ bidder: ALICE, group: "alpha", amount: 300n, wants: ["alpha", "beta"] });
    const single = one.bid({ bidder: BOB, group: "alpha", amount: 100n, wants: ["beta"] });
    const third = one.bid({ bidder: CAROL, group: "alpha", amount: 50n, wants: ["gamma"] });
    const { height } = both;
    one.endBlock();
    expect(one.ctx.records.get(AUCTIONS, heightKey(height, rollupOf("alpha")))?.openBids).toBe(3);
    one.endBlock();
    for (const bid of [both, single, third]) one.resolve(bid, "opened");
    one.endBlock();

    expect(fillsOf(one, both)).toEqual([OPENED, OPENED, LOST]);
    expect(fillsOf(one, single)).toEqual([LOST, LOST, LOST]);
    expect(fillsOf(one, third)).toEqual([LOST, LOST, OPENED]);
    const [first] = one.ctx.fills;
    expect(first).toMatchObject({
      rollupId: fromHex(rollupOf("alpha")),
      fill: { height, contentHash: sha256(contentFor("alpha")) },
      opener: { kind: "point", point: pointOf(both.item) },
    });
    expect(escrowOf(one.ctx, ALICE).balance).toBe(700n);
    expect(escrowOf(one.ctx, BOB).balance).toBe(1_000n);
    expect(escrowOf(one.ctx, CAROL).balance).toBe(950n);
    // alpha: 10 + 95, beta: 100 + 95; 50 of what gamma gets.
    expect(resultOf(one, height, "alpha")).toMatchObject({
      settledHeight: height + 2,
      bids: 3,
      winners: [
        { id: both.item.id, amount: 300n, price: 300n, shares: [105n, 195n] },
        { id: third.item.id, amount: 50n, price: 50n, shares: [50n] },
      ],
    });
    expect(one.ctx.records.keys(AUCTIONS)).toEqual([]);
    expect(eventsOf(one, "revenue").map(({ gross, rollup_part: part }) => [gross, part])).toEqual([
      ["105", "84"],
      ["195", "195"],
      ["50", "40"],
    ]);
    expect(eventsOf(one, "bid_lost")).toMatchObject([
      { id: toHex(single.item.id), reason: "OUTBID", bond: "returned" },
    ]);
    expect(eventsOf(one, "bid_won")).toHaveLength(2);
    expect(eventsOf(one, "auction_settled")).toMatchObject([
      { bids: "3", winners: "2", paid: "350" },
    ]);
    // Bonds are back, fees are shared.
    expect(one.ctx.pool("sealed")).toBe(0n);
    expect(one.ctx.balance(BOB)).toBe(100n);
  });

  test("behavior: a rollup alone may sell at second price", () => {
    const one = world();
    const bids = [80n, 60n, 70n].map((amount, n) =>
      one.bid({ bidder: [ALICE, BOB, CAROL][n] ?? ALICE, group: "solo", amount, wants: ["solo"] }),
    );
    const height = bids[0]?.height ?? 0;
    one.endBlock();
    for (const bid of bids) one.resolve(bid, "opened");
    one.endBlock();
    expect(resultOf(one, height, "solo")?.winners).toMatchObject([{ amount: 80n, price: 70n }]);
    expect(escrowOf(one.ctx, ALICE).balance).toBe(930n);
  });

  test("behavior: what each end costs: expired nothing, invalid the bond for the community, garbage the bond for nobody", () => {
    const one = world();
    const ends: readonly (readonly [BidEnd, readonly number[]])[] = [
      ["expired", [EXPIRED]],
      ["invalid", [INVALID]],
      ["garbage", [INVALID]],
      ["opened", [OPENED]],
    ];
    const bids = ends.map(() =>
      one.bid({ bidder: ALICE, group: "solo", amount: 5n, wants: ["solo"], fee: 10n }),
    );
    one.endBlock();
    for (const [n, bid] of bids.entries()) one.resolve(bid, ends[n]?.[0] ?? "expired");
    one.endBlock();
    expect(bids.map((bid) => fillsOf(one, bid))).toEqual(ends.map(([, fills]) => fills));
    // Fee and bond of the first, bond of the last.
    expect(one.ctx.balance(ALICE)).toBe(110n + 100n);
    expect(one.ctx.burned).toBe(100n);
    expect(eventsOf(one, "revenue").filter(({ source }) => source === "penalty")).toEqual([
      { source: "penalty", gross: "100", community: "100" },
    ]);
    expect(one.ctx.pool("sealed")).toBe(0n);
  });

  test("behavior: less than the reserves is nothing, and costs no bond", () => {
    const one = world();
    const low = one.bid({ bidder: ALICE, group: "alpha", amount: 19n, wants: ["alpha", "beta"] });
    const exact = one.bid({ bidder: BOB, group: "alpha", amount: 10n, wants: ["beta"] });
    one.endBlock();
    one.resolve(low, "opened");
    one.resolve(exact, "opened");
    one.endBlock();
    expect(fillsOf(one, low)).toEqual([LOST, LOST, LOST]);
    expect(fillsOf(one, exact)).toEqual([LOST, OPENED, LOST]);
    expect(eventsOf(one, "bid_lost")).toMatchObject([{ reason: "RESERVE_NOT_MET" }]);
    expect(one.ctx.balance(ALICE)).toBe(100n);
  });

  test("attack: bids that escrow does not cover all together: the earlier ones count, the rest lose their bonds", () => {
    const one = world();
    const bids = [600n, 500n, 400n].map((amount) =>
      one.bid({ bidder: ALICE, group: "alpha", amount, wants: ["beta"] }),
    );
    one.endBlock();
    // In whatever order they are opened.
    for (const bid of bids.toReversed()) one.resolve(bid, "opened");
    one.endBlock();
    expect(eventsOf(one, "bid_lost").map(({ reason, bond }) => [reason, bond])).toEqual([
      ["UNBACKED", "lost"],
      ["OUTBID", "returned"],
    ]);
    expect(eventsOf(one, "bid_won")).toMatchObject([{ amount: "600" }]);
    expect(one.ctx.balance(ALICE)).toBe(200n);
  });

  test("attack: money that is put in when all bids of a block are open backs none of them", () => {
    const one = world();
    const honest = one.bid({ bidder: ALICE, group: "solo", amount: 900n, wants: ["solo"] });
    const levels = [950n, 1_500n].map((amount) =>
      one.bid({ bidder: BOB, group: "solo", amount, wants: ["solo"] }),
    );
    const shill = one.bid({ bidder: CAROL, group: "solo", amount: 1_001n, wants: ["solo"] });
    one.endBlock();
    one.deposit(BOB, 10_000n);
    one.endBlock();
    one.deposit(CAROL, 1n);
    for (const bid of [honest, ...levels, shill]) one.resolve(bid, "opened");
    one.endBlock();
    expect(eventsOf(one, "bid_won")).toMatchObject([{ amount: "950", price: "900" }]);
    expect(eventsOf(one, "bid_lost").map(({ reason }) => reason)).toEqual([
      "UNBACKED",
      "UNBACKED",
      "OUTBID",
    ]);
  });

  test("attack: what an auction of one's own rollup took is not put back in time for the next one", () => {
    const one = world();
    const own = one.bid({ bidder: BOB, group: "solo", amount: 1_000n, wants: ["solo"] });
    const push = one.bid({ bidder: CAROL, group: "solo", amount: 999n, wants: ["solo"] });
    one.endBlock();
    const late = one.bid({ bidder: BOB, group: "alpha", amount: 990n, wants: ["alpha"] });
    const honest = one.bid({ bidder: ALICE, group: "alpha", amount: 90n, wants: ["alpha"] });
    one.endBlock();
    for (const bid of [own, push]) one.resolve(bid, "opened");
    one.endBlock();
    expect(escrowOf(one.ctx, BOB).balance).toBe(1n);
    one.deposit(BOB, 999n);
    for (const bid of [late, honest]) one.resolve(bid, "opened");
    one.endBlock();
    expect(fillsOf(one, late)[0]).toBe(LOST);
    expect(fillsOf(one, honest)[0]).toBe(OPENED);
  });

  test("behavior: bids of a later block, settled first, leave an earlier one what was there for it", () => {
    const one = world();
    const early = one.bid({ bidder: ALICE, group: "alpha", amount: 1_000n, wants: ["alpha"] });
    const slow = one.bid({ bidder: BOB, group: "alpha", amount: 20n, wants: ["beta"] });
    one.endBlock();
    one.deposit(ALICE, 500n);
    const later = one.bid({ bidder: ALICE, group: "alpha", amount: 500n, wants: ["alpha"] });
    one.endBlock();
    one.resolve(early, "opened");
    one.endBlock();
    one.resolve(later, "opened");
    one.endBlock();
    one.resolve(slow, "opened");
    one.endBlock();
    for (const bid of [early, later]) expect(fillsOf(one, bid)[0]).toBe(OPENED);
    expect(one.ctx.records.get(ESCROW, ALICE)).toBeUndefined();
  });

  test("behavior: waits for its last bid, and what is opened meanwhile is remembered", () => {
    const one = world();
    const early = one.bid({ bidder: ALICE, group: "alpha", amount: 90n, wants: ["alpha"] });
    const late = one.bid({ bidder: BOB, group: "alpha", amount: 80n, wants: ["alpha"] });
    one.endBlock();
    one.resolve(early, "opened");
    one.endBlock();
    expect(one.ctx.fills).toEqual([]);
    expect(escrowOf(one.ctx, ALICE).balance).toBe(1_000n);
    const [key = ""] = one.ctx.records.keys(AUCTIONS);
    expect(one.ctx.records.get(AUCTIONS, key)).toMatchObject({ openBids: 1, bids: [{ index: 0 }] });
    one.resolve(late, "revealed");
    one.endBlock();
    expect(fillsOf(one, early)).toEqual([OPENED, LOST, LOST]);
    expect(fillsOf(one, late)).toEqual([LOST, LOST, LOST]);
  });

  test("behavior: an auction of a block does not touch those of other blocks and groups", () => {
    const one = world();
    const first = one.bid({ bidder: ALICE, group: "alpha", amount: 90n, wants: ["alpha"] });
    const solo = one.bid({ bidder: ALICE, group: "solo", amount: 20n, wants: ["solo"] });
    one.endBlock();
    const second = one.bid({ bidder: ALICE, group: "alpha", amount: 80n, wants: ["alpha"] });
    one.endBlock();
    for (const bid of [second, solo, first]) one.resolve(bid, "opened");
    one.endBlock();
    for (const bid of [first, second, solo]) expect(fillsOf(one, bid)[0]).toBe(OPENED);
    // At second price, solo sells for its reserve.
    expect(escrowOf(one.ctx, ALICE).balance).toBe(1_000n - 90n - 80n - 5n);
  });

  test("behavior: results are kept for a thousand blocks", () => {
    const one = world();
    const bid = one.bid({ bidder: ALICE, group: "solo", amount: 20n, wants: ["solo"] });
    one.endBlock();
    one.resolve(bid, "opened");
    one.endBlock();
    one.ctx.advance({ blocks: bid.height + 999 - one.ctx.height });
    one.endBlock();
    expect(resultOf(one, bid.height, "solo")).toBeDefined();
    one.endBlock();
    expect(one.ctx.records.keys(AUCTION_RESULTS)).toEqual([]);
  });

  test("property: who has what all of its bids take is paid from it, in whatever order they are settled", () => {
    const command = fc.oneof(
      fc.record({
        kind: fc.constant("deposit" as const),
        amount: fc.bigInt({ min: 1n, max: 99n }),
      }),
      fc.record({
        kind: fc.constant("bid" as const),
        group: fc.constantFrom("alpha", "beta", "gamma"),
        amount: fc.bigInt({ min: 1n, max: 150n }),
      }),
      fc.record({ kind: fc.constant("resolve" as const), at: fc.nat() }),
      fc.record({ kind: fc.constant("endBlock" as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 60 }), (commands) => {
        const one = new AuctionWorld({ alpha: {}, beta: {}, gamma: {} });
        one.deposit(ALICE, 100n);
        // Of the bids that are not settled; one of an auction may wait for another.
        const unsettled = new Map<string, bigint>();
        const endBlock = (): void => {
          one.endBlock();
          for (const { id } of eventsOf(one, "bid_won")) unsettled.delete(id ?? "");
          for (const { id } of eventsOf(one, "bid_lost")) unsettled.delete(id ?? "");
        };
        for (const step of commands) {
          if (step.kind === "deposit") one.deposit(ALICE, step.amount);
          if (step.kind === "endBlock") endBlock();
          if (step.kind === "bid") {
            const { amount, group } = step;
            const promised = [...unsettled.values()].reduce((sum, other) => sum + other, amount);
            if (promised > escrowOf(one.ctx, ALICE).balance) continue;
            const bid = one.bid({ bidder: ALICE, group, amount, wants: [group] });
            unsettled.set(toHex(bid.item.id), amount);
          }
          if (step.kind === "resolve") {
            const open = [...one.waiting].filter(({ height }) => height < one.ctx.height);
            const bid = open[step.at % Math.max(open.length, 1)];
            if (bid !== undefined) one.resolve(bid, "opened");
          }
        }
        endBlock();
        for (const bid of one.waiting) one.resolve(bid, "opened");
        endBlock();
        expect(unsettled.size).toBe(0);
        const reasons = eventsOf(one, "bid_lost").map(({ reason }) => reason);
        expect(reasons).not.toContain("UNBACKED");
      }),
      { numRuns: 300 },
    );
  });

  test("property: in which blocks bids are resolved, and by whom they are opened, changes nothing of the outcome", () => {
    const drafts = fc.array(
      fc.record({
        bidder: fc.constantFrom(ALICE, BOB, CAROL),
        amount: fc.bigInt({ min: 1n, max: 400n }),
        wants: fc.uniqueArray(fc.constantFrom("alpha", "beta", "gamma"), { minLength: 1 }),
        end: fc.constantFrom<BidEnd>("opened", "opened", "opened", "invalid", "expired"),
        /** In which block of three it is resolved. */
        when: fc.nat(2),
        isRevealed: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    );
    const outcomeOf = (
      list: typeof drafts extends fc.Arbitrary<infer T> ? T : never,
      spread: boolean,
    ) => {
      const one = world();
      const bids = list.map((draft) => ({ draft, bid: one.bid({ ...draft, group: "alpha" }) }));
      one.endBlock();
      for (let block = 0; block < 3; block++) {
        for (const { draft, bid } of spread ? bids.toReversed() : bids) {
          if ((spread ? draft.when : 2) !== block) continue;
          const isRevealed = spread && draft.isRevealed && draft.end === "opened";
          one.resolve(bid, isRevealed ? "revealed" : draft.end);
        }
        one.endBlock();
      }
      const height = bids[0]?.bid.height ?? 0;
      return {
        winners: resultOf(one, height, "alpha")?.winners,
        fills: bids.map(({ bid }) => fillsOf(one, bid)),
        balances: [ALICE, BOB, CAROL].map((who) => one.ctx.balance(who)),
      };
    };
    fc.assert(
      fc.property(drafts, (list) => {
        expect(outcomeOf(list, true)).toEqual(outcomeOf(list, false));
      }),
      { numRuns: 300 },
    );
  });
});
