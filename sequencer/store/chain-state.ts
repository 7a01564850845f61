/**
 * What the engine knows after a block: all that is needed to validate and make the next one
 * (spec/cometbft-v0.38.md §10.2, §8.4; `state/state.go` State).
 */
import type { Height } from "../../proto/brands.ts";
import type {
  BlockId,
  ConsensusParams,
  ConsensusVersion,
  Timestamp,
  ValidatorSet,
} from "../../proto/types.ts";

export interface ChainState {
  readonly version: ConsensusVersion;
  readonly chainId: string;
  readonly initialHeight: Height;
  /** 0 before the first block. */
  readonly lastBlockHeight: Height;
  readonly lastBlockId: BlockId;
  readonly lastBlockTime: Timestamp;
  /** Decided `lastBlockHeight`; undefined before the first block. */
  readonly lastValidators: ValidatorSet | undefined;
  /** Decides `lastBlockHeight + 1`, priorities as of its round 0. */
  readonly validators: ValidatorSet;
  /** Decides `lastBlockHeight + 2`. */
  readonly nextValidators: ValidatorSet;
  /** Height from which `nextValidators` (keys and powers) is in force. */
  readonly lastHeightValidatorsChanged: Height;
  /** In force from `lastBlockHeight + 1` on. */
  readonly consensusParams: ConsensusParams;
  readonly lastHeightConsensusParamsChanged: Height;
  /** Merkle root of the results of `lastBlockHeight`. */
  readonly lastResultsHash: Uint8Array;
  /** What the application answered for `lastBlockHeight`. */
  readonly appHash: Uint8Array;
}
