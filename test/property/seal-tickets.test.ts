/** Tickets against their definition: all coalitions of small sets, one by one. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allotTickets, minorityTickets, quorumTickets } from "../../mev/seal/tickets.ts";
import { TOTAL_VOTING_POWER_MAX } from "../../proto/limits.ts";

interface Coalition {
  readonly power: bigint;
  readonly tickets: number;
}

/** Every coalition of the set; those that are no members have power only. */
function coalitions(
  powers: readonly bigint[],
  tickets: readonly number[],
  outsiders: readonly bigint[],
): readonly Coalition[] {
  const all = [
    ...powers.map((power, at) => ({ power, tickets: tickets[at] ?? 0 })),
    ...outsiders.map((power) => ({ power, tickets: 0 })),
  ];
  let found: Coalition[] = [{ power: 0n, tickets: 0 }];
  for (const one of all) {
    found = found.flatMap((rest) => [
      rest,
      { power: rest.power + one.power, tickets: rest.tickets + one.tickets },
    ]);
  }
  return found;
}

/** t by its definition, and the most tickets of a third. */
function bounds(found: readonly Coalition[], total: bigint) {
  const quorums = found.filter(({ power }) => power * 3n > total * 2n);
  const thirds = found.filter(({ power }) => power * 3n <= total);
  const minorities = found.filter(({ power }) => power * 3n <= total * 2n);
  return {
    quorum: Math.min(...quorums.map(({ tickets }) => tickets)),
    minority: Math.max(...minorities.map(({ tickets }) => tickets)),
    third: Math.max(...thirds.map(({ tickets }) => tickets)),
  };
}

/** Written anew: one ticket at a time to who is owed most. */
function largestRemainder(powers: readonly bigint[], count: number): readonly number[] {
  const all = sum(powers);
  const tickets = powers.map((power) => Number((power * BigInt(count)) / all));
  const owed = powers.map((power, at) => power * BigInt(count) - BigInt(tickets[at] ?? 0) * all);
  for (let left = count - tickets.reduce((a, b) => a + b, 0); left > 0; left--) {
    let most = 0;
    for (const [at, rest] of owed.entries()) if (rest > (owed[most] ?? 0n)) most = at;
    tickets[most] = (tickets[most] ?? 0) + 1;
    owed[most] = -1n;
  }
  return tickets;
}

const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n);
const smallPower = fc.oneof(
  fc.bigInt({ min: 1n, max: 20n }),
  fc.bigInt({ min: 1n, max: 1_000_000n }),
  fc.bigInt({ min: 1n, max: TOTAL_VOTING_POWER_MAX / 16n }),
);

describe("tickets of a key", () => {
  test("holds against all coalitions, by brute force, and is the smallest that does", () => {
    fc.assert(
      fc.property(
        fc.array(smallPower, { minLength: 1, maxLength: 7 }),
        fc.array(smallPower, { maxLength: 2 }),
        (powers, outsiders) => {
          const total = sum(powers) + sum(outsiders);
          const allotment = allotTickets(powers, total);
          // With everybody in it, there is always one.
          expect(allotment !== undefined || outsiders.length > 0).toBe(true);
          if (allotment === undefined) return;
          const { tickets, threshold } = allotment;
          const { quorum, third } = bounds(coalitions(powers, tickets, outsiders), total);
          expect(threshold).toBe(quorum);
          expect(third).toBeLessThan(threshold);
          const count = tickets.reduce((all, of) => all + of, 0);
          expect(count).toBeGreaterThanOrEqual(powers.length);
          expect(count).toBeLessThanOrEqual(6 * powers.length);
          for (let fewer = powers.length; fewer < count; fewer++) {
            const split = coalitions(powers, largestRemainder(powers, fewer), outsiders);
            const smaller = bounds(split, total);
            expect(smaller.third).toBeGreaterThanOrEqual(smaller.quorum);
          }
          // Largest remainder: nobody is a whole ticket away from its due.
          for (const [at, power] of powers.entries()) {
            const due = power * BigInt(count);
            const got = BigInt(tickets[at] ?? 0) * sum(powers);
            expect(got > due - sum(powers) && got < due + sum(powers)).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("judges a set whose powers have changed since, by brute force", () => {
    const holder = fc.record({
      power: fc.oneof(fc.constant(0n), smallPower),
      tickets: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(holder, { minLength: 1, maxLength: 8 }),
        smallPower,
        (holders, other) => {
          const powers = holders.map(({ power }) => power);
          const tickets = holders.map((one) => one.tickets);
          const total = sum(powers) + other;
          const { quorum, minority } = bounds(coalitions(powers, tickets, [other]), total);
          expect(quorumTickets(holders, total)).toBe(quorum);
          expect(minorityTickets(holders, total)).toBe(minority);
        },
      ),
      { numRuns: 300 },
    );
  });
});
