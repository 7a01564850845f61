import { describe, expect, test } from "vitest";
import { Height } from "../brands.ts";
import { decidedOrder } from "./decided-order.ts";
import { type DecisionEntry, DecisionOutcome, orderHash } from "./manifest.ts";

const order = (height: number, positions: readonly number[], seed = 1): DecisionEntry => ({
  subject: new Uint8Array(32).fill(seed),
  outcome: DecisionOutcome.ORDER,
  height: Height(height),
  detailHash: orderHash(positions),
});
const HEIGHT = Height(5);

describe("decided order", () => {
  test("behavior: the positions of the decision about this block, whatever else was decided", () => {
    const decisions = [order(4, [7, 8]), order(5, [2, 0]), order(6, [1, 0])];
    expect(decidedOrder(HEIGHT, decisions, [2, 0])).toEqual({ positions: [2, 0] });
  });

  test("behavior: without a decision there is no order", () => {
    expect(decidedOrder(HEIGHT, [order(4, [7, 8])], [])).toEqual({ positions: undefined });
  });

  test.each([
    ["in another order", [0, 2]],
    ["of which one is missing", [2]],
    ["of which none came", []],
    ["that are no numbers of 32 bits", [2, 2 ** 32]],
    ["that are no whole numbers", [2, 0.5]],
    ["below 0", [2, -1]],
  ])("behavior: positions %s are refused", (_, positions) => {
    expect(decidedOrder(HEIGHT, [order(5, [2, 0])], positions)).toMatchObject({
      code: "ORDER_DIFFERS",
    });
  });

  test("behavior: positions that nobody decided are refused", () => {
    expect(decidedOrder(HEIGHT, [order(4, [2, 0])], [2, 0])).toMatchObject({
      code: "ORDER_UNEXPECTED",
    });
  });

  test("behavior: two decisions about one block are refused", () => {
    const decisions = [order(5, [2, 0]), order(5, [0, 2], 2)];
    expect(decidedOrder(HEIGHT, decisions, [2, 0])).toMatchObject({ code: "ORDER_TWICE" });
  });
});
