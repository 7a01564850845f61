import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DECIMAL_ONE, toDecimal } from "./decimal.ts";
import {
  askableOf,
  isWorthless,
  sharesOf,
  sharesToRemove,
  type Stake,
  tokensOf,
} from "./shares.ts";

test("vectors: shares and tokens as in the cosmos-sdk's rules", () => {
  // The first delegation: one share each.
  expect(sharesOf({ tokens: 0n, shares: 0n }, 5n)).toBe(toDecimal(5n));
  // A slash took a tenth: 9 tokens buy 10 shares.
  const slashed = { tokens: 90n, shares: toDecimal(100n) };
  expect(sharesOf(slashed, 9n)).toBe(toDecimal(10n));
  // 1 token buys 1.111... shares, rounded down at the 18th digit.
  expect(sharesOf(slashed, 1n)).toBe(1_111_111_111_111_111_111n);
  expect(tokensOf(slashed, toDecimal(10n))).toBe(9n);
  // 11 shares are worth 9.9.
  expect(tokensOf(slashed, toDecimal(11n))).toBe(9n);
  expect(tokensOf(slashed, toDecimal(100n))).toBe(90n);
});

test("behavior: the last share takes what rounding left", () => {
  // 3 shares, 10 tokens: each is worth 3.33.
  let stake: Stake = { tokens: 10n, shares: toDecimal(3n) };
  for (const expected of [3n, 3n, 4n]) {
    const tokens = tokensOf(stake, DECIMAL_ONE);
    expect(tokens).toBe(expected);
    stake = { tokens: stake.tokens - tokens, shares: stake.shares - DECIMAL_ONE };
  }
  expect(stake).toEqual({ tokens: 0n, shares: 0n });
});

test("behavior: shares without tokens have no price, and can still be cleared", () => {
  const stake = { tokens: 0n, shares: toDecimal(7n) };
  expect(isWorthless(stake)).toBe(true);
  expect(isWorthless({ tokens: 0n, shares: 0n })).toBe(false);
  expect(() => sharesOf(stake, 1n)).toThrow("no price");
  expect(askableOf(stake, toDecimal(2n))).toBe(1n);
  expect(sharesToRemove(stake, toDecimal(2n), 1n)).toBe(toDecimal(2n));
  expect(tokensOf(stake, toDecimal(2n))).toBe(0n);
});

test("behavior: who asks for all that shares are worth leaves no dust", () => {
  const stake = { tokens: 95n, shares: toDecimal(100n) };
  // 10 shares are worth 9.5: 9 takes all, 10 may be asked for and gives 9, 11 may not.
  expect(askableOf(stake, toDecimal(10n))).toBe(10n);
  expect(sharesToRemove(stake, toDecimal(10n), 9n)).toBe(toDecimal(10n));
  expect(sharesToRemove(stake, toDecimal(10n), 10n)).toBe(toDecimal(10n));
  expect(sharesToRemove(stake, toDecimal(10n), 8n)).toBe(8_421_052_631_578_947_369n);
});

const stakes = fc
  .record({ tokens: fc.bigInt(1n, 1n << 62n), shares: fc.bigInt(1n, 1n << 122n) })
  .filter(({ tokens, shares }) => tokens <= shares);

test("property: to buy and to sell never pays, and takes no one else's", () => {
  fc.assert(
    fc.property(stakes, fc.bigInt(1n, 1n << 60n), (before, amount) => {
      const bought = sharesOf(before, amount);
      const during = { tokens: before.tokens + amount, shares: before.shares + bought };
      const paid = tokensOf(during, bought);
      expect(paid <= amount, "never more than was given").toBe(true);
      const after = { tokens: during.tokens - paid, shares: during.shares - bought };
      // What the others' shares are worth has not fallen: after.t / after.s >= before.t / before.s.
      expect(after.tokens * before.shares >= before.tokens * after.shares).toBe(true);
    }),
  );
});

test("property: what is asked for is paid in whole, unless it was rounded up", () => {
  fc.assert(
    fc.property(stakes, fc.bigInt(1n, 1n << 60n), fc.bigInt(1n, 1n << 62n), (stake, part, ask) => {
      const held = (stake.shares * part) >> 60n || 1n;
      const askable = askableOf(stake, held);
      const amount = ask > askable ? askable : ask;
      const shares = sharesToRemove(stake, held, amount);
      expect(shares <= held).toBe(true);
      const paid = tokensOf(stake, shares);
      // Shares are dearer than 1 nweft in no reachable state: one unit never holds a whole one.
      expect(paid === amount || (shares === held && paid === tokensOf(stake, held))).toBe(true);
    }),
  );
});
