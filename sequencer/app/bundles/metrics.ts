import { type Counter, NULL_COUNTER } from "../../ports/instruments.ts";

/** Instruments of bundles and bids; a part of the application's. */
export interface BundleMetrics {
  /** `weft_mev_bundle_state_total`: Bundles and bids that have come to a state, as this node saw it, by state (of weft.mev.v1). */
  readonly bundleStates: Counter<"state">;
}

export const NULL_BUNDLE_METRICS: BundleMetrics = { bundleStates: NULL_COUNTER };
