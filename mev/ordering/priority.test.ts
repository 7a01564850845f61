import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { comparePriced, type PricedItem, priorityFault } from "./priority.ts";

function item(
  account: string,
  price: number,
  id: number,
  { hasNonce = true, isPriority = true } = {},
): PricedItem {
  return { account, price: BigInt(price), id: new Uint8Array(32).fill(id), hasNonce, isPriority };
}

const plain = { isPriority: false };
const unordered = { hasNonce: false };

describe("behavior: the DEFAULT lane of rollups that order by priority fee", () => {
  test("a lane in order of price passes, and so does an empty one", () => {
    expect(priorityFault([])).toBeUndefined();
    expect(priorityFault([item("a", 9, 1), item("b", 5, 2), item("c", 5, 3)])).toBeUndefined();
  });

  test("what stands behind a nonce may pay more than what stands before it", () => {
    expect(priorityFault([item("a", 1, 1), item("a", 9, 2), item("b", 1, 3)])).toBeUndefined();
    // The nonce that holds it up may be another rollup's.
    const lane = [item("b", 5, 3), item("a", 0, 1, plain), item("a", 9, 2)];
    expect(priorityFault(lane)).toBeUndefined();
  });

  test("items of other rollups stand anywhere", () => {
    const lane = [item("a", 1, 1, plain), item("b", 9, 2), item("c", 0, 3, plain), item("d", 8, 4)];
    expect(priorityFault(lane)).toBeUndefined();
  });

  test.each<[string, readonly PricedItem[]]>([
    ["a better price behind a worse one", [item("a", 5, 1), item("b", 9, 2)]],
    ["the same price and a smaller id behind", [item("a", 5, 2), item("b", 5, 1)]],
    [
      "far behind, with others between",
      [item("a", 5, 1), item("x", 99, 3, plain), item("b", 6, 2)],
    ],
    [
      "ready since the nonce before it, and held back behind another account",
      [item("a", 3, 1), item("b", 1, 2), item("a", 9, 3)],
    ],
    [
      "unordered ones of one account stand behind nothing",
      [item("a", 3, 1, unordered), item("a", 9, 2, unordered)],
    ],
  ])("attack: %s", (_, lane) => {
    const fault = priorityFault(lane);
    expect(fault?.code).toBe("ORDER_PRIORITY");
    expect(fault?.reason).toContain(toHex(lane.at(-1)?.id ?? new Uint8Array()));
  });

  test("prices that differ by less than a double can tell are told apart", () => {
    const high = 2n ** 62n;
    const cheap = { ...item("a", 0, 1), price: high };
    const dear = { ...item("b", 0, 2), price: high + 1n };
    expect(Number(cheap.price)).toBe(Number(dear.price));
    expect(priorityFault([cheap, dear])?.code).toBe("ORDER_PRIORITY");
    expect(priorityFault([dear, cheap])).toBeUndefined();
  });
});

const arbitraryItem = fc.record({
  account: fc.constantFrom("a", "b", "c", "d"),
  price: fc.bigInt({ min: 0n, max: 4n }),
  hasNonce: fc.boolean(),
  isPriority: fc.boolean(),
});

const arbitraryLane = fc
  .array(arbitraryItem, { maxLength: 24 })
  .map((items) =>
    items.map((one, at): PricedItem => ({ ...one, id: new Uint8Array(32).fill(at + 1) })),
  );

/** What may stand next: the unordered ones, and of each account the first of its nonces. */
function readyOf(rest: readonly PricedItem[]): readonly PricedItem[] {
  return rest.filter(
    (one, at) =>
      !one.hasNonce ||
      !rest.slice(0, at).some((other) => other.hasNonce && other.account === one.account),
  );
}

/** The rule as it is written, by trying everything. */
function breaks(lane: readonly PricedItem[]): boolean {
  return lane.some(
    (one, at) =>
      one.isPriority &&
      readyOf(lane.slice(at)).some(
        (other) => other !== one && other.isPriority && comparePriced(other, one) < 0,
      ),
  );
}

/** What a proposer does that draws the best ready item of all, again and again. */
function drawn(items: readonly PricedItem[]): readonly PricedItem[] {
  const lane: PricedItem[] = [];
  let rest = items;
  for (;;) {
    const [best] = [...readyOf(rest)].sort(comparePriced);
    if (best === undefined) return lane;
    lane.push(best);
    rest = rest.filter((one) => one !== best);
  }
}

describe("property: the rule and the draw", () => {
  test("the rule finds what trying everything finds", () => {
    fc.assert(
      fc.property(arbitraryLane, (lane) => {
        expect(priorityFault(lane) !== undefined).toBe(breaks(lane));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a global draw by price passes, whatever the rollups and however much of it does not fit", () => {
    fc.assert(
      fc.property(arbitraryLane, fc.func(fc.boolean()), (items, isLeftOut) => {
        const kept = items.filter(({ id }) => !isLeftOut(toHex(id)));
        expect(priorityFault(drawn(kept))).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  test("attack: two neighbours of different accounts that are drawn and swapped are refused", () => {
    fc.assert(
      fc.property(arbitraryLane, fc.nat(), (items, seed) => {
        const lane = [...drawn(items.map((one) => ({ ...one, isPriority: true })))];
        fc.pre(lane.length >= 2);
        const at = seed % (lane.length - 1);
        const [first, second] = [lane[at], lane[at + 1]];
        if (first === undefined || second === undefined) throw new RangeError("two neighbours");
        const isBehind = first.hasNonce && second.hasNonce && first.account === second.account;
        fc.pre(!isBehind && comparePriced(first, second) < 0);
        lane[at] = second;
        lane[at + 1] = first;
        expect(priorityFault(lane)?.code).toBe("ORDER_PRIORITY");
      }),
      { numRuns: 1_000 },
    );
  });
});
