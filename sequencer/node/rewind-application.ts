/**
 * Takes the application back to a height at or below `target`. It keeps its latest state only, so it
 * goes back to a snapshot or to the beginning; the next start replays blocks from there.
 */
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { Height } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import { clearUnfinishedRestore, removeState, Restore } from "../app/snapshots/restore.ts";
import { SnapshotArchive } from "../app/snapshots/snapshot-archive.ts";
import { type KeyValueStore, openKeyValueStore } from "../app/state-tree/key-value-store.ts";
import { StateStore } from "../app/state-tree/state-store.ts";
import type { Snapshot } from "../abci/application.ts";
import type { Logger } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { Home } from "./home.ts";

export type RewindErrorInfo =
  /** No snapshot, and not all blocks, from which the state at the height could be made again. */
  { readonly code: "STATE_REWIND_IMPOSSIBLE"; readonly height: number };

/** The application's database, read without the application. */
export interface ApplicationDisk {
  /** Height and root of its state. Throws when it cannot be read. */
  version(): Promise<{ readonly height: number; readonly root: Uint8Array }>;
  /**
   * Decides how to get to `target` or below, changing nothing.
   * @throws WeftError STATE_REWIND_IMPOSSIBLE
   */
  planRewind(target: Height, blocks: BlockStore, initialHeight: Height): Promise<Rewind>;
  close(): Promise<void>;
}

export interface Rewind {
  /** Where the application will stand; the next start replays the blocks above. */
  readonly height: number;
  run(): Promise<void>;
}

export async function openApplicationDisk(
  home: Home,
  { logger }: { readonly logger: Logger },
): Promise<ApplicationDisk> {
  const level = new ClassicLevel<string, Uint8Array>(join(home.dataDir, "application.db"), {
    keyEncoding: "utf8",
    valueEncoding: "view",
  });
  const database = await openKeyValueStore(level, yieldToLoop);
  const open = () => StateStore.open({}, { database, yieldToLoop });
  return {
    version: async () => (await open()).version,
    close: () => level.close(),
    async planRewind(target, blocks, initialHeight) {
      await clearUnfinishedRestore(database);
      // A damaged state is as good as one that is too high.
      const height = await open().then(
        ({ version }) => version.height,
        () => Number.POSITIVE_INFINITY,
      );
      // Height 0 is also what an interrupted restore leaves.
      const firstNeeded = height === 0 ? initialHeight : height + 1;
      if (height <= target && blocks.base() <= firstNeeded) return { height, run: async () => {} };
      const archive = await SnapshotArchive.open(home.snapshotsDir, NODE_FILE_SYSTEM);
      const snapshot = archive
        .list()
        .find((one) => one.height <= target && one.height + 1 >= blocks.base());
      if (snapshot !== undefined) {
        const run = () => restore(snapshot, archive, { database, blocks, logger });
        return { height: snapshot.height, run };
      }
      if (blocks.base() <= initialHeight) return { height: 0, run: () => removeState(database) };
      throw new WeftError<RewindErrorInfo>(
        { code: "STATE_REWIND_IMPOSSIBLE", height: target },
        `the application cannot go back to height ${target}: there is no snapshot of its state at or below it, and blocks below ${blocks.base()} are pruned. Start a new home with state sync instead`,
      );
    },
  };
}

async function restore(
  snapshot: Snapshot,
  archive: SnapshotArchive,
  deps: {
    readonly database: KeyValueStore;
    readonly blocks: BlockStore;
    readonly logger: Logger;
  },
): Promise<void> {
  const { database, blocks, logger } = deps;
  // The hash after a block stands in the header above it.
  const above = await blocks.meta(Height(snapshot.height + 1));
  if (above === undefined) throw damaged(snapshot, "the block above it is missing");
  const chunkAt = async (index: number): Promise<Uint8Array> => {
    const chunk = await archive.chunk(snapshot.height, snapshot.format, index);
    if (chunk === undefined) throw damaged(snapshot, `chunk ${index} is missing or damaged`);
    return chunk;
  };
  // The state goes when all that replaces it was seen.
  for (let index = 0; index < snapshot.chunks; index++) await chunkAt(index);
  await removeState(database);
  const store = await StateStore.open({}, { database, yieldToLoop });
  const target = new Restore(store, { database, logger, onChanged: async () => {} });
  const { appHash } = above.header;
  if ((await target.offer({ snapshot, appHash })) !== "accept") {
    throw damaged(snapshot, "it is not of a known form");
  }
  for (let index = 0; index < snapshot.chunks; index++) {
    const { result } = await target.apply({ index, chunk: await chunkAt(index), sender: "" });
    if (result !== "accept") throw damaged(snapshot, `chunk ${index} was answered with ${result}`);
  }
}

function damaged({ height }: Snapshot, reason: string): WeftError<RewindErrorInfo> {
  return new WeftError<RewindErrorInfo>(
    { code: "STATE_REWIND_IMPOSSIBLE", height },
    `the snapshot at height ${height} cannot be used: ${reason}; remove its files in data/snapshots and try again`,
  );
}
