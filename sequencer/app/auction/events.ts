/** Events of auctions: for clients, and for what metrics count. Not part of any hash. */
import { toHex } from "../../../proto/bytes.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { accountAttribute, numberAttribute } from "../staking/events.ts";

/** `auction_opened` {group, height, bids}: a block holds so many bids for the group. */
export const AUCTION_OPENED = "auction_opened";
/** `auction_settled` {group, height, bids, invalid, expired, winners, paid}: paid is what winners pay together, nweft. */
export const AUCTION_SETTLED = "auction_settled";
/** `bid_won` {id, group, height, bidder, amount, price, rollups}: it runs at the top of these rollups' blocks. */
export const BID_WON = "bid_won";
/** `bid_lost` {id, group, height, reason, bond}: reason is one of `BidLoss`. */
export const BID_LOST = "bid_lost";

/** Why an opened bid does not win. */
export type BidLoss =
  /** Other bids are worth more together. */
  | "OUTBID"
  /** It offers less than the reserves of its rollups. */
  | "RESERVE_NOT_MET"
  /** What the escrow of its account held at the end of its block does not cover it beside earlier ones: its bond is lost. */
  | "UNBACKED";

/** Of an auction: the block of its bids, and its group, in hex. */
interface AuctionName {
  readonly height: number;
  readonly group: string;
}

export function openedEvent({ height, group }: AuctionName, bids: number): AbciEvent {
  return event(AUCTION_OPENED, [
    indexed("group", group),
    plain("height", String(height)),
    plain("bids", String(bids)),
  ]);
}

export function settledEvent(
  { height, group }: AuctionName,
  result: {
    readonly bids: number;
    readonly invalid: number;
    readonly expired: number;
    readonly winners: number;
    readonly paid: bigint;
  },
): AbciEvent {
  return event(AUCTION_SETTLED, [
    indexed("group", group),
    plain("height", String(height)),
    plain("bids", String(result.bids)),
    plain("invalid", String(result.invalid)),
    plain("expired", String(result.expired)),
    plain("winners", String(result.winners)),
    numberAttribute("paid", result.paid),
  ]);
}

export function wonEvent(
  { height, group }: AuctionName,
  won: {
    readonly id: Uint8Array;
    readonly bidder: Uint8Array;
    readonly amount: bigint;
    readonly price: bigint;
    readonly rollupIds: readonly Uint8Array[];
  },
): AbciEvent {
  return event(BID_WON, [
    indexed("id", toHex(won.id)),
    indexed("group", group),
    plain("height", String(height)),
    accountAttribute("bidder", toHex(won.bidder)),
    numberAttribute("amount", won.amount),
    numberAttribute("price", won.price),
    plain("rollups", won.rollupIds.map(toHex).join(",")),
  ]);
}

export function lostEvent(
  { height, group }: AuctionName,
  lost: { readonly id: Uint8Array },
  reason: BidLoss,
): AbciEvent {
  return event(BID_LOST, [
    indexed("id", toHex(lost.id)),
    plain("group", group),
    plain("height", String(height)),
    plain("reason", reason),
    plain("bond", reason === "UNBACKED" ? "lost" : "returned"),
  ]);
}
