/** How the engine's state begins and moves (spec/cometbft-v0.38.md §8.4, §10.2; `state/state.go`). */
import { Height } from "../../proto/brands.ts";
import { resultsHash } from "../../proto/hashes.ts";
import {
  NIL_BLOCK_ID,
  type BlockId,
  type ConsensusParams,
  type Header,
  type ValidatorSet,
} from "../../proto/types.ts";
import {
  createValidatorSet,
  incrementProposerPriority,
  updateValidatorSet,
} from "../../proto/validator-set.ts";
import type { FinalizeBlockResponse, ValidatorUpdate } from "../abci/application.ts";
import type { ChainState } from "../store/chain-state.ts";
import { areExtensionsEnabled, blockBytesMax, checkParamsUpdate } from "./consensus-params.ts";
import { EngineError } from "./errors.ts";
import type { Genesis } from "./genesis.ts";

/** header.version.block of CometBFT v0.38 (spec §0). */
export const BLOCK_PROTOCOL = 11n;

/** What InitChain left of the genesis document. */
export interface GenesisOutcome {
  readonly validators: readonly ValidatorUpdate[];
  readonly consensusParams: ConsensusParams;
  readonly appVersion: bigint;
  readonly appHash: Uint8Array;
}

/** The state before the first block. Throws a ValidatorSetError when the set is not one. */
export function chainStateFromGenesis(genesis: Genesis, outcome: GenesisOutcome): ChainState {
  const validators = createValidatorSet(
    outcome.validators.map(({ publicKey, power }) => ({ publicKey, votingPower: power })),
  );
  return {
    version: { block: BLOCK_PROTOCOL, app: outcome.appVersion },
    chainId: genesis.chainId,
    initialHeight: genesis.initialHeight,
    lastBlockHeight: Height(0),
    lastBlockId: NIL_BLOCK_ID,
    lastBlockTime: genesis.genesisTime,
    lastValidators: undefined,
    validators,
    nextValidators: incrementProposerPriority(validators, 1),
    lastHeightValidatorsChanged: genesis.initialHeight,
    consensusParams: outcome.consensusParams,
    lastHeightConsensusParamsChanged: genesis.initialHeight,
    lastResultsHash: resultsHash([]),
    appHash: outcome.appHash,
  };
}

/** Height that the state is about to decide. */
export function nextHeight(state: ChainState): Height {
  return state.lastBlockHeight === 0 ? state.initialHeight : Height(state.lastBlockHeight + 1);
}

/**
 * The state after a block. Updates of validators returned at H sign from H + 2, parameters hold
 * from H + 1. Its app hash is the response's.
 * @throws EngineError ENGINE_VALIDATOR_UPDATES, ENGINE_CONSENSUS_PARAMS
 */
export function advanceChainState(
  state: ChainState,
  blockId: BlockId,
  header: Header,
  response: FinalizeBlockResponse,
): ChainState {
  const { height } = header;
  checkValidatorUpdates(response.validatorUpdates, state.consensusParams);
  const hasNewValidators = response.validatorUpdates.length > 0;
  const params = response.consensusParamUpdates ?? state.consensusParams;
  const hasNewParams = response.consensusParamUpdates !== undefined;
  if (hasNewParams) checkParamsUpdate(state.consensusParams, params, height);
  return {
    version: hasNewParams ? { ...state.version, app: params.version.app } : state.version,
    chainId: state.chainId,
    initialHeight: state.initialHeight,
    lastBlockHeight: height,
    lastBlockId: blockId,
    lastBlockTime: header.time,
    lastValidators: state.validators,
    validators: state.nextValidators,
    nextValidators: incrementProposerPriority(
      changedValidators(state.nextValidators, response.validatorUpdates),
      1,
    ),
    lastHeightValidatorsChanged: hasNewValidators
      ? Height(height + 2)
      : state.lastHeightValidatorsChanged,
    consensusParams: params,
    lastHeightConsensusParamsChanged: hasNewParams
      ? Height(height + 1)
      : state.lastHeightConsensusParamsChanged,
    lastResultsHash: resultsHash(response.txResults),
    appHash: response.appHash,
  };
}

/** The largest block of the next height, and whether its precommits carry extensions. */
export function nextHeightRules(state: ChainState): {
  readonly blockBytesMax: number;
  readonly isExtended: boolean;
  readonly wasLastExtended: boolean;
} {
  const height = nextHeight(state);
  const { consensusParams } = state;
  return {
    blockBytesMax: blockBytesMax(consensusParams),
    isExtended: areExtensionsEnabled(consensusParams, height),
    // Extensions once on stay on, so the parameters of today answer for yesterday.
    wasLastExtended:
      height > state.initialHeight && areExtensionsEnabled(consensusParams, Height(height - 1)),
  };
}

/** The set that votes at `height`, when the state knows it: the last, this and the next height. */
export function validatorsAt(state: ChainState, height: Height): ValidatorSet | undefined {
  const next = nextHeight(state);
  if (height === next) return state.validators;
  if (height === next + 1) return state.nextValidators;
  return height === next - 1 ? state.lastValidators : undefined;
}

/** @throws EngineError ENGINE_VALIDATOR_UPDATES */
export function checkValidatorUpdates(
  updates: readonly ValidatorUpdate[],
  params: ConsensusParams,
): void {
  for (const { publicKey, power } of updates) {
    if (power < 0n) throw badUpdates(`expected powers of 0 or more, got ${power}`);
    if (power > 0n && !params.validator.publicKeyTypes.includes(publicKey.type)) {
      const allowed = params.validator.publicKeyTypes.join(", ");
      throw badUpdates(`expected keys of type ${allowed}, got ${publicKey.type}`);
    }
  }
}

function changedValidators(set: ValidatorSet, updates: readonly ValidatorUpdate[]): ValidatorSet {
  try {
    return updateValidatorSet(
      set,
      updates.map(({ publicKey, power }) => ({ publicKey, votingPower: power })),
    );
  } catch (cause) {
    throw badUpdates(String(cause), cause);
  }
}

function badUpdates(detail: string, cause?: unknown): EngineError {
  return new EngineError(
    { code: "ENGINE_VALIDATOR_UPDATES" },
    `the application returned validator updates that cannot be applied: ${detail}`,
    { cause },
  );
}
