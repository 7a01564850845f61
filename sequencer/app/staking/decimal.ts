/**
 * Fixed-point arithmetic of staking, slashing and rewards (spec staking C2): a *decimal* is a bigint in
 * units of 10^-18. Every operation says in its name which way it rounds; none of them takes a negative.
 */
import { assert } from "../../../proto/errors.ts";

/** 1 as a decimal. */
export const DECIMAL_ONE = 10n ** 18n;

const BPS = 10_000n;

/** A whole number as a decimal. */
export function toDecimal(whole: bigint): bigint {
  return whole * DECIMAL_ONE;
}

/** The whole part of a decimal. */
export function wholeDown(decimal: bigint): bigint {
  return quotientDown(decimal, DECIMAL_ONE);
}

/** The smallest whole number that is not below a decimal. */
export function wholeUp(decimal: bigint): bigint {
  return quotientUp(decimal, DECIMAL_ONE);
}

/**
 * The product of two decimals, a decimal; or of a whole number and a decimal, a whole number.
 *
 *     mulDown(stake, DECIMAL_ONE - fraction) // what a slash leaves, at most
 */
export function mulDown(a: bigint, b: bigint): bigint {
  return quotientDown(a * b, DECIMAL_ONE);
}

export function mulUp(a: bigint, b: bigint): bigint {
  return quotientUp(a * b, DECIMAL_ONE);
}

/** The quotient, as a decimal, of two decimals or of two whole numbers. */
export function divDown(a: bigint, b: bigint): bigint {
  return quotientDown(a * DECIMAL_ONE, b);
}

export function divUp(a: bigint, b: bigint): bigint {
  return quotientUp(a * DECIMAL_ONE, b);
}

/** a * b / c without rounding in between, rounded down; for shares and tokens. */
export function mulDivDown(a: bigint, b: bigint, c: bigint): bigint {
  return quotientDown(a * b, c);
}

export function mulDivUp(a: bigint, b: bigint, c: bigint): bigint {
  return quotientUp(a * b, c);
}

/** `bps` basis points of an amount, whole or decimal, rounded down. */
export function bpsOf(amount: bigint, bps: number): bigint {
  return quotientDown(amount * BigInt(bps), BPS);
}

function quotientDown(dividend: bigint, divisor: bigint): bigint {
  assert(dividend >= 0n && divisor > 0n, "decimals are not negative, and nothing is divided by 0");
  return dividend / divisor;
}

function quotientUp(dividend: bigint, divisor: bigint): bigint {
  assert(dividend >= 0n && divisor > 0n, "decimals are not negative, and nothing is divided by 0");
  return (dividend + divisor - 1n) / divisor;
}
