/**
 * Decimal numbers of any length, compared as text: attribute values come from outside and may be
 * long, and a conversion to bigint costs the square of the length.
 */

/** A non-negative decimal: whole part without leading zeros, fraction without trailing ones. */
export interface Decimal {
  readonly whole: string;
  readonly fraction: string;
}

/**
 * The number that an attribute value starts with, so that `8atom` is 8 and `6.5stake` is 6.5;
 * undefined when it starts with none. A sign is none (`libs/pubsub/query`, `extractNum`).
 */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^(\d+)(?:\.(\d*))?/.exec(text);
  if (match === null) return undefined;
  return {
    whole: (match[1] ?? "").replace(/^0+/, ""),
    fraction: (match[2] ?? "").replace(/0+$/, ""),
  };
}

/** Negative, zero or positive. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.whole.length !== b.whole.length) return a.whole.length - b.whole.length;
  if (a.whole !== b.whole) return a.whole < b.whole ? -1 : 1;
  if (a.fraction === b.fraction) return 0;
  return a.fraction < b.fraction ? -1 : 1;
}
