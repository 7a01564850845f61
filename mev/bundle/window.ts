/** Which blocks may hold a bundle (spec/mev.md B9: heights, no timestamps, because clocks differ). */
import { BUNDLE_AHEAD_MAX, BUNDLE_WINDOW_MAX } from "../../proto/codec/mev-tx.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";

export interface BundleWindow {
  /** First block that may hold it; 0: any. */
  readonly minHeight: number;
  /** Last block that may hold it. */
  readonly maxHeight: number;
}

/** Why the bundle's heights are none that the block at `height`, or one after it, could have. Waiting does not mend the span. */
export function windowFault(
  { minHeight, maxHeight }: BundleWindow,
  height: number,
): Refusal<"BUNDLE_WINDOW" | "BUNDLE_LATE"> | undefined {
  const span = maxHeight - minHeight;
  if (minHeight !== 0 && (span < 0 || span > BUNDLE_WINDOW_MAX)) {
    return refusal(
      "BUNDLE_WINDOW",
      `blocks ${minHeight} to ${maxHeight}; the last is 0 to ${BUNDLE_WINDOW_MAX} after the first`,
    );
  }
  if (maxHeight > height + BUNDLE_AHEAD_MAX) {
    return refusal(
      "BUNDLE_WINDOW",
      `its last block is ${maxHeight}, over ${BUNDLE_AHEAD_MAX} after ${height}`,
    );
  }
  return pastFault({ maxHeight }, height);
}

/** Whether its last block is over: final, unlike the rest. */
export function pastFault(
  { maxHeight }: Pick<BundleWindow, "maxHeight">,
  height: number,
): Refusal<"BUNDLE_LATE"> | undefined {
  if (height <= maxHeight) return undefined;
  return refusal("BUNDLE_LATE", `its last block was ${maxHeight}, this is ${height}`);
}

/** Whether its first block is ahead: it may wait. Asked last, so that one that is early has no other fault. */
export function earlyFault(
  { minHeight }: Pick<BundleWindow, "minHeight">,
  height: number,
): Refusal<"BUNDLE_EARLY"> | undefined {
  if (height >= minHeight) return undefined;
  return refusal("BUNDLE_EARLY", `its first block is ${minHeight}, this is ${height}`);
}
