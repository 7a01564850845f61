/** The tally of inclusion lists against a model, and the bound that it promises. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { itemBlockBytes } from "../../mev/lanes.ts";
import { type Listed, listingKey } from "../../mev/inclusion/keys.ts";
import { chooseListed } from "../../mev/inclusion/lister.ts";
import { dueNow, obligationFault } from "../../mev/inclusion/obligations.ts";
import { isReleased, listingWindow, type ListsOf } from "../../mev/inclusion/tally.ts";
import { toHex } from "../../proto/bytes.ts";
import { LISTINGS_OPEN_MAX } from "../../proto/codec/mev-state.ts";
import { idAt, listsOf, MemoryTally, powersOf, validatorAt } from "../support/mev-tally.ts";

const VALIDATORS_MAX = 9;
const TXS = 6;
const SIZE = 200;
const tx = (at: number): Listed => ({ id: idAt(at), size: SIZE });

function tallyOf(powers: readonly bigint[]): MemoryTally {
  return new MemoryTally(
    powersOf(new Map(powers.map((power, index) => [toHex(validatorAt(index)), power]))),
  );
}

describe("property: the tally", () => {
  const powers = fc.array(fc.bigInt({ min: 1n, max: 1n << 60n }), {
    minLength: 1,
    maxLength: VALIDATORS_MAX,
  });
  const said = fc.record({
    validator: fc.nat(VALIDATORS_MAX - 1),
    listed: fc.uniqueArray(fc.nat(TXS - 1)),
    withdrawn: fc.uniqueArray(fc.nat(TXS - 1)),
  });
  const blocks = fc.array(
    fc.record({
      lists: fc.uniqueArray(said, { selector: ({ validator }) => validator, maxLength: 9 }),
      included: fc.uniqueArray(fc.nat(TXS - 1), { maxLength: 1 }),
    }),
    { maxLength: 40 },
  );

  test("arms, releases and forgets as a plain model does, whatever is said", () => {
    fc.assert(
      fc.property(powers, blocks, (power, heights) => {
        const tally = tallyOf(power);
        const total = power.reduce((sum, one) => sum + one, 0n);
        const sum = (of: ReadonlySet<number>) =>
          [...of].reduce((all, one) => all + (power[one] ?? 0n), 0n);
        const model = new Map<number, Model>();
        for (const [at, { lists, included }] of heights.entries()) {
          const height = 100 + at;
          tally.fold(
            lists.map(({ validator, listed, withdrawn }) =>
              listsOf(validator, listed.map(tx), withdrawn.map(idAt)),
            ),
            height,
          );
          for (const { validator, listed, withdrawn } of lists) {
            for (const one of listed) {
              const known = model.get(one) ?? newModel(height);
              model.set(one, known);
              known.listers.add(validator);
              known.withdrawn.delete(validator);
            }
            for (const one of withdrawn) {
              const known = model.get(one);
              if (known !== undefined && known.due !== undefined && known.due < height + 4) {
                known.withdrawn.add(validator);
              }
            }
          }
          for (const one of model.values()) {
            if (one.due === undefined && sum(one.listers) * 3n > total * 2n) one.due = height + 4;
          }
          for (const one of included) {
            tally.include(idAt(one));
            model.delete(one);
          }
          tally.forget(height);
          const window = listingWindow(power.length);
          for (const [one, known] of model) {
            const isFree = sum(known.withdrawn) * 3n > total;
            const isOver =
              known.due === undefined
                ? known.first + window <= height
                : known.due + window <= height && isFree;
            if (isOver) model.delete(one);
          }
          expect(tally.size).toBe(model.size);
          for (const [one, known] of model) {
            const listing = tally.listing(listingKey(tx(one)));
            expect(listing).toMatchObject({ firstHeight: known.first, dueHeight: known.due ?? 0 });
            expect(listing?.listers).toHaveLength(known.listers.size);
            expect(listing && isReleased(listing, tally)).toBe(sum(known.withdrawn) * 3n > total);
          }
          const due = dueNow(tally, height + 1, 10_000);
          const wanted = [...model].filter(
            ([, known]) =>
              known.due !== undefined &&
              known.due <= height + 1 &&
              sum(known.withdrawn) * 3n <= total,
          );
          expect(due).toHaveLength(wanted.length);
          expect(obligationFault(due, due)).toBeUndefined();
        }
      }),
      { numRuns: 300 },
    );
  });

  test("the records are at most 128 for each validator, however much is listed", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(20)), { maxLength: 30 }), (pages) => {
        const tally = tallyOf([1n, 1n, 1n, 1n]);
        for (const [at, [validator, page]] of pages.entries()) {
          const junk = Array.from({ length: 64 }, (_, place) => tx(page * 64 + place));
          tally.fold([listsOf(validator, junk)], 10 + at);
          expect(tally.size).toBeLessThanOrEqual(LISTINGS_OPEN_MAX * 4);
          const open = [0, 1, 2, 3].map((one) => tally.openCount(toHex(validatorAt(one))));
          expect(open.reduce((all, one) => all + one, 0)).toBe(tally.size);
          expect(Math.max(...open)).toBeLessThanOrEqual(LISTINGS_OPEN_MAX);
        }
      }),
      { numRuns: 50 },
    );
  });
});

interface Model {
  readonly first: number;
  readonly listers: Set<number>;
  readonly withdrawn: Set<number>;
  due: number | undefined;
}

function newModel(first: number): Model {
  return { first, listers: new Set(), withdrawn: new Set(), due: undefined };
}

describe("property: the bound on censorship", () => {
  const DUE_BLOCKS = 4;

  /**
   * Nobody includes anything of their own accord. Faulty proposers leave out the lists of as many honest
   * validators as they can and list junk; honest ones bring all. Returns the height of inclusion.
   */
  function includedAt(
    n: number,
    order: readonly boolean[],
    blanked: readonly number[],
    openedAgo: number,
  ): number {
    const f = Math.floor((n - 1) / 3);
    const tally = tallyOf(Array.from({ length: n }, () => 1n));
    const target = tx(0);
    // A faulty validator lists it so early that it is forgotten while the others come to know it.
    if (openedAgo > 0) tally.fold([listsOf(0, [target])], 101 - openedAgo, DUE_BLOCKS);
    const isFaulty = (validator: number): boolean => validator < f;
    const sayings = (validator: number, height: number): ListsOf => {
      if (isFaulty(validator)) {
        const junk = [0, 1, 2].map((at) => tx(1_000 + height * 100 + validator * 10 + at));
        return listsOf(validator, junk, [target.id]);
      }
      const held = [{ ...target, agoMs: 0, rollupKeys: [] }];
      const limits = { validator: validatorAt(validator), height, roomBytes: 10_000 };
      return listsOf(validator, chooseListed(held, tally, { ...limits, canKeep: () => true }));
    };
    let before: readonly ListsOf[] = [];
    // Ready at all honest validators when the block at height 100 is decided.
    for (let height = 101; ; height++) {
      const isFaultyProposer = order[(height - 101) % order.length] ?? false;
      const due = dueNow(tally, height, 10 * itemBlockBytes(SIZE));
      // P7: even a faulty proposer has to hold what is due.
      if (due.some(({ id }) => toHex(id) === toHex(target.id))) return height;
      for (const { id } of due) tally.include(id);
      // Votes on this block know the state below it; the next block brings them.
      const said = Array.from({ length: n }, (_, validator) => sayings(validator, height));
      const lists = before.filter(
        (_, validator) =>
          !isFaultyProposer || isFaulty(validator) || !blanked.slice(0, f).includes(validator - f),
      );
      before = said;
      tally.fold(lists, height, DUE_BLOCKS);
      tally.forget(height);
    }
  }

  test.each([4, 7, 10, 13])(
    "%i validators: in a block by h + 2 + f + D, whoever proposes and leaves out",
    (n) => {
      const f = Math.floor((n - 1) / 3);
      // f faulty proposers in a row at the worst, in any place of the rotation.
      const order = fc
        .shuffledSubarray(
          Array.from({ length: n }, (_, at) => at),
          { minLength: n, maxLength: n },
        )
        .map((places) => places.map((validator) => validator < f));
      const blanked = fc.shuffledSubarray(Array.from({ length: n - f }, (_, at) => at));
      fc.assert(
        fc.property(order, blanked, fc.nat(30), (turns, left, openedAgo) => {
          expect(includedAt(n, turns, left, openedAgo)).toBeLessThanOrEqual(
            100 + 2 + f + DUE_BLOCKS,
          );
        }),
        { numRuns: 500 },
      );
    },
  );
});
