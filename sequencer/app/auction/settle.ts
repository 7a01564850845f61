/**
 * The auction of a block's bids for a group of rollups, in the block in which the last of them is resolved
 * (docs/adr/0020). Everybody computes it; what the manifest says of it are the fills of the bids' entries.
 */
import { auctionSeed } from "../../../mev/auction/seed.ts";
import { splitAmount } from "../../../mev/auction/split.ts";
import { chooseWinners, price, reserveOf, type ValidBid } from "../../../mev/auction/winner.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import {
  type AuctionBidState,
  type AuctionState,
  type AuctionWinner,
  BidOpener,
  BidStatus,
} from "../../../proto/codec/mev-state.ts";
import { SEALED_ITEMS_MAX } from "../../../proto/codec/seal-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { sha256 } from "../../../proto/hash.ts";
import { FillStatus } from "../../../proto/verify/manifest.ts";
import { creditPenalty, creditRevenue } from "../distribution/mev-revenue.ts";
import type { FillOpener } from "../seal/fills.ts";
import type { StakingContext } from "../staking/context.ts";
import { AUCTION_RESULTS, AUCTIONS, heightKey } from "../state/tables.ts";
import { backingOf, escrowOf, takeEscrow } from "./escrow.ts";
import { type BidLoss, lostEvent, openedEvent, settledEvent, wonEvent } from "./events.ts";
import { AUCTION_RESULTS_KEPT } from "./limits.ts";

/**
 * At the end of a block: writes down its own auctions, as policies are in force in it. `proposer`: of the block,
 * consensus address.
 */
export function recordAuctions(ctx: StakingContext, proposer: Uint8Array): void {
  for (const group of [...ctx.bids.placed.keys()].sort()) {
    const openBids = ctx.bids.placed.get(group) ?? 0;
    const found = ctx.auctionGroup(group);
    assert(found !== undefined, "bids of a block are for groups that sell in it");
    const { members, secondPrice } = found;
    const state: AuctionState = { proposer, members, secondPrice, openBids, bids: [] };
    ctx.records.set(AUCTIONS, heightKey(ctx.height, group), state);
    ctx.emit(openedEvent({ height: ctx.height, group }, openBids));
  }
}

/**
 * After the last item of a block, when everything that it resolves is resolved: settles the auctions that wait for
 * nothing any more, by height and group; the others remember what they have.
 */
export function settleAuctions(ctx: StakingContext): void {
  for (const key of [...ctx.bids.resolved.keys()].sort()) {
    const resolved = ctx.bids.resolved.get(key) ?? [];
    const state = ctx.records.get(AUCTIONS, key);
    assert(state !== undefined, "a bid that waits belongs to an auction that waits");
    const openBids = state.openBids - resolved.length;
    const bids = [...state.bids, ...resolved].sort((a, b) => a.index - b.index);
    assert(openBids >= 0, "no more bids are resolved than were placed");
    if (openBids > 0) {
      ctx.records.set(AUCTIONS, key, { ...state, openBids, bids });
      continue;
    }
    ctx.records.set(AUCTIONS, key, undefined);
    const [height = "", group = ""] = key.split("/");
    settle(ctx, { height: Height(Number(height)), group, ...state, bids });
  }
}

/** At the end of a block: results that are kept no longer. As many as one block has auctions, at most. */
export function forgetResults(ctx: StakingContext): void {
  const last = heightKey(Math.max(0, ctx.height - AUCTION_RESULTS_KEPT), "~");
  for (const key of ctx.records.keys(AUCTION_RESULTS, "", { max: SEALED_ITEMS_MAX })) {
    if (key > last) return;
    ctx.records.set(AUCTION_RESULTS, key, undefined);
  }
}

interface Auction extends Omit<AuctionState, "openBids"> {
  /** Of the block of the bids. */
  readonly height: Height;
  readonly group: string;
}

/** An opened bid, and what it is worth if it counts. */
interface Candidate {
  readonly bid: AuctionBidState;
  readonly valid: ValidBid;
}

function settle(ctx: StakingContext, auction: Auction): void {
  const { bids, members, secondPrice, group, height } = auction;
  const losses = new Map<AuctionBidState, BidLoss>();
  const candidates = validBids(ctx, auction, losses);
  const valid = candidates.map((one) => one.valid);
  const opened = bids.filter(({ status }) => status === BidStatus.OPENED);
  const seed = auctionSeed(
    ctx.chainId,
    height,
    fromHex(group),
    opened.map(({ point }) => point),
  );
  const winners: (AuctionWinner & { readonly bid: AuctionBidState })[] = [];
  for (const winner of chooseWinners(members, valid, seed)) {
    const bid = candidates.find((one) => one.valid === winner)?.bid;
    assert(bid !== undefined, "who wins is one of those that count");
    const paid = price(winner, members, valid, secondPrice);
    const shares = splitAmount(winner, members, valid, paid);
    const { id, sender: bidder, amount, legs } = bid;
    const rollupIds = legs.map(({ rollupId }) => rollupId);
    winners.push({ bid, id, bidder, amount, price: paid, rollupIds, shares });
  }
  const won = new Set(winners.map(({ bid }) => bid));
  for (const { bid } of candidates) if (!won.has(bid)) losses.set(bid, "OUTBID");

  settleDeposits(ctx, auction, opened, losses);
  for (const winner of winners) payForTops(ctx, auction, winner);
  for (const bid of bids) addFills(ctx, auction, bid, won.has(bid));
  const record = winners.map(({ bid: _bid, ...winner }) => winner);
  ctx.records.set(AUCTION_RESULTS, heightKey(height, group), {
    settledHeight: Height(ctx.height),
    bids: bids.length,
    winners: record,
  });
  for (const winner of winners) ctx.emit(wonEvent(auction, winner));
  for (const [bid, reason] of losses) ctx.emit(lostEvent(auction, bid, reason));
  const paid = winners.reduce((sum, { price: one }) => sum + one, 0n);
  const countOf = (status: BidStatus) => bids.filter((bid) => bid.status === status).length;
  ctx.emit(
    settledEvent(auction, {
      bids: bids.length,
      invalid: countOf(BidStatus.INVALID),
      expired: countOf(BidStatus.EXPIRED),
      winners: winners.length,
      paid,
    }),
  );
}

