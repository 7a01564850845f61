// The row of the node's dashboard about auctions and what ordering earns.
import { events, gauge, increase, mean, NODE, panel, quantile, rate, sumBy } from "./panels.mjs";

export const AUCTION_ROW = [
  "Auctions and revenue",
  panel("Bids by result", "short", [
    sumBy("instance, result", events("weft_mev_auction_bids_total")),
    `${NODE} {{result}}`,
  ]),
  panel(
    "Blocks from bids to settlement (mean, p95)",
    "short",
    [mean("weft_mev_auction_resolution_blocks"), `${NODE} mean`],
    [quantile(0.95, "weft_mev_auction_resolution_blocks"), `${NODE} p95`],
  ),
  panel("Concentration of winners", "short", [gauge("weft_mev_auction_winner_concentration"), NODE]),
  panel(
    "Orders of shuffled entries",
    "short",
    [increase("weft_mev_orders_total"), `${NODE} decided`],
    [gauge("weft_mev_orders_waiting"), `${NODE} wait for openings`],
  ),
  panel("Revenue, nweft each second", "short", [
    `max by (rollup, source) (${rate("weft_mev_revenue_nweft_total")})`,
    "{{rollup}} {{source}}",
  ]),
];
