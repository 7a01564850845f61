/** What a consensus core is made with. */

/** Timeouts of a round; each grows by its delta per round. Milliseconds. */
export interface ConsensusTimeouts {
  readonly proposeMs: number;
  readonly proposeDeltaMs: number;
  readonly prevoteMs: number;
  readonly prevoteDeltaMs: number;
  readonly precommitMs: number;
  readonly precommitDeltaMs: number;
}

/** CometBFT's defaults (spec §13.4). */
export const DEFAULT_CONSENSUS_TIMEOUTS: ConsensusTimeouts = {
  proposeMs: 3000,
  proposeDeltaMs: 500,
  prevoteMs: 1000,
  prevoteDeltaMs: 500,
  precommitMs: 1000,
  precommitDeltaMs: 500,
};

export interface ConsensusCoreOptions {
  /** Address of our validator key, whether or not it is in the set; undefined for a full node. */
  readonly ownAddress: Uint8Array | undefined;
  readonly timeouts: ConsensusTimeouts;
  /** False: round 0 waits for `txsAvailable`, except where a proof block is needed (spec §13.5). */
  readonly createEmptyBlocks: boolean;
  /** Longest wait for transactions before an empty block, in ms; 0 waits without end. */
  readonly createEmptyBlocksIntervalMs: number;
  /** Start the next height as soon as all precommits are in. */
  readonly skipTimeoutCommit: boolean;
}
