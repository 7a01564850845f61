import type { ConsensusEffect } from "./effects.ts";
import type { ConsensusInput } from "./inputs.ts";
import type { RoundStateView } from "./round-state.ts";

/** The Tendermint state machine of CometBFT v0.38: inputs in, ordered effects out. */
export interface ConsensusCore {
  /**
   * Handles one input. The effects are to be carried out in order; answers come back as inputs, at
   * any later time, and may be too late: then they are ignored.
   * Throws `AssertionFailure` on a consensus failure (spec §13.7); from then on every call throws.
   */
  step(input: ConsensusInput): readonly ConsensusEffect[];
  /** Live; read it between steps. Before the first `heightStarted`: height 0 and no validators. */
  readonly view: RoundStateView;
  /**
   * Requests that no input has answered yet, and the running timer, in the order they were made.
   * After a replay, whose effects were not carried out, carrying these out resumes the height:
   * createBlock, signProposal, validateBlock, signVote, commitBlock, scheduleTimeout.
   */
  outstanding(): readonly ConsensusEffect[];
  /** SHA-256, in hex, of all state that decides what later inputs do. */
  stateDigest(): string;
}
