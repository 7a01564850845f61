import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bpsOf,
  DECIMAL_ONE,
  divDown,
  divUp,
  mulDivDown,
  mulDivUp,
  mulDown,
  mulUp,
  toDecimal,
  wholeDown,
  wholeUp,
} from "./decimal.ts";

const amount = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
const positive = fc.bigInt({ min: 1n, max: (1n << 63n) - 1n });

describe("decimals", () => {
  test("behavior: rounds the way its name says", () => {
    const third = divDown(1n, 3n);
    expect(third).toBe(333_333_333_333_333_333n);
    expect(divUp(1n, 3n)).toBe(third + 1n);
    expect(mulDown(third, toDecimal(3n))).toBe(DECIMAL_ONE - 1n);
    expect(mulDown(100n, third)).toBe(33n);
    expect(mulUp(100n, third)).toBe(34n);
    expect(wholeDown(DECIMAL_ONE - 1n)).toBe(0n);
    expect(wholeUp(1n)).toBe(1n);
    expect(wholeUp(toDecimal(2n))).toBe(2n);
    expect(mulDivDown(7n, 10n, 3n)).toBe(23n);
    expect(mulDivUp(7n, 10n, 3n)).toBe(24n);
    expect(mulDivUp(9n, 10n, 3n)).toBe(30n);
  });

  test("behavior: takes basis points of an amount and leaves the rest", () => {
    expect(bpsOf(1_000n, 500)).toBe(50n);
    expect(bpsOf(19n, 500)).toBe(0n);
    expect(bpsOf(20n, 500)).toBe(1n);
    expect(bpsOf(123n, 10_000)).toBe(123n);
  });

  test("behavior: refuses negatives and division by zero, which only a bug asks for", () => {
    expect(() => mulDown(-1n, 1n)).toThrow("not negative");
    expect(() => divUp(1n, 0n)).toThrow("divided by 0");
    expect(() => divDown(1n, -1n)).toThrow("not negative");
    expect(() => wholeUp(-1n)).toThrow("not negative");
  });

  test("behavior: down and up enclose the exact quotient", () => {
    fc.assert(
      fc.property(amount, positive, (a, b) => {
        const down = divDown(a, b);
        const up = divUp(a, b);
        expect(down * b <= a * DECIMAL_ONE && a * DECIMAL_ONE <= up * b).toBe(true);
        expect(up - down <= 1n).toBe(true);
        expect(wholeDown(toDecimal(a))).toBe(a);
        expect(wholeUp(toDecimal(a))).toBe(a);
      }),
    );
  });
});
