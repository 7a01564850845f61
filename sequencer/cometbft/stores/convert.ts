/** All that an engine keeps in a folder, made anew in another folder in the other engine's format. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Height } from "../../../proto/brands.ts";
import type { Proposal, Timestamp, Vote } from "../../../proto/types.ts";
import type { VerifySignature } from "../../../proto/verify/ed25519.ts";
import type { ConsensusCoreOptions } from "../../consensus/options.ts";
import { entriesToHeight, type LoggedHeight, ownMessageOf } from "../../engine/replay.ts";
import { decodeWalEntry, inputToWalEntries, type WalEntry } from "../../engine/wal/wal-entry.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { StoreError } from "../../store/errors.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { openBlockStore } from "../../store/level-block-store.ts";
import { openLevelKeyValueStore } from "../../store/level-key-value-store.ts";
import { createStateStore } from "../../store/level-state-store.ts";
import { cometBlockRange, copyBlocksFromComet, copyBlocksToComet } from "./blocks.ts";
import { withoutSync } from "./bulk-writer.ts";
import { decodeCometLogMessage } from "./comet-log-message.ts";
import { syncTree, UNSYNCED_FILE_SYSTEM } from "./durable-files.ts";
import {
  copyEvidenceFromComet,
  copyEvidenceToComet,
  type EvidenceCount,
  markEvidence,
} from "./evidence.ts";
import { heightAfter, type HeightUnderWay } from "./height-under-way.ts";
import { logFromComet } from "./log-from-comet.ts";
import {
  endInCometLog,
  endInOurLog,
  recordsAfterEnd,
  writeCometLog,
  writeOurLog,
} from "./log-tail.ts";
import { logToComet } from "./log-to-comet.ts";
import { cometState, copyStatesFromComet, copyStatesToComet } from "./states.ts";

/** What our engine keeps in its folder; all of it is made by a conversion, but for the index. */
export const OUR_NAMES = ["blockstore.db", "blocks", "state.db", "evidence.db", "cs.wal"] as const;

export interface ConversionOptions {
  readonly from: string;
  /** Must not exist yet. */
  readonly to: string;
  readonly consensus: ConsensusCoreOptions;
  /** Said to be that of the records of CometBFT's log. */
  readonly now: Timestamp;
  readonly onProgress: (what: "blocks" | "states", height: number, last: number) => void;
}

export interface Conversion {
  /** Heights of the blocks; both 0 when there is none. */
  readonly base: Height;
  readonly height: Height;
  readonly stateHeight: Height;
  readonly evidence: EvidenceCount;
  /** Records of the height under way that were carried over. */
  readonly logRecords: number;
}

/**
 * Our engine's data as CometBFT's. Durable when it resolves.
 * @throws StoreError, CodecError, CometStoreError when something is damaged or cannot be carried over
 */
export async function convertToComet(
  options: ConversionOptions,
  deps: {
    readonly verify: VerifySignature;
    /** Told of each message of ours in the log: the signer's state may be behind it after a crash. */
    readonly remember?: (chainId: string, message: Vote | Proposal) => Promise<unknown>;
  },
): Promise<Conversion> {
  const { from, to, onProgress } = options;
  const conversion = await withOpened(async (open, closers) => {
    const states = await open(from, "state");
    const blockStore = await openBlockStore(
      await openLevelKeyValueStore(join(from, "blockstore.db")),
      {
        blobDirectory: join(from, "blocks"),
      },
    );
    closers.push(() => blockStore.close());
    const state = await createStateStore(states).load();
    const last = lastHeight(state, blockStore);
    await copyBlocksToComet(
      blockStore,
      await open(to, "blockstore", MOVED_TO_TABLES),
      (height, end) => onProgress("blocks", height, end),
    );
    await copyStatesToComet(states, await open(to, "state", MOVED_TO_TABLES), (height, end) =>
      onProgress("states", height, end),
    );
    const evidence = await copyEvidenceToComet(
      await open(from, "evidence"),
      await open(to, "evidence", MOVED_TO_TABLES),
    );
    const records = await loggedRecords(join(from, "cs.wal"), last, endInOurLog);
    const height = await underWay(options, state, blockStore, last);
    const logged = height && entriesToHeight(records.map(decodeWalEntry), height.context.height);
    for (const input of logged?.inputs ?? []) {
      const message = ownMessageOf(input);
      if (message !== undefined && height) await deps.remember?.(height.chainId, message);
    }
    const messages =
      height === undefined || logged === undefined ? [] : logToComet(logged, height, deps);
    await writeCometLog(
      join(to, "cs.wal"),
      [{ kind: "endHeight", height: last }, ...messages],
      options.now,
      NODE_FILE_SYSTEM,
    );
    return report(state, blockStore, evidence, messages.length);
  });
  await syncTree(to);
  return conversion;
}

/**
 * CometBFT's data as our engine's. Durable when it resolves.
 * @throws CodecError, CometStoreError when something is damaged or cannot be carried over
 */