/**
 * Opened bids that count, in order of the batch: they offer the reserves, and what escrow held when their block ended
 * backs all of an account's.
 */
function validBids(
  ctx: StakingContext,
  { bids, members, height }: Auction,
  losses: Map<AuctionBidState, BidLoss>,
): readonly Candidate[] {
  const promised = new Map<string, bigint>();
  // A dozen at most, which differ in their first bytes: less work than text for a map.
  const bitOf = (id: Uint8Array): number => {
    const at = members.findIndex(({ rollupId }) => bytesEqual(rollupId, id));
    return at < 0 ? 0 : 1 << at;
  };
  const candidates: Candidate[] = [];
  for (const bid of bids) {
    if (bid.status !== BidStatus.OPENED) continue;
    const { id, amount, legs } = bid;
    const mask = legs.reduce((bits, { rollupId }) => bits | bitOf(rollupId), 0);
    if (amount < reserveOf(members, mask)) {
      losses.set(bid, "RESERVE_NOT_MET");
      continue;
    }
    const sender = toHex(bid.sender);
    const all = (promised.get(sender) ?? 0n) + amount;
    if (all > backingOf(escrowOf(ctx, sender), height)) {
      losses.set(bid, "UNBACKED");
      continue;
    }
    promised.set(sender, all);
    candidates.push({ bid, valid: { id, amount, mask } });
  }
  return candidates;
}

/** Fees and bonds of all bids, which `sealed` has held: who is not opened in time has them back. */
function settleDeposits(
  ctx: StakingContext,
  { bids, members }: Auction,
  opened: readonly AuctionBidState[],
  losses: ReadonlyMap<AuctionBidState, BidLoss>,
): void {
  for (const bid of bids) {
    const { status, fee, bond } = bid;
    const sender = toHex(bid.sender);
    if (status === BidStatus.EXPIRED) {
      ctx.pay("sealed", sender, fee + bond);
      continue;
    }
    ctx.move("sealed", "feePool", fee);
    if (status === BidStatus.INVALID || losses.get(bid) === "UNBACKED") creditPenalty(ctx, bond);
    else ctx.pay("sealed", sender, bond);
  }
  // Its part for the rollups' owners in equal parts; the first ones have what cannot be divided.
  const fees = opened.reduce((sum, { fee }) => sum + fee, 0n);
  const count = BigInt(members.length);
  for (const [index, { rollupId }] of members.entries()) {
    const part = fees / count + (BigInt(index) < fees % count ? 1n : 0n);
    if (part > 0n) ctx.addRollupFee(toHex(rollupId), part);
  }
}

/** Out of the winner's escrow to the rollups whose tops it gets. */
function payForTops(
  ctx: StakingContext,
  { members, proposer, height }: Auction,
  winner: AuctionWinner,
): void {
  takeEscrow(ctx, toHex(winner.bidder), winner.price, height);
  for (const [at, rollupId] of winner.rollupIds.entries()) {
    const member = members.find((one) => bytesEqual(one.rollupId, rollupId));
    assert(member !== undefined, "a valid bid is for members of the group");
    creditRevenue(ctx, {
      rollupId: toHex(rollupId),
      amount: winner.shares[at] ?? 0n,
      source: "auction",
      proposer: toHex(proposer),
      policyBps: member.shareBps,
    });
  }
}

const NO_CONTENT = sha256(EMPTY_BYTES);
const NO_OPENER: FillOpener = { kind: "none" };

/** What each member of the group is told of the bid's entry in its list. */
function addFills(
  ctx: StakingContext,
  { members, height }: Auction,
  bid: AuctionBidState,
  isWinner: boolean,
): void {
  for (const [index, { rollupId }] of members.entries()) {
    const position = bid.positions[index] ?? 0;
    const leg = isWinner ? bid.legs.find((one) => bytesEqual(one.rollupId, rollupId)) : undefined;
    const fill =
      leg === undefined
        ? { height, position, status: unfilledStatus(bid), contentHash: NO_CONTENT }
        : { height, position, status: FillStatus.OPENED, contentHash: leg.contentHash };
    ctx.addFill({ rollupId, fill, opener: leg === undefined ? NO_OPENER : openerOf(bid) });
  }
}

function unfilledStatus({ status }: AuctionBidState): FillStatus {
  switch (status) {
    case BidStatus.OPENED:
      return FillStatus.LOST;
    case BidStatus.INVALID:
      return FillStatus.INVALID;
    case BidStatus.EXPIRED:
      return FillStatus.EXPIRED;
  }
}

function openerOf({ opener, secret }: AuctionBidState): FillOpener {
  return opener === BidOpener.SEED
    ? { kind: "seed", seed: secret }
    : { kind: "point", point: secret };
}
