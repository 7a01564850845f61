import type { AuctionMetrics } from "../app/auction/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const AUCTION_SPECS: SpecsOf<AuctionMetrics> = {
  auctionBids: {
    type: "counter",
    name: "weft_mev_auction_bids_total",
    help: "Bids of settled auctions, by result (won, outbid, reserve_not_met, unbacked, invalid, expired)",
    labels: ["result"],
  },
  auctionResolutionBlocks: {
    type: "histogram",
    name: "weft_mev_auction_resolution_blocks",
    help: "Blocks from the bids of an auction to its settlement",
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64],
  },
  auctionWinnerConcentration: {
    type: "gauge",
    name: "weft_mev_auction_winner_concentration",
    help: "Sum of squares of bidders' parts in what the last 1,000 wins paid; 1 is a single one, 0 none",
  },
  mevRevenue: {
    type: "counter",
    name: "weft_mev_revenue_nweft_total",
    help: 'What ordering earned beside fees, nweft, by source (auction, tip, bond, penalty) and rollup (at most 200, then "others")',
    labels: ["rollup", "source"],
  },
};
