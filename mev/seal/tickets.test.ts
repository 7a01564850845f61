import { describe, expect, it } from "vitest";
import { TICKETS_MAX } from "../../proto/codec/seal-tx.ts";
import { TOTAL_VOTING_POWER_MAX } from "../../proto/limits.ts";
import { allotTickets, quorumTickets } from "./tickets.ts";

describe("tickets", () => {
  it("gives equal powers one each, and a threshold of more than two thirds", () => {
    const equal = (count: number) =>
      allotTickets(
        Array.from({ length: count }, () => 7n),
        BigInt(7 * count),
      );
    expect(equal(1)).toEqual({ tickets: [1], threshold: 1 });
    expect(equal(3)).toEqual({ tickets: [1, 1, 1], threshold: 3 });
    expect(equal(4)).toEqual({ tickets: [1, 1, 1, 1], threshold: 3 });
    expect(equal(7)).toEqual({ tickets: Array(7).fill(1), threshold: 5 });
    expect(equal(20)?.threshold).toBe(14);
    expect(equal(100)?.threshold).toBe(67);
  });

  it("finds none when those with a key have two thirds or less, or barely more", () => {
    expect(allotTickets([2n], 3n)).toBeUndefined();
    expect(allotTickets([1n, 1n], 3n)).toBeUndefined();
    expect(allotTickets([1_000_001n], 1_500_000n)).toBeDefined();
    expect(allotTickets([], 3n)).toBeUndefined();
    // 67 of 100 equal ones: 33 of them are kept away, 33 are a third, 34 are left.
    expect(allotTickets(Array<bigint>(67).fill(1n), 100n)?.threshold).toBe(34);
  });

  it("stops at the most tickets of a key", () => {
    const none = allotTickets(Array<bigint>(TICKETS_MAX + 1).fill(1n), BigInt(TICKETS_MAX + 1));
    expect(none).toBeUndefined();
  });

  it("is exact at the largest powers that there are", () => {
    const third = TOTAL_VOTING_POWER_MAX / 3n;
    // The total divides by three: two of them are exactly two thirds, which is no quorum.
    expect(allotTickets([third, third, third], 3n * third)?.threshold).toBe(3);
    expect(allotTickets([third + 1n, third, third - 1n], 3n * third)?.threshold).toBe(2);
  });

  it("gives validators that lost their power away to any coalition", () => {
    const holders = [0n, 10n, 10n, 10n].map((power) => ({ power, tickets: 1 }));
    // Above two thirds of thirty stand all three; of forty, one of them may be missing too.
    expect(quorumTickets(holders, 30n)).toBe(3);
    expect(quorumTickets(holders, 40n)).toBe(2);
  });
});
