import * as fc from "fast-check";
import { expect, test } from "vitest";
import { feePerByte, nextBaseFee } from "./base-fee.ts";

const params = {
  baseFeeMin: 10n,
  baseFeeMax: 10_000n,
  baseFeeChangeDenominator: 8,
  blockBytesTarget: 1_000,
};

test("vectors: EIP-1559's rule with bytes for gas", () => {
  expect(nextBaseFee(1_000n, 1_000, params)).toBe(1_000n);
  expect(nextBaseFee(1_000n, 2_000, params)).toBe(1_125n);
  expect(nextBaseFee(1_000n, 9_999, params), "counts as twice the target").toBe(1_125n);
  expect(nextBaseFee(1_000n, 1_500, params)).toBe(1_062n);
  expect(nextBaseFee(1_000n, 0, params)).toBe(875n);
  expect(nextBaseFee(10n, 1_001, params), "rises by at least one").toBe(11n);
  expect(nextBaseFee(10n, 0, params)).toBe(10n);
  expect(nextBaseFee(10_000n, 2_000, params)).toBe(10_000n);
});

test("property: stays within its bounds and moves by an eighth at most", () => {
  fc.assert(
    fc.property(fc.bigInt(10n, 10_000n), fc.nat(5_000), (base, used) => {
      const next = nextBaseFee(base, used, params);
      expect(next >= params.baseFeeMin && next <= params.baseFeeMax).toBe(true);
      const change = next > base ? next - base : base - next;
      expect(change <= base / 8n || change === 1n).toBe(true);
    }),
  );
});

test("behavior: the tip is cut so that base and tip stay below the maximum", () => {
  expect(feePerByte({ maxFeePerByte: 10n, tipPerByte: 3n }, 5n)).toBe(8n);
  expect(feePerByte({ maxFeePerByte: 10n, tipPerByte: 30n }, 5n)).toBe(10n);
  expect(feePerByte({ maxFeePerByte: 5n, tipPerByte: 30n }, 5n)).toBe(5n);
});
