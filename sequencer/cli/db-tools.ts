/** What `weft db` does. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { timeToMs } from "../../proto/time.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { EngineHome } from "../engine/engine-home.ts";
import type { Home } from "../node/home.ts";
import { openApplicationDisk } from "../node/rewind-application.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import { checkStores } from "../store/check-stores.ts";
import { PRUNE_BLOCKS_PER_STEP_MAX } from "../store/limits.ts";
import { cliError } from "./cli-error.ts";
import { withLockedHome, withOpenHome } from "./offline-home.ts";
import { printResult } from "./output.ts";

export async function checkDatabases(root: string, from: number, isJson: boolean): Promise<void> {
  const report = await withOpenHome(root, async (home, stores) => {
    const { blockStore, stateStore } = stores;
    const verifier = createEd25519Verifier();
    const check = await checkStores({ from }, { blockStore, stateStore, verifier });
    const application = await checkApplication(home, stores);
    return {
      ...check,
      applicationHeight: application.height,
      faults: [...check.faults, ...application.faults],
      bytes: sizes(home),
    };
  });
  printResult(report, isJson);
  const count = report.faults.length + report.moreFaults;
  if (count === 0) return;
  const list = report.faults.map(({ height, message }) => `height ${height}: ${message}`);
  throw cliError(
    "VERIFICATION",
    `the databases have ${count} fault(s):\n  ${list.join("\n  ")}\nCheck the disk; then restore the data directory together with the signer's newest state, or start a new home with block sync or state sync`,
  );
}

/** Its height against the stores', and its root against what the chain says. */
async function checkApplication(home: Home, { blockStore, stateStore }: EngineHome) {
  const fault = (height: number, message: string) => ({ height, message });
  if (!existsSync(join(home.dataDir, "application.db"))) return { height: undefined, faults: [] };
  const disk = await openApplicationDisk(home, { logger: NULL_LOGGER });
  try {
    const { height, root } = await disk.version();
    const state = await stateStore.load();
    // After state sync there are no blocks until the first one follows.
    const stored = Math.max(blockStore.height(), state?.lastBlockHeight ?? 0);
    if (height > stored) {
      const message = `the application is at ${height}, ahead of blocks and state at ${stored}`;
      return { height, faults: [fault(height, message)] };
    }
    if (height === 0) return { height, faults: [] };
    const expected = await appHashAfter(Height(height), blockStore, state);
    if (expected === undefined || bytesEqual(expected, root)) return { height, faults: [] };
    const message = `the application's state has hash ${toHex(root)}, the chain says ${toHex(expected)}`;
    return { height, faults: [fault(height, message)] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { height: undefined, faults: [fault(0, `the application: ${message}`)] };
  } finally {
    await disk.close();
  }
}

/** It stands in the header above, or for the last block in the state. */
async function appHashAfter(
  height: Height,
  blockStore: BlockStore,
  state: ChainState | undefined,
): Promise<Uint8Array | undefined> {
  if (state?.lastBlockHeight === height) return state.appHash;
  return (await blockStore.meta(Height(height + 1)))?.header.appHash;
}

export async function pruneDatabases(
  root: string,
  retainHeight: number,
  isJson: boolean,
): Promise<void> {
  const before = await withOpenHome(root, async (home, { blockStore, stateStore }) => {
    const bytes = sizes(home);
    const base = blockStore.base();
    await requirePrunable(retainHeight, home, { blockStore, stateStore });
    while (blockStore.base() < retainHeight) await blockStore.prune(Height(retainHeight));
    const steps = Math.ceil((retainHeight - base) / PRUNE_BLOCKS_PER_STEP_MAX) + 1;
    for (let i = 0; i < steps; i++) await stateStore.prune(Height(retainHeight));
    return { bytes, base };
  });
  // The databases are closed: their files are rewritten without what was removed.
  const result = await withLockedHome(root, async (home) => {
    for (const name of ["blockstore", "state"]) await compact(join(home.dataDir, `${name}.db`));
    return {
      pruned: Math.max(0, retainHeight - before.base),
      base: Math.max(retainHeight, before.base),
      bytesBefore: before.bytes,
      bytes: sizes(home),
    };
  });
  printResult(result, isJson);
}

/** What a running node would not prune is not pruned here: evidence and the application need it. */
async function requirePrunable(
  retainHeight: number,
  home: Home,
  { blockStore, stateStore }: Pick<EngineHome, "blockStore" | "stateStore">,
): Promise<void> {
  const state = await stateStore.load();
  if (state === undefined) throw cliError("NOT_FOUND", "the node has not begun its chain yet");
  const last = Math.min(blockStore.height(), state.lastBlockHeight);
  const { maxAgeBlocks, maxAgeDurationNanos } = state.consensusParams.evidence;
  const keptMs = Number(maxAgeDurationNanos / 1_000_000n);
  const firstYoung = last - Number(maxAgeBlocks);
  const below = await blockStore.meta(Height(Math.max(retainHeight - 1, 0)));
  const isOld =
    below !== undefined && timeToMs(state.lastBlockTime) - timeToMs(below.header.time) > keptMs;
  if (retainHeight > blockStore.base() && (retainHeight > firstYoung || !isOld)) {
    throw cliError(
      "REJECTED",
      `blocks below ${retainHeight} may still be named by evidence: expected at most height ${Math.max(firstYoung, blockStore.base())}, and blocks older than ${keptMs / 3_600_000} hours; nothing was pruned`,
    );
  }
  const disk = await openApplicationDisk(home, { logger: NULL_LOGGER });
  try {
    const { height } = await disk.version();
    if (retainHeight <= height + 1) return;
    throw cliError(
      "REJECTED",
      `the application is at height ${height} and needs the blocks above it: expected at most ${height + 1}; nothing was pruned`,
    );
  } finally {
    await disk.close();
  }
}

async function compact(path: string): Promise<void> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(path, {
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await level.open();
  try {
    await level.compactRange(new Uint8Array([0]), new Uint8Array(64).fill(0xff));
  } finally {
    await level.close();
  }
}

/** Bytes by folder of the data directory; single files together. */
function sizes(home: Home): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const entry of readdirSync(home.dataDir, { withFileTypes: true })) {
    const path = join(home.dataDir, entry.name);
    if (entry.isDirectory()) found[entry.name] = sizeOf(path);
    else found["files"] = (found["files"] ?? 0) + statSync(path).size;
  }
  return found;
}

function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
