import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GROUP_ORDER } from "./group/group.ts";
import { chooseTickets, lagrangeAtZero } from "./lagrange.ts";

/** Whether the coefficients give f(0) from f at the tickets, for f = x^d, every d below their number. */
function interpolate(tickets: readonly number[]): boolean {
  const { numerators, denominator } = lagrangeAtZero(tickets);
  return tickets.every((_, degree) => {
    const sum = tickets.reduce(
      (total, ticket, k) => total + (numerators[k] ?? 0n) * BigInt(ticket) ** BigInt(degree),
      0n,
    );
    const expected = degree === 0 ? denominator : 0n;
    return (sum - expected) % GROUP_ORDER === 0n;
  });
}

describe("coefficients at zero", () => {
  it("interpolate polynomials of every degree", () => {
    const tickets = fc.uniqueArray(fc.integer({ min: 1, max: 600 }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(tickets, (list) => {
        expect(interpolate(list)).toBe(true);
      }),
      { numRuns: 60 },
    );
    expect(interpolate(Array.from({ length: 60 }, (_, i) => 600 - 7 * i))).toBe(true);
  });

  it("are small whole numbers for consecutive tickets", () => {
    expect(lagrangeAtZero([1, 2, 3])).toEqual({ numerators: [3n, -3n, 1n], denominator: 1n });
    expect(lagrangeAtZero([4, 2, 3])).toEqual({ numerators: [3n, 6n, -8n], denominator: 1n });
    expect(lagrangeAtZero([5])).toEqual({ numerators: [1n], denominator: 1n });
    expect(lagrangeAtZero([1, 2, 4])).toEqual({ numerators: [8n, -6n, 1n], denominator: 3n });
  });

  it("need distinct tickets from 1 on", () => {
    expect(() => lagrangeAtZero([2, 2])).toThrow("stands there twice");
    expect(() => lagrangeAtZero([0, 1])).toThrow("at least 1");
    expect(() => lagrangeAtZero([1.5])).toThrow("at least 1");
  });
});

describe("choice of tickets", () => {
  it("takes those that lie closest together, by ticket", () => {
    expect(chooseTickets([1, 3, 4, 5], 3)).toEqual([1, 2, 3]);
    expect(chooseTickets([9, 1, 8, 3, 10], 3)).toEqual([2, 0, 4]);
    expect(chooseTickets([4, 2], 2)).toEqual([1, 0]);
    expect(() => chooseTickets([1, 2], 3)).toThrow("3 tickets are needed");
  });
});
