import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { LISTERS_MAX, LISTING_CODEC, LISTINGS_OPEN_MAX } from "../../proto/codec/mev-state.ts";
import { assert } from "../../proto/errors.ts";
import { idAt, listsOf, MemoryTally, powersOf, validatorAt } from "../../test/support/mev-tally.ts";
import { listingKey } from "./keys.ts";
import { isReleased, listingWindow } from "./tally.ts";

const TX = { id: idAt(0), size: 300 };
const KEY = listingKey(TX);

function tallyOf(powers: readonly bigint[]): MemoryTally {
  return new MemoryTally(
    powersOf(new Map(powers.map((power, index) => [toHex(validatorAt(index)), power]))),
  );
}

const four = () => tallyOf([10n, 10n, 10n, 10n]);
const listers = (tally: MemoryTally) => tally.listing(KEY)?.listers.map((one) => one[3]);

describe("behavior: lists are added up over heights", () => {
  test("more than 2/3 of the power makes a transaction due, D heights after the block", () => {
    const tally = four();
    expect(tally.fold([listsOf(0, [TX]), listsOf(1, [TX])], 10).armed).toEqual([]);
    expect(tally.listing(KEY)).toMatchObject({ firstHeight: 10, dueHeight: 0 });
    const { armed } = tally.fold([listsOf(3, [TX])], 12);
    expect(armed).toEqual([{ ...TX, firstHeight: 10, dueHeight: 16 }]);
    expect(tally.due()).toEqual(armed);
  });

  test("exactly 2/3 is not enough, and who says it twice counts once", () => {
    const tally = tallyOf([2n, 2n, 1n, 1n]);
    for (const height of [10, 11, 12]) {
      expect(tally.fold([listsOf(0, [TX]), listsOf(1, [TX])], height).armed).toEqual([]);
    }
    expect(tally.fold([listsOf(2, [TX])], 13).armed).toHaveLength(1);
  });

  test("what is armed is armed once", () => {
    const tally = four();
    tally.fold(
      [0, 1, 2].map((one) => listsOf(one, [TX])),
      10,
    );
    expect(tally.fold([listsOf(3, [TX])], 11).armed).toEqual([]);
    expect(tally.due()).toEqual([{ ...TX, firstHeight: 10, dueHeight: 14 }]);
    expect(listers(tally)).toEqual([1, 2, 3, 4]);
  });

  test("who is in no set counts for nothing", () => {
    const tally = tallyOf([10n, 10n, 10n]);
    expect(tally.fold([listsOf(0, [TX]), listsOf(1, [TX]), listsOf(7, [TX])], 10).armed).toEqual(
      [],
    );
  });

  test("a record never holds more listers than it has room for: those without power make way", () => {
    const tally = tallyOf(Array.from({ length: LISTERS_MAX }, () => 1n));
    const half = LISTERS_MAX / 2;
    const gone = Array.from({ length: half + 1 }, (_, at) => listsOf(LISTERS_MAX + at, [TX]));
    const there = Array.from({ length: half }, (_, at) => listsOf(at, [TX]));
    tally.fold(gone, 10);
    tally.fold(there, 11);
    const listing = tally.listing(KEY);
    assert(listing !== undefined, "it is listed");
    expect(listing.listers).toHaveLength(half);
    expect(LISTING_CODEC.decode(LISTING_CODEC.encode(listing))).toEqual(listing);
  });

  test("a wrong size lists another thing", () => {
    const tally = four();
    tally.fold([listsOf(0, [TX]), listsOf(1, [{ ...TX, size: 301 }]), listsOf(2, [TX])], 10);
    expect(tally.due()).toEqual([]);
    expect(tally.keysOf(TX.id)).toHaveLength(2);
  });
});

