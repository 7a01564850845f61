/** Coefficients that give a polynomial's value at zero from its values at tickets. */
import { assert } from "../../proto/errors.ts";
import { GROUP_ORDER } from "./group/group.ts";

/** A coefficient is `numerators[k]` / `denominator`, modulo the group order. */
export interface LagrangeCoefficients {
  readonly numerators: readonly bigint[];
  readonly denominator: bigint;
}

/** Above this, exact fractions are large and cost more than they save. */
const EXACT_TICKETS_MAX = 32;

/**
 * Of `tickets` (distinct, each at least 1, at least `threshold` of them) the `threshold` that lie closest
 * together, as indices into `tickets`: consecutive ones have small whole coefficients.
 */
export function chooseTickets(tickets: readonly number[], threshold: number): readonly number[] {
  assert(threshold >= 1 && tickets.length >= threshold, `${threshold} tickets are needed`);
  const order = tickets.map((ticket, index) => ({ ticket, index }));
  order.sort((a, b) => a.ticket - b.ticket);
  let best = 0;
  let bestSpan = Number.POSITIVE_INFINITY;
  for (let start = 0; start + threshold <= order.length; start++) {
    const span = (order[start + threshold - 1]?.ticket ?? 0) - (order[start]?.ticket ?? 0);
    if (span < bestSpan) [best, bestSpan] = [start, span];
  }
  return order.slice(best, best + threshold).map(({ index }) => index);
}

/** Coefficients at zero for distinct `tickets`: small integers wherever that is possible. */
export function lagrangeAtZero(tickets: readonly number[]): LagrangeCoefficients {
  const isExact = tickets.length <= EXACT_TICKETS_MAX;
  const fractions = tickets.map((ticket, k) => {
    assert(Number.isSafeInteger(ticket) && ticket >= 1, `a ticket is at least 1, got ${ticket}`);
    let numerator = 1n;
    let denominator = 1n;
    tickets.forEach((other, i) => {
      if (i === k) return;
      assert(other !== ticket, `ticket ${ticket} stands there twice`);
      numerator *= BigInt(other);
      denominator *= BigInt(other - ticket);
      if (isExact) return;
      numerator %= GROUP_ORDER;
      denominator %= GROUP_ORDER;
    });
    return isExact ? reduced(numerator, denominator) : { numerator, denominator };
  });
  if (!isExact) {
    const numerators = fractions.map((f) => (f.numerator * inverse(f.denominator)) % GROUP_ORDER);
    return { numerators, denominator: 1n };
  }
  let common = 1n;
  for (const { denominator } of fractions) {
    common = (common / gcd(common, denominator)) * denominator;
  }
  const numerators = fractions.map((f) => f.numerator * (common / f.denominator));
  return { numerators, denominator: common };
}

function reduced(
  numerator: bigint,
  denominator: bigint,
): { numerator: bigint; denominator: bigint } {
  const divisor = gcd(numerator, denominator);
  const sign = denominator < 0n ? -1n : 1n;
  return { numerator: (sign * numerator) / divisor, denominator: (sign * denominator) / divisor };
}

/** Of the magnitudes; positive. */
function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** Modulo the group order, by Euclid; variable time. */
function inverse(value: bigint): bigint {
  let [r0, r1] = [GROUP_ORDER, ((value % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER];
  let [t0, t1] = [0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1] = [r1, r0 - quotient * r1];
    [t0, t1] = [t1, t0 - quotient * t1];
  }
  return ((t0 % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER;
}
