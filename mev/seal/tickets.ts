/**
 * Power in whole tickets, so that a threshold of tickets says what a share of power says (spec
 * encrypted-mempool B.2): whoever has at most a third of the power opens nothing, whoever has more than two
 * thirds opens everything. Exact: integers only, no bound is estimated.
 */
import { TICKETS_MAX } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { TOTAL_VOTING_POWER_MAX } from "../../proto/limits.ts";

/** Somebody's power and tickets; either may be 0. */
export interface TicketHolder {
  readonly power: bigint;
  readonly tickets: number;
}

export interface TicketAllotment {
  /** In the order of the powers; 0 for one that has too little power for a ticket. */
  readonly tickets: readonly number[];
  /** t: the fewest tickets that more than two thirds of all power may hold. */
  readonly threshold: number;
}

/** Tickets for each member, at most; a search that goes further gains nothing when all are members. */
const TICKETS_PER_MEMBER_MAX = 6;

/**
 * The smallest number of tickets, at least one for each member on average, whose split by the largest
 * remainders (the earlier member's among equals) leaves every coalition of at most a third of the total
 * power below t; undefined when no number up to 6 for each member and `TICKETS_MAX` does, as when members
 * have little more than two thirds.
 * @param powers of the members, each above 0
 * @param totalPower of the whole set, of which those that are no members have no tickets
 */
export function allotTickets(
  powers: readonly bigint[],
  totalPower: bigint,
): TicketAllotment | undefined {
  const memberPower = powers.reduce((sum, power) => sum + power, 0n);
  assert(
    powers.every((power) => power > 0n) && memberPower <= totalPower,
    "members have power, together no more than there is",
  );
  // Others can stand in every coalition above two thirds, so members alone must not fit beside it twice.
  if (powers.length === 0 || memberPower * 3n <= totalPower * 2n) return undefined;
  const countMax = Math.min(TICKETS_MAX, TICKETS_PER_MEMBER_MAX * powers.length);
  for (let count = powers.length; count <= countMax; count++) {
    const tickets = largestRemainder(powers, memberPower, count);
    const holders = powers.map((power, at) => ({ power, tickets: tickets[at] ?? 0 }));
    const threshold = quorumTickets(holders, totalPower);
    if (mostTickets(holders, totalPower / 3n) < threshold) return { tickets, threshold };
  }
  return undefined;
}

/**
 * The fewest tickets that any coalition of more than two thirds of the total power holds: all but the most
 * that less than a third of it can keep away.
 */
export function quorumTickets(holders: readonly TicketHolder[], totalPower: bigint): number {
  assert(totalPower > 0n && totalPower <= TOTAL_VOTING_POWER_MAX, "a set has power, within bounds");
  // 3 × power < total, as an upper bound of the power.
  return ticketsOf(holders) - mostTickets(holders, (totalPower - 1n) / 3n);
}

/** The most tickets that any coalition of at most two thirds of the total power holds. */
export function minorityTickets(holders: readonly TicketHolder[], totalPower: bigint): number {
  assert(totalPower > 0n && totalPower <= TOTAL_VOTING_POWER_MAX, "a set has power, within bounds");
  return mostTickets(holders, (totalPower * 2n) / 3n);
}

/** The most tickets that holders of so much power together have: a knapsack over tickets. */
function mostTickets(holders: readonly TicketHolder[], powerMax: bigint): number {
  // At [k]: the least power that holds exactly k tickets; above any sum while there is none.
  const least = new BigInt64Array(ticketsOf(holders) + 1).fill(UNREACHED);
  least[0] = 0n;
  let most = 0;
  for (const { power, tickets } of holders) {
    if (tickets === 0 || power > powerMax) continue;
    for (let have = most; have >= 0; have--) {
      const before = least[have] ?? UNREACHED;
      // In 64 bits on purpose, which engines compute without big integers: sums stay below 2^63.
      const sum = BigInt.asIntN(64, before + power);
      if (sum > powerMax || sum >= (least[have + tickets] ?? UNREACHED)) continue;
      least[have + tickets] = sum;
      if (have + tickets > most) most = have + tickets;
    }
  }
  return most;
}

/** Above every power and sum of powers, and far enough below 2^63 to add one. */
const UNREACHED = 1n << 62n;

function ticketsOf(holders: readonly TicketHolder[]): number {
  return holders.reduce((sum, { tickets }) => sum + tickets, 0);
}

function largestRemainder(
  powers: readonly bigint[],
  memberPower: bigint,
  count: number,
): readonly number[] {
  const parts = powers.map((power, at) => {
    const scaled = power * BigInt(count);
    return { at, whole: Number(scaled / memberPower), rest: scaled % memberPower };
  });
  const tickets = parts.map(({ whole }) => whole);
  let left = count - tickets.reduce((sum, whole) => sum + whole, 0);
  // Sorting is stable: among equals the earlier one.
  const byRest = [...parts].sort((a, b) => (a.rest === b.rest ? 0 : a.rest > b.rest ? -1 : 1));
  for (const { at } of byRest) {
    if (left === 0) break;
    tickets[at] = (tickets[at] ?? 0) + 1;
    left--;
  }
  return tickets;
}
