/** The height under way, told to a core that signs and sends nothing. */
import { createConsensusCore } from "../../consensus/core.ts";
import type { ConsensusCore } from "../../consensus/consensus-core.ts";
import type { ConsensusEffect } from "../../consensus/effects.ts";
import type { ConsensusInput } from "../../consensus/inputs.ts";
import type { ConsensusCoreOptions } from "../../consensus/options.ts";
import { nextHeight } from "../../engine/chain-state.ts";
import { heightContext, storedLastCommit } from "../../engine/height-context.ts";
import { entriesToHeight } from "../../engine/replay.ts";
import type { WalEntry } from "../../engine/wal/wal-entry.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { notConvertible } from "./log-tail.ts";

/** Where a height stands, and how a core that decides it is made. */
export interface HeightUnderWay {
  readonly options: ConsensusCoreOptions;
  /** The state that the height follows from. */
  readonly state: ChainState;
  readonly blockStore: BlockStore;
}

/** A core at the start of the height, and what it asked for. */
export async function beginHeight(
  { options, state, blockStore }: HeightUnderWay,
  startDelayMs: number,
): Promise<{ readonly core: ConsensusCore; readonly effects: readonly ConsensusEffect[] }> {
  const lastCommit = await storedLastCommit(state, blockStore);
  const last = await blockStore.meta(state.lastBlockHeight);
  const context = heightContext(state, lastCommit, last?.header.appHash, startDelayMs);
  const core = createConsensusCore(options);
  return { core, effects: core.step({ kind: "heightStarted", context }) };
}

/** The core after all that entries hold of the height. */
export async function replayEntries(
  height: HeightUnderWay,
  entries: readonly WalEntry[],
): Promise<ConsensusCore> {
  const logged = entriesToHeight(entries, nextHeight(height.state));
  const { core } = await beginHeight(height, logged.startDelayMs ?? 0);
  for (const input of logged.inputs) stepOf(core, height.state, input);
  return core;
}

/** One input told. @throws CometStoreError WAL_NOT_CONVERTIBLE when it contradicts those before. */
export function stepOf(
  core: ConsensusCore,
  state: ChainState,
  input: ConsensusInput,
): readonly ConsensusEffect[] {
  try {
    return core.step(input);
  } catch (cause) {
    throw notConvertible(
      state.lastBlockHeight,
      `the write-ahead log of height ${nextHeight(state)} contradicts itself: start the engine that wrote it, let the height be decided, stop it, and switch then`,
      cause,
    );
  }
}
