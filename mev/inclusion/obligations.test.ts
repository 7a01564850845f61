import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { idAt, listsOf, MemoryTally, powersOf, validatorAt } from "../../test/support/mev-tally.ts";
import { itemBlockBytes } from "../lanes.ts";
import type { Listed } from "./keys.ts";
import { dueNow, obligationFault } from "./obligations.ts";

const SIZE = 300;
const BYTES = itemBlockBytes(SIZE);
const tx = (at: number, size = SIZE): Listed => ({ id: idAt(at), size });

/** Each batch is listed by all at its height. */
function armed(...batches: readonly (readonly [height: number, txs: readonly Listed[]])[]) {
  const four = [0, 1, 2, 3];
  const tally = new MemoryTally(
    powersOf(new Map(four.map((one) => [toHex(validatorAt(one)), 1n]))),
  );
  for (const [height, txs] of batches) {
    tally.fold(
      four.map((one) => listsOf(one, txs)),
      height,
    );
  }
  return tally;
}

const idsOf = (due: readonly Listed[]) => due.map(({ id }) => (id[3] ?? 0) - 1);

describe("behavior: what is due", () => {
  test("in order of the height it is due at, then the one it was listed at, then the id", () => {
    const tally = armed([12, [tx(0)]], [10, [tx(5), tx(7)]], [11, [tx(3)]]);
    expect(idsOf(dueNow(tally, 13, 10_000))).toEqual([]);
    expect(idsOf(dueNow(tally, 14, 10_000))).toEqual([5, 7]);
    expect(idsOf(dueNow(tally, 16, 10_000))).toEqual([5, 7, 3, 0]);
  });

  test("as much as fits, and nothing behind what does not", () => {
    const tally = armed([10, [tx(1), tx(2, SIZE + 50), tx(3)]]);
    expect(idsOf(dueNow(tally, 14, 3 * BYTES + 50))).toEqual([1, 2, 3]);
    expect(idsOf(dueNow(tally, 14, 3 * BYTES + 49))).toEqual([1, 2]);
    expect(idsOf(dueNow(tally, 14, 2 * BYTES + 49))).toEqual([1]);
    expect(idsOf(dueNow(tally, 14, BYTES - 1))).toEqual([]);
  });

  test("what no block has room for holds nobody up", () => {
    const tally = armed([10, [tx(1, 5_000), tx(2)]]);
    expect(idsOf(dueNow(tally, 14, 2_000))).toEqual([2]);
  });

  test("without what more than 1/3 of the power cannot have", () => {
    const tally = armed([10, [tx(1), tx(2)]]);
    tally.fold([listsOf(0, [], [idAt(1)])], 11);
    expect(idsOf(dueNow(tally, 14, 10_000))).toEqual([1, 2]);
    tally.fold([listsOf(1, [], [idAt(1)])], 12);
    expect(idsOf(dueNow(tally, 14, 10_000))).toEqual([2]);
  });
});

describe("behavior: the OBLIGATED lane is what is due", () => {
  const due = dueNow(armed([10, [tx(1), tx(2), tx(3)]]), 14, 10_000);

  test.each<[string, readonly Listed[], string | undefined]>([
    ["all of it", [tx(1), tx(2), tx(3)], undefined],
    ["nothing", [], "OBLIGATION_MISSING"],
    ["without the first", [tx(2), tx(3)], "OBLIGATION_MISSING"],
    ["without one in the middle", [tx(1), tx(3)], "OBLIGATION_MISSING"],
    ["without the last", [tx(1), tx(2)], "OBLIGATION_MISSING"],
    ["two swapped", [tx(2), tx(1), tx(3)], "OBLIGATION_ORDER"],
    ["one twice", [tx(1), tx(1), tx(2), tx(3)], "OBLIGATION_ORDER"],
    ["one twice at the end", [tx(1), tx(2), tx(3), tx(3)], "OBLIGATION_ORDER"],
    ["what is not due", [tx(1), tx(2), tx(3), tx(4)], "OBLIGATION_NOT_DUE"],
    ["another size", [tx(1, SIZE + 1), tx(2), tx(3)], "OBLIGATION_NOT_DUE"],
  ])("%s", (_, lane, code) => {
    expect(obligationFault(due, lane)?.code).toBe(code);
  });

  test("nothing is due: the lane is empty", () => {
    expect(obligationFault([], [])).toBeUndefined();
    expect(obligationFault([], [tx(1)])?.code).toBe("OBLIGATION_NOT_DUE");
  });
});
