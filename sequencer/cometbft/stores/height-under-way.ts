/** The height under way, told to a core that signs and sends nothing. */
import type { Height } from "../../../proto/brands.ts";
import { createConsensusCore } from "../../consensus/core.ts";
import type { ConsensusCore } from "../../consensus/consensus-core.ts";
import type { ConsensusEffect } from "../../consensus/effects.ts";
import type { ConsensusInput, HeightContext } from "../../consensus/inputs.ts";
import type { ConsensusCoreOptions } from "../../consensus/options.ts";
import { heightContext, storedLastCommit } from "../../engine/height-context.ts";
import type { LoggedHeight } from "../../engine/replay.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { notConvertible } from "./log-tail.ts";

/** A height that may have been begun, and how a core that decides it is made. */
export interface HeightUnderWay {
  readonly options: ConsensusCoreOptions;
  readonly chainId: string;
  readonly context: HeightContext;
}

/** The height that follows from a state. */
export async function heightAfter(
  state: ChainState,
  blockStore: BlockStore,
  options: ConsensusCoreOptions,
): Promise<HeightUnderWay> {
  const lastCommit = await storedLastCommit(state, blockStore);
  const last = await blockStore.meta(state.lastBlockHeight);
  const context = heightContext(state, lastCommit, last?.header.appHash, 0);
  return { options, chainId: state.chainId, context };
}

/** A core at the start of the height, and what it asked for. */
export function beginHeight(
  { options, context }: HeightUnderWay,
  startDelayMs: number,
): { readonly core: ConsensusCore; readonly effects: readonly ConsensusEffect[] } {
  const core = createConsensusCore(options);
  const effects = core.step({ kind: "heightStarted", context: { ...context, startDelayMs } });
  return { core, effects };
}

/** The core after all that a log holds of the height. */
export function replayHeight(height: HeightUnderWay, logged: LoggedHeight): ConsensusCore {
  const { core } = beginHeight(height, logged.startDelayMs ?? 0);
  for (const input of logged.inputs) stepOf(core, height.context.height, input);
  return core;
}

/** One input told. @throws CometStoreError WAL_NOT_CONVERTIBLE when it contradicts those before. */
export function stepOf(
  core: ConsensusCore,
  height: Height,
  input: ConsensusInput,
): readonly ConsensusEffect[] {
  try {
    return core.step(input);
  } catch (cause) {
    throw notConvertible(
      height,
      `the write-ahead log of height ${height} contradicts itself: start the engine that wrote it, let the height be decided, stop it, and switch then`,
      cause,
    );
  }
}
