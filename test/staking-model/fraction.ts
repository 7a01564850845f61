/** Exact rational numbers: nothing of the reference model is ever rounded. */
export interface Fraction {
  readonly top: bigint;
  /** Above 0; no common divisor with `top`. */
  readonly bottom: bigint;
}

export const ZERO: Fraction = { top: 0n, bottom: 1n };

/** top / bottom, `bottom` not 0. */
export function fraction(top: bigint, bottom = 1n): Fraction {
  if (bottom === 0n) throw new RangeError("a fraction has no bottom of 0");
  const sign = bottom < 0n ? -1n : 1n;
  const divisor = gcd(top < 0n ? -top : top, bottom * sign) * sign;
  return { top: top / divisor, bottom: bottom / divisor };
}

export function add(a: Fraction, b: Fraction): Fraction {
  return fraction(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom);
}

export function subtract(a: Fraction, b: Fraction): Fraction {
  return fraction(a.top * b.bottom - b.top * a.bottom, a.bottom * b.bottom);
}

export function multiply(a: Fraction, b: Fraction): Fraction {
  return fraction(a.top * b.top, a.bottom * b.bottom);
}

export function divide(a: Fraction, b: Fraction): Fraction {
  return fraction(a.top * b.bottom, a.bottom * b.top);
}

/** Below 0, 0 or above, as a is below, equal to or above b. */
export function compare(a: Fraction, b: Fraction): number {
  const difference = a.top * b.bottom - b.top * a.bottom;
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

export function distance(a: Fraction, b: Fraction): Fraction {
  return compare(a, b) < 0 ? subtract(b, a) : subtract(a, b);
}

export function floor({ top, bottom }: Fraction): bigint {
  const quotient = top / bottom;
  return top < 0n && quotient * bottom !== top ? quotient - 1n : quotient;
}

export function ceil(value: Fraction): bigint {
  return -floor({ top: -value.top, bottom: value.bottom });
}

function gcd(a: bigint, b: bigint): bigint {
  let [larger, smaller] = [a, b];
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller];
  return larger === 0n ? 1n : larger;
}