export async function convertFromComet(
  options: ConversionOptions,
  deps: { readonly verify: VerifySignature },
): Promise<Conversion> {
  const { from, to, onProgress } = options;
  const conversion = await withOpened(async (open, closers) => {
    const cometStates = await open(from, "state");
    const cometBlocks = await open(from, "blockstore");
    const state = await cometState(cometStates);
    const blockStore = await openBlockStore(
      withoutSync(await openLevelKeyValueStore(join(to, "blockstore.db"))),
      { blobDirectory: join(to, "blocks") },
      { fileSystem: UNSYNCED_FILE_SYSTEM },
    );
    closers.push(() => blockStore.close());
    const last = lastHeight(state, await rangeOf(cometBlocks));
    const applied = state?.lastBlockHeight ?? Height(0);
    const evidenceStore = await open(to, "evidence");
    const evidence = await copyEvidenceFromComet(await open(from, "evidence"), evidenceStore);
    await copyBlocksFromComet(
      cometBlocks,
      blockStore,
      (block) => markEvidence(block, applied, evidenceStore),
      (height, end) => onProgress("blocks", height, end),
    );
    await copyStatesFromComet(cometStates, await open(to, "state"), (height, end) =>
      onProgress("states", height, end),
    );
    const records = await loggedRecords(join(from, "cs.wal"), last, endInCometLog);
    const height = await underWay(options, state, blockStore, last);
    const entries =
      height === undefined
        ? []
        : heightToEntries(
            logFromComet(records.map(decodeCometLogMessage), height, deps),
            height.context.height,
          );
    await writeOurLog(
      join(to, "cs.wal"),
      [{ kind: "endHeight", height: last }, ...entries],
      NODE_FILE_SYSTEM,
    );
    return report(state, blockStore, evidence, entries.length);
  });
  await syncTree(to);
  return conversion;
}

interface Range {
  base(): Height;
  height(): Height;
}

async function rangeOf(blocks: KeyValueStore): Promise<Range> {
  const { base, height } = await cometBlockRange(blocks);
  return { base: () => base, height: () => height };
}

/** The last height that was decided; 0 before the first block. */
function lastHeight(state: ChainState | undefined, blocks: Range): Height {
  const stored = blocks.height();
  const applied = state?.lastBlockHeight ?? Height(0);
  const heights = `the block store ends at ${stored}, the state at ${applied}`;
  if (stored === 0 && applied > 0) {
    throw new StoreError(
      { code: "STORE_HEIGHT_GAP", expected: applied, got: stored },
      `${heights}: the node has a snapshot and no block yet; start its engine, let it follow the chain by a block, stop it, and switch then`,
    );
  }
  const isFirst = stored === state?.initialHeight && applied === 0;
  if (stored !== applied && stored !== applied + 1 && !isFirst) {
    throw new StoreError(
      { code: "STORE_HEIGHT_GAP", expected: applied, got: stored },
      `${heights}: expected the same or one block more; restore the data directory`,
    );
  }
  return stored;
}

/**
 * The height after `last`, where something of it can have been logged: a block that is stored and not
 * applied yet is applied at the next start, before its successor begins.
 */
async function underWay(
  { consensus }: ConversionOptions,
  state: ChainState | undefined,
  blockStore: BlockStore,
  last: Height,
): Promise<HeightUnderWay | undefined> {
  if (state === undefined || state.lastBlockHeight !== last) return undefined;
  return heightAfter(state, blockStore, consensus);
}

function heightToEntries(
  { startDelayMs, inputs }: LoggedHeight,
  height: Height,
): readonly WalEntry[] {
  if (startDelayMs === undefined) return [];
  return [{ kind: "heightStarted", height, startDelayMs }, ...inputs.flatMap(inputToWalEntries)];
}

async function loggedRecords(
  directory: string,
  last: Height,
  endOf: Parameters<typeof recordsAfterEnd>[2],
): Promise<readonly Uint8Array[]> {
  if (!existsSync(directory)) return [];
  return (await recordsAfterEnd(directory, last, endOf, NODE_FILE_SYSTEM)) ?? [];
}

function report(
  state: ChainState | undefined,
  blockStore: BlockStore,
  evidence: EvidenceCount,
  logRecords: number,
): Conversion {
  return {
    base: blockStore.base(),
    height: blockStore.height(),
    stateHeight: state?.lastBlockHeight ?? Height(0),
    evidence,
    logRecords,
  };
}

type OpenStore = (
  directory: string,
  name: string,
  options?: { readonly isMovedToTables: boolean },
) => Promise<KeyValueStore>;
type Closers = (() => Promise<void>)[];

/**
 * For a database that CometBFT opens next. Its manifest may name a later sequence than the first batches of
 * its journal have (LevelDB notes the newest when it has written a table, and goes on with the journal
 * meanwhile): LevelDB takes those batches all the same, CometBFT's goleveldb skips them without a word. Opened
 * once more, all of the journal becomes a table.
 */
const MOVED_TO_TABLES = { isMovedToTables: true };

/** What a task opened, and what it adds to the list, is closed behind it, the last first. */
async function withOpened<T>(task: (open: OpenStore, closers: Closers) => Promise<T>): Promise<T> {
  const closers: Closers = [];
  const open: OpenStore = async (directory, name, options) => {
    const path = join(directory, `${name}.db`);
    const store = await openLevelKeyValueStore(path);
    closers.push(async () => {
      await store.close();
      if (options?.isMovedToTables === true) await (await openLevelKeyValueStore(path)).close();
    });
    return store;
  };
  try {
    return await task(open, closers);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}
