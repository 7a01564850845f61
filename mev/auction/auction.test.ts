import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256, sha256Concat } from "../../proto/hash.ts";
import { auctionSeed } from "./seed.ts";
import { splitAmount } from "./split.ts";
import { type AuctionMember, chooseWinners, price, reserveOf, type ValidBid } from "./winner.ts";

const SEED = sha256(utf8ToBytes("seed"));
/** Amounts are below 2^63. */
const AMOUNT_MAX = (1n << 63n) - 1n;
const CASES = 4_000;

const idOf = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 8, n & 255));
const bid = (n: number, mask: number, amount: bigint): ValidBid => ({ id: idOf(n), mask, amount });
const idsOf = (bids: readonly ValidBid[]): readonly string[] =>
  bids.map(({ id }) => toHex(id)).sort();
const rankOf = ({ id }: ValidBid): bigint => BigInt(`0x${toHex(sha256Concat(SEED, id))}`);

interface Auction {
  readonly members: readonly AuctionMember[];
  readonly bids: readonly ValidBid[];
}

/** Few amounts, so that ties are common; and large ones, so that sums pass 2^63. */
function auctions({ membersMax = 5, bidsMax = 8 } = {}): fc.Arbitrary<Auction> {
  const small = fc.record({
    reserve: fc.bigInt({ min: 0n, max: 2n }),
    above: fc.bigInt({ min: 0n, max: 3n }),
  });
  const large = fc.record({
    reserve: fc.bigInt({ min: 0n, max: AMOUNT_MAX >> 3n }),
    above: fc.bigInt({ min: 0n, max: AMOUNT_MAX >> 1n }),
  });
  return fc
    .tuple(fc.integer({ min: 1, max: membersMax }), fc.constantFrom(small, large))
    .chain(([count, sizes]) =>
      fc.record({
        members: fc.array(sizes, { minLength: count, maxLength: count }),
        drafts: fc.array(
          fc.record({ mask: fc.integer({ min: 1, max: (1 << count) - 1 }), sizes }),
          { maxLength: bidsMax },
        ),
      }),
    )
    .map(({ members, drafts }) => ({
      members,
      bids: drafts.flatMap(({ mask, sizes: { above } }, n) => {
        const amount = reserveOf(members, mask) + above;
        return amount >= 1n && amount <= AMOUNT_MAX ? [bid(n, mask, amount)] : [];
      }),
    }));
}

/** Every choice of bids without a member twice, and what it is worth. */
function bruteForce({ members, bids }: Auction): readonly ValidBid[] {
  let best: { chosen: ValidBid[]; value: bigint; unsold: number; ranks: bigint } | undefined;
  for (let choice = 0; choice < 1 << bids.length; choice++) {
    const chosen = bids.filter((_, i) => (choice & (1 << i)) !== 0);
    let taken = 0;
    let isDisjoint = true;
    for (const { mask } of chosen) {
      if ((taken & mask) !== 0) isDisjoint = false;
      taken |= mask;
    }
    if (!isDisjoint) continue;
    const left = members.filter((_, i) => (taken & (1 << i)) === 0);
    const value =
      chosen.reduce((sum, { amount }) => sum + amount, 0n) +
      left.reduce((sum, { reserve }) => sum + reserve, 0n);
    const ranks = chosen.reduce((sum, one) => sum + rankOf(one), 0n);
    const unsold = left.length;
    const isBetter =
      best === undefined ||
      value > best.value ||
      (value === best.value &&
        (unsold < best.unsold || (unsold === best.unsold && ranks < best.ranks)));
    if (isBetter) best = { chosen, value, unsold, ranks };
  }
  return best?.chosen ?? [];
}

/** What each member would get alone. */
function aloneOf({ members, bids }: Auction, at: number): bigint {
  const reserve = members[at]?.reserve ?? 0n;
  return bids.reduce(
    (most, { mask, amount }) => (mask === 1 << at && amount > most ? amount : most),
    reserve,
  );
}

function membersIn(mask: number): readonly number[] {
  return Array.from({ length: 12 }, (_, i) => i).filter((i) => (mask & (1 << i)) !== 0);
}

