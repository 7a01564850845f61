/** What `weft rollback` does. Each step leaves a home that starts, and from which it can be repeated. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EngineHome } from "../engine/engine-home.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { planRollback, unmarkEvidenceAbove } from "../engine/rollback.ts";
import type { Home } from "../node/home.ts";
import { openApplicationDisk } from "../node/rewind-application.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { withOpenHome } from "./offline-home.ts";
import { printResult } from "./output.ts";

export async function rollBack(root: string, isHard: boolean, isJson: boolean): Promise<void> {
  const result = await withOpenHome(root, (home, stores) => rollBackHome(home, stores, isHard));
  printResult(result, isJson);
}

async function rollBackHome(home: Home, stores: EngineHome, isHard: boolean) {
  const { blockStore, stateStore, evidenceStore } = stores;
  const { initialHeight } = await loadGenesis(home.genesisFile);
  const { target, state } = await planRollback(blockStore, stateStore);
  const application = await openApplicationDisk(home, { logger: NULL_LOGGER });
  try {
    // All that may be refused is decided before anything is changed.
    const rewind = await application.planRewind(target, blockStore, initialHeight);
    const log = setLogAside(home, target);
    await rewind.run();
    // What tells of the block above goes before it: none of it may outlive a command that is ended half-way.
    await unmarkEvidenceAbove(target, blockStore, evidenceStore);
    await removeSnapshotsAbove(home, target);
    const hadIndex = removeIndex(home);
    if (state !== undefined) await stateStore.save(state);
    const removed = isHard && blockStore.height() > target ? blockStore.height() : undefined;
    if (removed !== undefined) await blockStore.removeLast();
    return {
      height: target,
      appHash: (state ?? (await stateStore.load()))?.appHash,
      removedBlock: removed,
      applicationHeight: rewind.height,
      log,
      index: hadIndex ? "removed; it is made again after the start" : undefined,
    };
  } finally {
    await application.close();
  }
}

/** It tells of heights that are executed or decided anew; the signer's state stays as it is. */
function setLogAside(home: Home, target: number): string | undefined {
  if (!existsSync(home.walDir)) return undefined;
  let aside = `${home.walDir}.rollback-${target}`;
  for (let i = 1; existsSync(aside); i++) aside = `${home.walDir}.rollback-${target}.${i}`;
  renameSync(home.walDir, aside);
  return aside;
}

/** Snapshots of states that are no more. The file that makes one comes first. */
async function removeSnapshotsAbove(home: Home, target: number): Promise<void> {
  if (!existsSync(home.snapshotsDir)) return;
  const names = await NODE_FILE_SYSTEM.list(home.snapshotsDir);
  const gone = names.filter((name) => {
    const height = /^(\d{16})-\d+\./.exec(name)?.[1];
    return height !== undefined && Number(height) > target;
  });
  const isMetadata = (name: string): boolean => name.endsWith(".meta");
  for (const name of [...gone.filter(isMetadata), ...gone.filter((one) => !isMetadata(one))]) {
    await NODE_FILE_SYSTEM.remove(join(home.snapshotsDir, name));
  }
}

function removeIndex(home: Home): boolean {
  const path = join(home.dataDir, "tx_index.db");
  if (!existsSync(path)) return false;
  rmSync(path, { recursive: true });
  return true;
}
