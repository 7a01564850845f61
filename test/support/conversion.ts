/** How stores are converted where nothing of it is what a test is about. */
import type { ConversionOptions } from "../../sequencer/cometbft/stores/convert.ts";
import { DEFAULT_CONSENSUS_TIMEOUTS } from "../../sequencer/consensus/options.ts";

/** All but the folders. @param ownAddress of the validator whose home it is; default: a follower's */
export function conversionOptions(
  ownAddress?: Uint8Array,
): Pick<ConversionOptions, "consensus" | "now" | "onProgress"> {
  return {
    consensus: {
      ownAddress,
      timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
      createEmptyBlocks: true,
      createEmptyBlocksIntervalMs: 0,
      skipTimeoutCommit: false,
    },
    now: { seconds: 1_700_000_000n, nanos: 0 },
    onProgress: () => undefined,
  };
}
