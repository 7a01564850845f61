/** What the core needs to begin a height, from state and stores (spec/cometbft-v0.38.md §13.6). */
import { bytesEqual } from "../../proto/bytes.ts";
import type { ExtendedCommit } from "../../proto/types.ts";
import type { HeightContext } from "../consensus/inputs.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import { commitWithoutExtensions } from "./block-executor.ts";
import { nextHeight, nextHeightRules } from "./chain-state.ts";
import { EngineError } from "./errors.ts";

export function heightContext(
  state: ChainState,
  lastCommit: ExtendedCommit | undefined,
  lastAppHash: Uint8Array | undefined,
  startDelayMs: number,
): HeightContext {
  const { blockBytesMax, isExtended, wasLastExtended } = nextHeightRules(state);
  return {
    height: nextHeight(state),
    initialHeight: state.initialHeight,
    validators: state.validators,
    lastValidators: state.lastValidators,
    lastCommit,
    isExtended,
    wasLastExtended,
    blockBytesMax,
    needsProofBlock: lastAppHash === undefined || !bytesEqual(lastAppHash, state.appHash),
    startDelayMs,
  };
}

/**
 * The precommits that decided the last block, as they were stored.
 * @throws EngineError ENGINE_HANDSHAKE when they are missing: without them no block can be made.
 */
export async function storedLastCommit(
  state: ChainState,
  blockStore: BlockStore,
): Promise<ExtendedCommit | undefined> {
  const height = state.lastBlockHeight;
  if (height === 0) return undefined;
  if (nextHeightRules(state).wasLastExtended) {
    const extended = await blockStore.extendedCommit(height);
    if (extended !== undefined) return extended;
    throw missing(`the commit of block ${height} with its vote extensions`);
  }
  const seen = await blockStore.seenCommit(height);
  if (seen === undefined) throw missing(`the commit of block ${height}`);
  return commitWithoutExtensions(seen);
}

/** The last block came with a snapshot, and so without the vote extensions that the next one is made of. */
export async function lacksExtensions(state: ChainState, blockStore: BlockStore): Promise<boolean> {
  if (blockStore.height() > 0 || !nextHeightRules(state).wasLastExtended) return false;
  return (await blockStore.extendedCommit(state.lastBlockHeight)) === undefined;
}

function missing(what: string): EngineError {
  return new EngineError(
    { code: "ENGINE_HANDSHAKE", reason: `${what} is missing` },
    `cannot start: ${what} is missing from the block store: restore the data directory, or sync anew`,
  );
}