describe("who wins", () => {
  test("property: the same bids as when every choice of them is tried", () => {
    fc.assert(
      fc.property(auctions(), (auction) => {
        const { members, bids } = auction;
        expect(idsOf(chooseWinners(members, bids, SEED))).toEqual(idsOf(bruteForce(auction)));
      }),
      { numRuns: CASES },
    );
  });

  test("property: the same whatever the order of the bids", () => {
    fc.assert(
      fc.property(
        auctions({ membersMax: 12, bidsMax: 40 }),
        fc.nat(),
        ({ members, bids }, turn) => {
          const at = bids.length === 0 ? 0 : turn % bids.length;
          const turned = [...bids.slice(at), ...bids.slice(0, at)].reverse();
          const winners = idsOf(chooseWinners(members, bids, SEED));
          expect(idsOf(chooseWinners(members, turned, SEED))).toEqual(winners);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("behavior: a bid for two rollups beats the two bids that are worth less together, and no more", () => {
    const members = [{ reserve: 0n }, { reserve: 0n }];
    const single = [bid(1, 0b01, 60n), bid(2, 0b10, 50n)];
    expect(idsOf(chooseWinners(members, [...single, bid(3, 0b11, 111n)], SEED))).toEqual(
      idsOf([bid(3, 0b11, 111n)]),
    );
    expect(idsOf(chooseWinners(members, [...single, bid(3, 0b11, 109n)], SEED))).toEqual(
      idsOf(single),
    );
  });

  test("behavior: a reserve keeps a rollup from being sold with others for less than it asks", () => {
    const members = [{ reserve: 0n }, { reserve: 100n }];
    const cheap = bid(1, 0b11, 120n);
    // Alone, the first one brings 30, and the second keeps what is worth 100 to its owner.
    expect(chooseWinners(members, [cheap, bid(2, 0b01, 30n)], SEED)).toEqual([bid(2, 0b01, 30n)]);
    expect(chooseWinners(members, [cheap, bid(2, 0b01, 10n)], SEED)).toEqual([cheap]);
  });

  test("behavior: a sale at exactly the reserve beats none, also where the reserve is 0 together with others", () => {
    expect(chooseWinners([{ reserve: 7n }], [bid(1, 1, 7n)], SEED)).toEqual([bid(1, 1, 7n)]);
    const members = [{ reserve: 4n }, { reserve: 3n }];
    const both = bid(1, 0b11, 7n);
    expect(chooseWinners(members, [both, bid(2, 0b01, 4n)], SEED)).toEqual([both]);
  });

  test("behavior: equal bids are decided by the seed alone", () => {
    const bids = Array.from({ length: 20 }, (_, n) => bid(n, 1, 5n));
    const [winner] = chooseWinners([{ reserve: 0n }], bids, SEED);
    const smallest = bids.toSorted((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1))[0];
    expect(winner).toEqual(smallest);
    const winners = Array.from({ length: 20 }, (_, n) =>
      idsOf(chooseWinners([{ reserve: 0n }], bids, idOf(n))),
    );
    expect(new Set(winners.map(String)).size).toBeGreaterThan(5);
  });

  test("behavior: no bids, no winners", () => {
    expect(chooseWinners([{ reserve: 1n }, { reserve: 0n }], [], SEED)).toEqual([]);
  });
});

describe("what is paid, and who gets it", () => {
  test("property: shares sum to the price, nobody gets less than alone, and nobody more than an equal part above", () => {
    fc.assert(
      fc.property(auctions(), (auction) => {
        const { members, bids } = auction;
        for (const winner of chooseWinners(members, bids, SEED)) {
          const paid = price(winner, members, bids, false);
          expect(paid).toBe(winner.amount);
          const shares = splitAmount(winner, members, bids, paid);
          expect(shares.reduce((sum, share) => sum + share, 0n)).toBe(paid);
          const above = membersIn(winner.mask).map(
            (at, n) => (shares[n] ?? 0n) - aloneOf(auction, at),
          );
          expect(above.length).toBe(shares.length);
          for (const one of above) expect(one).toBeGreaterThanOrEqual(0n);
          // What does not divide: 1 nweft more for the first ones.
          const first = above[0] ?? 0n;
          const last = above.at(-1) ?? 0n;
          expect(first - last === 0n || first - last === 1n).toBe(true);
          expect(above).toEqual(above.toSorted((a, b) => Number(b - a)));
        }
      }),
      { numRuns: CASES },
    );
  });

  test("property: at second price a rollup alone gets the highest other bid, or its reserve, and never more than the bid", () => {
    fc.assert(
      fc.property(auctions({ membersMax: 1 }), ({ members, bids }) => {
        const [winner] = chooseWinners(members, bids, SEED);
        if (winner === undefined) return;
        const paid = price(winner, members, bids, true);
        const others = bids.filter((one) => one !== winner).map(({ amount }) => amount);
        const expected = [members[0]?.reserve ?? 0n, ...others].reduce((a, b) => (b > a ? b : a));
        expect(paid).toBe(expected);
        expect(paid).toBeLessThanOrEqual(winner.amount);
        expect(splitAmount(winner, members, bids, paid)).toEqual([paid]);
      }),
      { numRuns: CASES },
    );
  });

  test("behavior: two rollups that sell together share what they earn above their single bids", () => {
    const members = [{ reserve: 10n }, { reserve: 10n }, { reserve: 10n }];
    const all = bid(1, 0b111, 104n);
    const bids = [all, bid(2, 0b001, 40n), bid(3, 0b010, 20n)];
    expect(chooseWinners(members, bids, SEED)).toEqual([all]);
    // 34 above 40 + 20 + 10: 11 each, and 1 more for the first.
    expect(splitAmount(all, members, bids)).toEqual([52n, 31n, 21n]);
  });

  test("property: amounts next to 2^63 are exact", () => {
    const members = [{ reserve: AMOUNT_MAX - 5n }, { reserve: 5n }];
    const both = bid(1, 0b11, AMOUNT_MAX);
    expect(chooseWinners(members, [both], SEED)).toEqual([both]);
    expect(splitAmount(both, members, [both])).toEqual([AMOUNT_MAX - 5n, 5n]);
    const better = bid(2, 0b01, AMOUNT_MAX - 4n);
    expect(chooseWinners(members, [both, better], SEED)).toEqual([better]);
  });
});

test("behavior: 1,000 bids for twelve rollups: what each brings alone is more than any of them together", () => {
  const members = Array.from({ length: 12 }, (_, n) => ({ reserve: BigInt(n % 3) }));
  const masks = Array.from({ length: 1 << 12 }, (_, mask) => mask).filter((mask) => {
    const count = membersIn(mask).length;
    return count >= 1 && count <= 4;
  });
  const bids = Array.from({ length: 1_000 }, (_, n) => {
    const mask = masks[n % masks.length] ?? 1;
    return bid(n, mask, reserveOf(members, mask) + 1n);
  });
  const winners = chooseWinners(members, bids, SEED);
  // Single bids bring most: 1 above the reserve for each member.
  expect(winners.map(({ mask }) => mask)).toEqual(members.map((_, n) => 1 << n));
});

test("vector: the seed is a hash of these bytes", () => {
  const group = Buffer.alloc(32, 7);
  const points = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const bytes = Buffer.concat([
    Buffer.from("\u000fweft/auction/v1\u000bweft-test-1", "latin1"),
    Buffer.from("0000000000010203", "hex"),
    group,
    ...points,
  ]);
  const seed = toHex(auctionSeed("weft-test-1", 0x010203, new Uint8Array(group), points));
  expect(seed).toBe(createHash("sha256").update(bytes).digest("hex"));
  expect(seed).toBe("44c635042f57b389ce133f116490076d0657e550ace8558ea3c3f4cf508f8bdb");
});

test("behavior: the seed is bound to chain, height, group and all points in their order", () => {
  const points = [idOf(1), idOf(2)];
  const of = (chain: string, height: number, group: number, opened: readonly Uint8Array[]) =>
    toHex(auctionSeed(chain, height, idOf(group), opened));
  const seed = of("chain", 5, 9, points);
  expect(of("chain", 5, 9, points)).toBe(seed);
  const others = [
    of("chain2", 5, 9, points),
    of("chain", 6, 9, points),
    of("chain", 5, 8, points),
    of("chain", 5, 9, points.toReversed()),
    of("chain", 5, 9, points.slice(1)),
  ];
  expect(new Set([seed, ...others]).size).toBe(6);
});
