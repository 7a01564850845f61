/**
 * The height under way told to the core again, as at a start, but with nothing signed, sent or
 * written: what the node knew, and where it stood, when it stopped.
 */
import type { FileSystem } from "../../ports/file-system.ts";
import { createConsensusCore } from "../../consensus/core.ts";
import type { ConsensusInput } from "../../consensus/inputs.ts";
import type { ConsensusCoreOptions } from "../../consensus/options.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { nextHeight } from "../chain-state.ts";
import { STEP_NAMES } from "../consensus-metrics.ts";
import { heightContext, storedLastCommit } from "../height-context.ts";
import { entriesToHeight } from "../replay.ts";
import { readLogFiles } from "./log-reader.ts";
import { decodeWalEntry, type WalEntry } from "./wal-entry.ts";

export interface ReplayedStep {
  readonly input: ConsensusInput;
  readonly round: number;
  readonly step: string;
  /** Kinds of what the core asked for, in order. */
  readonly effects: readonly string[];
}

export interface ReplayedHeight {
  readonly height: number;
  /** False when the log does not hold the end of the height before: then it is begun anew at a start. */
  readonly isLogged: boolean;
  /** The log has this height's end: the block is stored, and a start applies it. */
  readonly isDecided: boolean;
  readonly steps: readonly ReplayedStep[];
  /** What a start would ask for again. */
  readonly outstanding: readonly string[];
}

export async function replayOffline(
  options: ConsensusCoreOptions,
  deps: {
    readonly walDirectory: string;
    readonly fileSystem: FileSystem;
    readonly state: ChainState;
    readonly blockStore: BlockStore;
  },
): Promise<ReplayedHeight> {
  const { state, blockStore } = deps;
  const height = nextHeight(state);
  const { entries, isDecided } = await entriesOf(height, state, deps);
  const logged = entriesToHeight(entries ?? [], height);
  const lastCommit = await storedLastCommit(state, blockStore);
  const last = await blockStore.meta(state.lastBlockHeight);
  const context = heightContext(state, lastCommit, last?.header.appHash, logged.startDelayMs ?? 0);
  const core = createConsensusCore(options);
  const inputs: readonly ConsensusInput[] = [{ kind: "heightStarted", context }, ...logged.inputs];
  const steps = inputs.map((input) => {
    const effects = core.step(input).map(({ kind }) => kind);
    return { input, round: core.view.round, step: STEP_NAMES[core.view.step], effects };
  });
  const outstanding = core.outstanding().map(({ kind }) => kind);
  return { height, isLogged: entries !== undefined, isDecided, steps, outstanding };
}

/** Entries between the end of the height before and the end of this one. */
async function entriesOf(
  height: number,
  state: ChainState,
  deps: { readonly walDirectory: string; readonly fileSystem: FileSystem },
): Promise<{ readonly entries: readonly WalEntry[] | undefined; readonly isDecided: boolean }> {
  const lastHeight = height === state.initialHeight ? 0 : height - 1;
  let entries: WalEntry[] | undefined;
  let isDecided = false;
  for await (const file of readLogFiles(deps.walDirectory, deps.fileSystem)) {
    for (const { payload } of file.records) {
      const entry = decodeWalEntry(payload);
      if (entry.kind !== "endHeight") {
        if (!isDecided) entries?.push(entry);
      } else if (entry.height === lastHeight) {
        entries = [];
      } else if (entry.height === height) {
        isDecided = true;
      }
    }
  }
  return { entries, isDecided };
}
