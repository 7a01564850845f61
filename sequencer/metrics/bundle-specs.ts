import type { BundleMetrics } from "../app/bundles/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const BUNDLE_SPECS: SpecsOf<BundleMetrics> = {
  bundleStates: {
    type: "counter",
    name: "weft_mev_bundle_state_total",
    help: "Bundles and bids that have come to a state, as this node saw it, by state (of weft.mev.v1)",
    labels: ["state"],
  },
};
