import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { executionOrder, needsOrder } from "./execution-order.ts";
import { EntryKind, FillStatus } from "./manifest.ts";

const { ROLLUP_DATA, SEALED, BUNDLE_LEG, FORCED, SHUFFLED, BID } = EntryKind;
const entries = (...kinds: readonly EntryKind[]) => kinds.map((kind) => ({ kind }));
const isAbove = (kind: EntryKind | undefined) => kind === FORCED || kind === BID;
const NO_FILLS: ReadonlyMap<number, FillStatus> = new Map();

describe("execution order", () => {
  test("behavior: without bids and shuffled entries it is the order of the block", () => {
    expect(executionOrder([], NO_FILLS, undefined)).toEqual([]);
    expect(executionOrder(entries(ROLLUP_DATA, SEALED, BUNDLE_LEG), NO_FILLS, undefined)).toEqual([
      0, 1, 2,
    ]);
  });

  test("behavior: what is forced comes first, then the bid that won, and losing bids not at all", () => {
    const fills = new Map([
      [1, FillStatus.LOST],
      [2, FillStatus.OPENED],
      [3, FillStatus.EXPIRED],
      [5, FillStatus.INVALID],
    ]);
    const kinds = entries(SEALED, BID, BID, BID, FORCED, BID, ROLLUP_DATA);
    expect(executionOrder(kinds, fills, undefined)).toEqual([4, 2, 0, 6]);
  });

  test("behavior: shuffled entries take each other's places, everything else keeps its own", () => {
    const kinds = entries(SHUFFLED, ROLLUP_DATA, SHUFFLED, SEALED, SHUFFLED);
    expect(executionOrder(kinds, NO_FILLS, [4, 0, 2])).toEqual([4, 1, 0, 3, 2]);
    expect(needsOrder(kinds)).toBe(true);
  });

  test("behavior: one shuffled entry has its place and needs no order", () => {
    const kinds = entries(ROLLUP_DATA, SHUFFLED);
    expect(executionOrder(kinds, NO_FILLS, undefined)).toEqual([0, 1]);
    expect(needsOrder(kinds)).toBe(false);
  });

  test("behavior: two bids that are opened are refused", () => {
    const fills = new Map([
      [0, FillStatus.OPENED],
      [1, FillStatus.OPENED],
    ]);
    expect(executionOrder(entries(BID, BID), fills, undefined)).toMatchObject({
      code: "TWO_WINNERS",
    });
  });

  test("behavior: an order that is missing is refused", () => {
    expect(executionOrder(entries(SHUFFLED, SHUFFLED), NO_FILLS, undefined)).toMatchObject({
      code: "ORDER_MISSING",
    });
  });

  test.each([
    ["is too short", [0]],
    ["names an entry twice", [0, 0]],
    ["names an entry twice beside all others", [0, 2, 2]],
    ["names an entry that is not shuffled", [0, 1]],
    ["names a place that does not exist", [0, 9]],
  ])("behavior: an order that %s is refused", (_, order) => {
    const kinds = entries(SHUFFLED, ROLLUP_DATA, SHUFFLED);
    expect(executionOrder(kinds, NO_FILLS, order)).toMatchObject({
      code: "ORDER_NOT_A_PERMUTATION",
    });
  });

  test("behavior: an order where there is nothing to order is refused", () => {
    for (const [kinds, order] of [
      [entries(ROLLUP_DATA), []],
      [entries(SHUFFLED), [0]],
    ] as const) {
      expect(executionOrder(kinds, NO_FILLS, order)).toMatchObject({
        code: "ORDER_NOT_A_PERMUTATION",
      });
    }
  });

  test("property: every entry but losing bids is executed once, and only bids, forced and shuffled ones move", () => {
    const kind = fc.constantFrom(...Object.values(EntryKind));
    fc.assert(
      fc.property(fc.array(kind, { maxLength: 30 }), fc.nat(), fc.nat(), (kinds, seed, won) => {
        const all = entries(...kinds);
        const at = (wanted: EntryKind) =>
          kinds.flatMap((one, position) => (one === wanted ? [position] : []));
        const bids = at(BID);
        const winner = bids[won % (bids.length + 1)];
        const fills = new Map(
          bids.map((bid) => [bid, bid === winner ? FillStatus.OPENED : FillStatus.LOST]),
        );
        const places = at(SHUFFLED);
        const order = places.map((_, n) => places[(n + seed) % places.length] ?? 0);
        const executed = executionOrder(all, fills, needsOrder(all) ? order : undefined);
        if ("code" in executed) throw new Error(executed.code);
        const lost = new Set(bids.filter((bid) => bid !== winner));
        expect([...executed].sort((a, b) => a - b)).toEqual(
          kinds.map((_, position) => position).filter((position) => !lost.has(position)),
        );
        const stay = executed.filter((position) => !isAbove(kinds[position]));
        const own = kinds.flatMap((one, position) => (isAbove(one) ? [] : [position]));
        const moved = own.filter((position, n) => stay[n] !== position);
        expect(moved.filter((position) => kinds[position] !== SHUFFLED)).toEqual([]);
        expect(stay.filter((position) => kinds[position] === SHUFFLED)).toEqual(
          needsOrder(all) ? order : places,
        );
      }),
    );
  });
});
