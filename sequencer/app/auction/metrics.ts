import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../ports/instruments.ts";

/** Instruments of auctions and of what ordering earns; a part of the application's. */
export interface AuctionMetrics {
  /** `weft_mev_auction_bids_total`: Bids of settled auctions, by result (won, outbid, reserve_not_met, unbacked, invalid, expired). */
  readonly auctionBids: Counter<"result">;
  /** `weft_mev_auction_resolution_blocks`: Blocks from the bids of an auction to its settlement. */
  readonly auctionResolutionBlocks: Histogram;
  /** `weft_mev_auction_winner_concentration`: Sum of squares of bidders' parts in what the last 1,000 wins paid; 1 is a single one, 0 none. */
  readonly auctionWinnerConcentration: Gauge;
  /** `weft_mev_revenue_nweft_total`: What ordering earned beside fees, nweft, by source (auction, tip, bond, penalty) and rollup (at most 200, then "others"). */
  readonly mevRevenue: Counter<"rollup" | "source">;
}

export const NULL_AUCTION_METRICS: AuctionMetrics = {
  auctionBids: NULL_COUNTER,
  auctionResolutionBlocks: NULL_HISTOGRAM,
  auctionWinnerConcentration: NULL_GAUGE,
  mevRevenue: NULL_COUNTER,
};