describe("behavior: a validator has a quota of open listings", () => {
  const many = Array.from({ length: LISTINGS_OPEN_MAX + 2 }, (_, at) => ({
    id: idAt(at),
    size: 100,
  }));

  test("the first lister opens; without quota the next one does, or nobody", () => {
    const tally = four();
    tally.fold([listsOf(0, many)], 10);
    expect(tally.size).toBe(LISTINGS_OPEN_MAX);
    expect(tally.openCount(toHex(validatorAt(0)))).toBe(LISTINGS_OPEN_MAX);
    // It still joins what others open.
    tally.fold([listsOf(1, many.slice(-1)), listsOf(0, many.slice(-1))], 11);
    expect(tally.openCount(toHex(validatorAt(1)))).toBe(1);
    expect(tally.listing(listingKey(many.at(-1) ?? TX))?.listers).toHaveLength(2);
  });

  test("what is in a block, or forgotten, makes room", () => {
    const tally = four();
    tally.fold([listsOf(0, many)], 10);
    tally.include(idAt(3));
    expect(tally.fold([listsOf(0, many.slice(-1))], 11).opened).toHaveLength(1);
    expect(tally.forget(10 + listingWindow(4))).toHaveLength(LISTINGS_OPEN_MAX - 1);
    expect(tally.openCount(toHex(validatorAt(0)))).toBe(1);
  });
});

describe("behavior: nobody is held to what more than 1/3 of the power cannot have", () => {
  test("only what is armed can be withdrawn, and to list it again takes that back", () => {
    const tally = four();
    tally.fold([listsOf(0, [TX]), listsOf(1, [TX]), listsOf(3, [], [TX.id])], 10);
    expect(tally.listing(KEY)?.withdrawn).toEqual([]);
    tally.fold([listsOf(2, [TX])], 11);
    expect(tally.fold([listsOf(3, [], [TX.id])], 12).withdrawals).toBe(1);
    expect(tally.fold([listsOf(3, [], [TX.id])], 13).withdrawals).toBe(0);
    const one = tally.listing(KEY);
    expect(one && isReleased(one, tally)).toBe(false);
    tally.fold([listsOf(0, [], [TX.id])], 14);
    const two = tally.listing(KEY);
    expect(two && isReleased(two, tally)).toBe(true);
    // A lister stays one: power that was shown is not lost by it.
    expect(listers(tally)).toEqual([1, 2, 3]);
    tally.fold([listsOf(3, [TX])], 15);
    const three = tally.listing(KEY);
    expect(three && isReleased(three, tally)).toBe(false);
  });

  test("exactly 1/3 holds nobody free", () => {
    const tally = tallyOf([1n, 1n, 1n]);
    tally.fold(
      [0, 1, 2].map((one) => listsOf(one, [TX])),
      10,
    );
    tally.fold([listsOf(0, [], [TX.id])], 11);
    const listing = tally.listing(KEY);
    expect(listing && isReleased(listing, tally)).toBe(false);
  });
});

describe("behavior: listings are forgotten in time", () => {
  test("the window covers twice the faulty proposers in a row, and at least 20", () => {
    expect([1, 4, 7, 28, 100].map(listingWindow)).toEqual([20, 20, 20, 22, 70]);
  });

  test("what was not listed by enough power is gone after the window, opened again it counts anew", () => {
    const tally = four();
    tally.fold([listsOf(0, [TX])], 10);
    expect(tally.forget(29)).toEqual([]);
    tally.include(TX.id);
    tally.fold([listsOf(1, [TX])], 15);
    expect(tally.forget(30)).toEqual([]);
    expect(tally.forget(35)).toEqual([KEY]);
  });

  test("what is due waits for as long as it takes, unless nobody is held to it or no block has room", () => {
    const tally = four();
    tally.fold(
      [0, 1, 2].map((one) => listsOf(one, [TX])),
      10,
    );
    expect(tally.forget(1_000)).toEqual([]);
    tally.fold([listsOf(0, [], [TX.id]), listsOf(1, [], [TX.id])], 1_001);
    expect(tally.forget(1_001)).toEqual([KEY]);

    tally.fold(
      [0, 1, 2].map((one) => listsOf(one, [TX])),
      2_000,
    );
    expect(tally.forget(2_023, () => true)).toEqual([]);
    expect(tally.forget(2_024, () => true)).toEqual([KEY]);
  });
});
