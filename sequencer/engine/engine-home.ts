/** The engine's side of a home directory (spec/cometbft-v0.38.md §19.1): lock, databases, signer. */
import { join } from "node:path";
import type { FileSystem } from "../ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
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
  /** Tests only: stands before everything that is written. */
  readonly watch?: HomeWatch;
}

export interface HomeWatch {
  fileSystem(use: "blocks" | "signer"): FileSystem;
  database(name: "blockstore" | "state" | "evidence", store: KeyValueStore): KeyValueStore;
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
  const { dataDirectory, privValidatorKeyPath, watch } = options;
  const open = async (name: Parameters<HomeWatch["database"]>[0]): Promise<KeyValueStore> => {
    const store = await openLevelKeyValueStore(join(dataDirectory, `${name}.db`));
    return watch?.database(name, store) ?? store;
  };
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    const lock = await lockHome(dataDirectory);
    closers.push(() => lock.release());
    const blocks = await open("blockstore");
    const blobDirectory = join(dataDirectory, "blocks");
    const fileSystem = watch?.fileSystem("blocks") ?? NODE_FILE_SYSTEM;
    const blockStore = await openBlockStore(blocks, { blobDirectory }, { fileSystem }).catch(
      async (error: unknown) => {
        await blocks.close();
        throw error;
      },
    );
    closers.push(() => blockStore.close());
    const states = await open("state");
    closers.push(() => states.close());
    const evidenceStore = await open("evidence");
    closers.push(() => evidenceStore.close());
    const privValidator =
      privValidatorKeyPath === undefined
        ? undefined
        : await openFilePrivValidator({
            keyPath: privValidatorKeyPath,
            statePath: join(dataDirectory, "priv_validator_state.json"),
            isFresh: blockStore.height() === 0,
            ...(watch === undefined ? {} : { fileSystem: watch.fileSystem("signer") }),
          });
    if (privValidator !== undefined) closers.push(() => privValidator.close());
    return {
      blockStore,
      stateStore: createStateStore(states, { yieldToLoop }),
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
