/**
 * Who wins the auction of a group of rollups, and at which price (spec/mev.md B7, docs/adr/0020). Pure and exact: every
 * node computes it from the opened bids, and the fills in the manifest say what came out.
 */
import { toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import { sha256Concat } from "../../proto/hash.ts";
import { GROUP_ROLLUPS_MAX } from "../../proto/codec/mev-tx.ts";

/** A rollup of the group, as its policy was in the block of the bids. Members are in order of their ids. */
export interface AuctionMember {
  /** nweft; for less it is not sold. */
  readonly reserve: bigint;
}

/** An opened bid that is backed by escrow and offers at least the reserves of what it wants. */
export interface ValidBid {
  /** Transaction id, 32 bytes. */
  readonly id: Uint8Array;
  /** nweft. */
  readonly amount: bigint;
  /** Bit i: it wants the top of member i's block. Not 0. */
  readonly mask: number;
}

/**
 * The bids that win together: no member twice, and no other such choice is worth more, where a member that is
 * not sold is worth its reserve. Ties: what leaves fewer members unsold, so that a sale at exactly the reserve
 * beats none; then the smaller sum of H(seed ‖ id) as integers. In order of their lowest members. A pure
 * function of the set of bids: their order does not matter.
 */
export function chooseWinners(
  members: readonly AuctionMember[],
  bids: readonly ValidBid[],
  seed: Uint8Array,
): readonly ValidBid[] {
  const count = members.length;
  assert(count >= 1 && count <= GROUP_ROLLUPS_MAX, "a group has 1 to 12 members");
  const byLowest = offersByLowest(members, bids, seed);
  const known = new Map<number, Outcome>([[0, NOTHING]]);
  /** The best choice for these members alone. */
  const best = (mask: number): Outcome => {
    const before = known.get(mask);
    if (before !== undefined) return before;
    const lowest = mask & -mask;
    let found = leftUnsold(best(mask ^ lowest));
    for (const offer of byLowest.get(lowest) ?? []) {
      if ((offer.bid.mask & ~mask) !== 0) continue;
      const rest = best(mask ^ offer.bid.mask);
      if (beats(offer, rest, found)) found = sold(offer, rest);
    }
    known.set(mask, found);
    return found;
  };
  const winners: ValidBid[] = [];
  for (let at: Outcome | undefined = best((1 << count) - 1); at !== undefined; at = at.rest) {
    if (at.offer !== undefined) winners.push(at.offer.bid);
  }
  return winners;
}

/**
 * What the winner pays, in nweft: its amount. At second price, which only a rollup alone may have, the highest
 * amount of the other valid bids, or the reserve.
 */
export function price(
  winner: ValidBid,
  members: readonly AuctionMember[],
  bids: readonly ValidBid[],
  secondPrice: boolean,
): bigint {
  if (!secondPrice) return winner.amount;
  assert(members.length === 1, "only a rollup alone sells at second price");
  let highest = members[0]?.reserve ?? 0n;
  for (const bid of bids) if (bid !== winner && bid.amount > highest) highest = bid.amount;
  assert(highest <= winner.amount, "nobody pays more than its bid");
  return highest;
}

/** The sum of the reserves of these members, in nweft: a bid offers at least that. */
export function reserveOf(members: readonly AuctionMember[], mask: number): bigint {
  return members.reduce(
    (sum, { reserve }, i) => ((mask & (1 << i)) === 0 ? sum : sum + reserve),
    0n,
  );
}

/** The best bid for one set of members. */
interface Offer {
  readonly bid: ValidBid;
  /** What it offers above the reserves: so members that are not sold add nothing. */
  readonly gain: bigint;
  /** H(seed ‖ id) as an integer, when a tie asks for it. */
  readonly rank: () => bigint;
}

/** The best choice for some members: one offer or a member left unsold, and the best for the rest. */
interface Outcome {
  readonly offer: Offer | undefined;
  readonly rest: Outcome | undefined;
  readonly gain: bigint;
  readonly unsold: number;
  /** Sum of the ranks, once a tie has asked for it. */
  rankSum: bigint | undefined;
}

const NOTHING: Outcome = {
  offer: undefined,
  rest: undefined,
  gain: 0n,
  unsold: 0,
  rankSum: 0n,
};

function leftUnsold(rest: Outcome): Outcome {
  return { offer: undefined, rest, gain: rest.gain, unsold: rest.unsold + 1, rankSum: undefined };
}

function sold(offer: Offer, rest: Outcome): Outcome {
  const { unsold } = rest;
  return { offer, rest, gain: offer.gain + rest.gain, unsold, rankSum: undefined };
}

function beats(offer: Offer, rest: Outcome, other: Outcome): boolean {
  const gain = offer.gain + rest.gain;
  if (gain !== other.gain) return gain > other.gain;
  if (rest.unsold !== other.unsold) return rest.unsold < other.unsold;
  return offer.rank() + rankSum(rest) < rankSum(other);
}

function rankSum(outcome: Outcome): bigint {
  const { offer, rest } = outcome;
  outcome.rankSum ??= (offer?.rank() ?? 0n) + (rest === undefined ? 0n : rankSum(rest));
  return outcome.rankSum;
}

/**
 * One offer for each set of members, by the lowest of them: of two bids for the same members only the better one
 * can win. With 12 members and 4 in a bid at most, that leaves 793 of them, however many bids there are.
 */
function offersByLowest(
  members: readonly AuctionMember[],
  bids: readonly ValidBid[],
  seed: Uint8Array,
): ReadonlyMap<number, readonly Offer[]> {
  const byMask = new Map<number, Offer>();
  for (const bid of bids) {
    const { amount, mask } = bid;
    assert(mask > 0 && mask < 1 << members.length, "a bid is for members of the group");
    const offer = { bid, gain: amount - reserveOf(members, mask), rank: ranked(seed, bid) };
    assert(offer.gain >= 0n, "a valid bid offers the reserves");
    const other = byMask.get(mask);
    if (other === undefined || isBetter(offer, other)) byMask.set(mask, offer);
  }
  const byLowest = new Map<number, Offer[]>();
  for (const [mask, offer] of byMask) {
    const lowest = mask & -mask;
    const offers = byLowest.get(lowest);
    if (offers === undefined) byLowest.set(lowest, [offer]);
    else offers.push(offer);
  }
  return byLowest;
}

function isBetter(offer: Offer, other: Offer): boolean {
  if (offer.gain !== other.gain) return offer.gain > other.gain;
  return offer.rank() < other.rank();
}

function ranked(seed: Uint8Array, { id }: ValidBid): () => bigint {
  let rank: bigint | undefined;
  return () => (rank ??= BigInt(`0x${toHex(sha256Concat(seed, id))}`));
}
