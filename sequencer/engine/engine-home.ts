/** The engine's side of a home directory (spec/cometbft-v0.38.md §19.1): lock, databases, signer. */
import { join } from "node:path";
import { lockHome } from "../store/home-lock.ts";
import { openBlockStore } from "../store/level-block-store.ts";
import { openLevelKeyValueStore } from "../store/level-key-value-store.ts";
import { createStateStore } from "../store/level-state-store.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { KeyValueStore } from "../store/key-value-store.ts";
import type { StateStore } from "../store/state-store.ts";
import { openFilePrivValidator, type FilePrivValidator } from "./privval/file-priv-validator.ts";

export interface EngineHomeOptions {
  /** `<home>/data`: databases, log, signer's state. */
  readonly dataDirectory: string;
  /** `<home>/config/priv_validator_key.json`; undefined for a node that only follows. */
  readonly privValidatorKeyPath: string | undefined;
}

export interface EngineHome {
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly evidenceStore: KeyValueStore;
  readonly privValidator: FilePrivValidator | undefined;
  /** For `EngineOptions.walDirectory`. */
  readonly walDirectory: string;
  close(): Promise<void>;
}

/**
 * Locks the data directory and opens what is in it, making what is missing.
 * @throws StoreError STORE_LOCKED; PrivValidatorError.
 */
export async function openEngineHome(options: EngineHomeOptions): Promise<EngineHome> {
  const { dataDirectory, privValidatorKeyPath } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    const lock = await lockHome(dataDirectory);
    closers.push(() => lock.release());
    const blocks = await openLevelKeyValueStore(join(dataDirectory, "blockstore.db"));
    const blobDirectory = join(dataDirectory, "blocks");
    const blockStore = await openBlockStore(blocks, { blobDirectory }).catch(
      async (error: unknown) => {
        await blocks.close();
        throw error;
      },
    );
    closers.push(() => blockStore.close());
    const states = await openLevelKeyValueStore(join(dataDirectory, "state.db"));
    closers.push(() => states.close());
    const evidenceStore = await openLevelKeyValueStore(join(dataDirectory, "evidence.db"));
    closers.push(() => evidenceStore.close());
    const privValidator =
      privValidatorKeyPath === undefined
        ? undefined
        : await openFilePrivValidator({
            keyPath: privValidatorKeyPath,
            statePath: join(dataDirectory, "priv_validator_state.json"),
            isFresh: blockStore.height() === 0,
          });
    if (privValidator !== undefined) closers.push(() => privValidator.close());
    return {
      blockStore,
      stateStore: createStateStore(states),
      evidenceStore,
      privValidator,
      walDirectory: join(dataDirectory, "cs.wal"),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
