/**
 * The state one height back (CometBFT's `rollback`, `state/rollback.go`): the last block is executed
 * again at the next start or, with its removal, decided again. The application has to go back too.
 */
import { Height } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { KeyValueStore } from "../store/key-value-store.ts";
import type { StateStore } from "../store/state-store.ts";
import { EngineError } from "./errors.ts";
import { marksGone } from "./evidence/block-marks.ts";

export interface RollbackPlan {
  /** Where state and application will stand. */
  readonly target: Height;
  /** Undefined when the state is there already: a crash left the block store one ahead. */
  readonly state: ChainState | undefined;
}

/** @throws EngineError ENGINE_ROLLBACK when the stores do not hold what the state before needs */
export async function planRollback(
  blockStore: BlockStore,
  stateStore: StateStore,
): Promise<RollbackPlan> {
  const last = await stateStore.load();
  if (last === undefined || last.lastBlockHeight === 0) {
    throw refusal("no block was applied yet");
  }
  const height = last.lastBlockHeight;
  const stored = blockStore.height();
  if (stored === height + 1) return { target: height, state: undefined };
  if (stored !== height) {
    throw refusal(
      `the stores contradict each other (block store at ${stored}, state at ${height}): restore the data directory`,
    );
  }
  const target = Height(height - 1);
  if (height === last.initialHeight) throw refusal(`block ${height} is the first one`);
  const [lastMeta, targetMeta, lastValidators, consensusParams] = await Promise.all([
    blockStore.meta(height),
    blockStore.meta(target),
    stateStore.validators(target),
    stateStore.consensusParams(height),
  ]);
  if (
    lastMeta === undefined ||
    targetMeta === undefined ||
    lastValidators === undefined ||
    consensusParams === undefined
  ) {
    throw refusal(`what the state after block ${target} needs is pruned`);
  }
  assert(last.lastValidators !== undefined, "a state after a block knows who decided it");
  const { header } = lastMeta;
  const state: ChainState = {
    version: { ...last.version, app: header.version.app },
    chainId: last.chainId,
    initialHeight: last.initialHeight,
    lastBlockHeight: target,
    lastBlockId: header.lastBlockId,
    lastBlockTime: targetMeta.header.time,
    lastValidators,
    validators: last.lastValidators,
    nextValidators: last.validators,
    // A change that the last block made has not happened; an older one is where it was.
    lastHeightValidatorsChanged: earlier(last.lastHeightValidatorsChanged, height + 1),
    consensusParams,
    lastHeightConsensusParamsChanged: earlier(last.lastHeightConsensusParamsChanged, height),
    lastResultsHash: header.lastResultsHash,
    appHash: header.appHash,
  };
  return { target, state };
}

/**
 * The block above `target` is executed again or decided anew: no block holds its evidence then. Before the
 * state goes back; should it end there, the next start marks the evidence of its last block again.
 */
export async function unmarkEvidenceAbove(
  target: Height,
  blockStore: BlockStore,
  evidenceStore: KeyValueStore,
): Promise<void> {
  const height = blockStore.height();
  const block = height > target ? await blockStore.block(height) : undefined;
  if (block !== undefined) await evidenceStore.write(marksGone(block.evidence));
}

function earlier(height: Height, most: number): Height {
  return Height(Math.min(height, most));
}

function refusal(reason: string): EngineError {
  return new EngineError({ code: "ENGINE_ROLLBACK", reason }, `cannot roll back: ${reason}`);
}
