/**
 * The engine's state after the last block, historical validator sets and parameters, and the
 * application's answers to FinalizeBlock (spec/cometbft-v0.38.md §8.4, §10.5, §15.4).
 */
import type { Height } from "../../proto/brands.ts";
import type { ConsensusParams, ValidatorSet } from "../../proto/types.ts";
import type { FinalizeBlockResponse } from "../abci/application.ts";
import type { ChainState } from "./chain-state.ts";

export interface StateStore {
  /** The state after the last applied block; undefined on a fresh home. */
  load(): Promise<ChainState | undefined>;
  /**
   * Durable when it resolves; also files validators and parameters under their heights, and, in the same
   * write, the application's answer that made this state.
   */
  save(state: ChainState, response?: FinalizeBlockResponse): Promise<void>;
  /**
   * The state to begin with where the blocks up to it were never here: sets and parameters that it
   * knows are filed in full. Durable when it resolves.
   */
  bootstrap(state: ChainState): Promise<void>;
  /** Digest of the genesis document that the chain began with; undefined when none was saved. */
  genesisDigest(): Promise<Uint8Array | undefined>;
  saveGenesisDigest(digest: Uint8Array): Promise<void>;
  /** The set that decides `height`, priorities as of its round 0; undefined when unknown or pruned. */
  validators(height: Height): Promise<ValidatorSet | undefined>;
  /** The same as its hash says it (`hashedValidatorSet`), without working out whose turn it is. */
  hashedValidators(height: Height): Promise<ValidatorSet | undefined>;
  /** Parameters in force at `height`. */
  consensusParams(height: Height): Promise<ConsensusParams | undefined>;
  /** The answer alone. Durable when it resolves. */
  saveFinalizeBlockResponse(height: Height, response: FinalizeBlockResponse): Promise<void>;
  finalizeBlockResponse(height: Height): Promise<FinalizeBlockResponse | undefined>;
  /** Removes what only heights below `retainHeight` need. */
  prune(retainHeight: Height): Promise<void>;
  close(): Promise<void>;
}
