// The row of the node's dashboard about bundles.
import { events, NODE, panel, sumBy } from "./panels.mjs";

export const BUNDLE_ROW = [
  "Bundles",
  panel("What bundles and bids came to", "short", [
    sumBy("instance, state", events("weft_mev_bundle_state_total")),
    `${NODE} {{state}}`,
  ]),
];
