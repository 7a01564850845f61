/** The `[consensus]` section as the core takes it. */
import type { ConsensusCoreOptions } from "../consensus/options.ts";
import type { Config } from "./config-schema.ts";
import { durationMs } from "./config.ts";

export function consensusOptions({
  consensus,
}: Pick<Config, "consensus">): Omit<ConsensusCoreOptions, "ownAddress"> {
  return {
    timeouts: {
      proposeMs: durationMs(consensus.timeout_propose),
      proposeDeltaMs: durationMs(consensus.timeout_propose_delta),
      prevoteMs: durationMs(consensus.timeout_prevote),
      prevoteDeltaMs: durationMs(consensus.timeout_prevote_delta),
      precommitMs: durationMs(consensus.timeout_precommit),
      precommitDeltaMs: durationMs(consensus.timeout_precommit_delta),
    },
    skipTimeoutCommit: consensus.skip_timeout_commit,
    createEmptyBlocks: consensus.create_empty_blocks,
    createEmptyBlocksIntervalMs: durationMs(consensus.create_empty_blocks_interval),
  };
}
