/**
 * What `weft engine` does. A change of engine makes the new engine's data beside the old one's, then puts
 * the old data aside and the new in its place. Until the new data is whole and durable the old engine can
 * be started as if nothing had been; from then on until the last step no engine can, and the command,
 * run again, goes on where it was.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { timeFromMs } from "../../proto/time.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { findCometBft } from "../cometbft/binary.ts";
import { cometBftHomeAt } from "../cometbft/config-file.ts";
import {
  type Conversion,
  convertFromComet,
  convertToComet,
  OUR_NAMES,
} from "../cometbft/stores/convert.ts";
import { requireNotInUse } from "../cometbft/stores/in-use.ts";
import {
  type FilePrivValidator,
  openFilePrivValidator,
} from "../engine/privval/file-priv-validator.ts";
import { openSignStateFile } from "../engine/privval/sign-state.ts";
import { loadConfig } from "../node/config.ts";
import { consensusOptions } from "../node/consensus-options.ts";
import type { Home } from "../node/home.ts";
import {
  beginEngineSwitch,
  endEngineSwitch,
  type EngineName,
  engineOfHome,
  type EngineSwitch,
  engineSwitchOf,
  setEngineOfHome,
} from "../node/home-engine.ts";
import { syncDirectory } from "../ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { shellWord } from "../ports/shell-word.ts";
import { StoreError } from "../store/errors.ts";
import { cliError } from "./cli-error.ts";
import { existingHome, ownAddress, withLockedHome } from "./offline-home.ts";
import { printResult } from "./output.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface SwitchOptions {
  readonly to: EngineName;
  readonly prune: boolean;
  readonly isJson: boolean;
  /** Tests only: before each change of names; what it throws ends the command there. */
  readonly onStep?: (() => void) | undefined;
}

/** Changes nothing, so a node that runs is no hindrance. */
export async function showEngine(root: string, isJson: boolean): Promise<void> {
  const user = await userOf(root);
  const home = existingHome(root);
  const unfinished = await engineSwitchOf(home);
  const engine = unfinished === undefined ? await engineOfHome(home) : undefined;
  const report = {
    engine: engine ?? null,
    inUse: user !== undefined,
    ...(user?.pid === undefined ? {} : { process: user.pid }),
    unfinishedSwitchTo: unfinished?.to ?? null,
    retired: retiredFolders(home),
  };
  printResult(report, isJson);
}

/** Who holds the lock of the home: a node that runs, or a command that works on it. */
async function userOf(root: string): Promise<{ readonly pid: number | undefined } | undefined> {
  try {
    await withLockedHome(root, () => Promise.resolve());
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError) || error.info.code !== "STORE_LOCKED") throw error;
    return { pid: error.info.pid };
  }
}

export async function switchEngine(
  root: string,
  options: SwitchOptions,
  environment: Environment,
): Promise<void> {
  const { to, prune, isJson, onStep = () => undefined } = options;
  const report = await withLockedHome(root, async (home) => {
    requireNotInUse(cometBftHomeAt(home).dataDir);
    const unfinished = await engineSwitchOf(home);
    if (unfinished !== undefined) await putInPlace(home, unfinished, onStep);
    const from = await engineOfHome(home);
    const conversion =
      from === undefined || from === to
        ? undefined
        : await convert(home, { from, to, onStep }, environment);
    if (from === undefined) await setEngineOfHome(home, to);
    const pruned = prune ? pruneRetired(home) : [];
    return {
      engine: to,
      converted: conversion !== undefined,
      ...(unfinished === undefined ? {} : { finishedSwitchTo: unfinished.to }),
      ...conversion,
      retired: retiredFolders(home),
      pruned,
      next: `weft start --home ${shellWord(home.root)} --engine ${to}; engine = "${to}" in ${home.configFile} keeps it`,
    };
  });
  printResult(report, isJson);
}

async function convert(
  home: Home,
  { from, to, onStep }: { from: EngineName; to: EngineName; onStep: () => void },
  environment: Environment,
): Promise<Conversion & { readonly index: string }> {
  if (from === "cometbft") requireCometBlocks(home);
  const config = loadConfig(home.configFile, {}, environment);
  const temporary = temporaryFolder(home, to);
  rmSync(temporary, { recursive: true, force: true });
  const options = {
    from: from === "embedded" ? home.dataDir : cometBftHomeAt(home).dataDir,
    to: temporary,
    consensus: { ownAddress: ownAddress(home), ...consensusOptions(config) },
    now: timeFromMs(Date.now()),
    onProgress: (what: string, height: number, last: number) =>
      process.stderr.write(`${what} converted: ${height} of ${last}\n`),
  };
  const deps = { verify: verifyEd25519Sync };
  const made = async (): Promise<Conversion> => {
    const conversion =
      to === "cometbft"
        ? await withSigner(home, (remember) => convertToComet(options, { ...deps, ...remember }))
        : await convertFromComet(options, deps);
    await requireSignerState(home, conversion);
    return conversion;
  };
  const conversion = await made().catch((error: unknown) => {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  });
  await syncDirectory(NODE_FILE_SYSTEM, dirname(temporary));
  const change = { from, to, retired: freeName(home, `${from}-${conversion.height}`) };
  onStep();
  await beginEngineSwitch(home, change);
  await putInPlace(home, change, onStep);
  return { ...conversion, index: await indexNote(home, to, environment) };
}

/** A home of `weft abci` has an application, and its CometBFT is elsewhere. */
function requireCometBlocks(home: Home): void {
  const { dataDir } = cometBftHomeAt(home);
  if (existsSync(join(dataDir, "blockstore.db"))) return;
  throw cliError(
    "FILE",
    `${home.root} is CometBFT's and there are no blocks in ${dataDir}: what ran under weft abci goes on there; to change its engine, stop both and bring the data folder of its CometBFT here first`,
  );
}

/** What becomes of the index of transactions, with a command to copy where one is needed. */
async function indexNote(home: Home, to: EngineName, environment: Environment): Promise<string> {
  if (to === "embedded") return "is made again from the blocks after the start";
  // The switch needs no CometBFT, so it may be missing here.
  const program = await findCometBft({ environment }).then(
    ({ path }) => path,
    () => "cometbft",
  );
  return `begins anew: earlier blocks are read by height, and no search finds what is in them; for that, run before the start: ${shellWord(program)} reindex-event --home ${shellWord(cometBftHomeAt(home).root)}`;
}

/** CometBFT trusts the signer's state alone: what only the log knows is added to it. */
async function withSigner<T>(
  home: Home,
  task: (signer: Partial<Pick<FilePrivValidator, "remember">>) => Promise<T>,
): Promise<T> {
  if (!existsSync(home.validatorKeyFile) || !existsSync(home.validatorStateFile)) return task({});
  const signer = await openFilePrivValidator({
    keyPath: home.validatorKeyFile,
    statePath: home.validatorStateFile,
    isFresh: false,
  });
  try {
    return await task({ remember: (chainId, message) => signer.remember(chainId, message) });
  } finally {
    await signer.close();
  }
}

/** Both engines must be able to read what was signed last. */
async function requireSignerState(home: Home, { height }: Conversion): Promise<void> {
  if (!existsSync(home.validatorStateFile) && !existsSync(home.validatorKeyFile)) return;
  const file = await openSignStateFile(home.validatorStateFile, height === 0, NODE_FILE_SYSTEM);
  await file.close();
}

/** Every step finds what an interrupted one left; the engine is named last. */
async function putInPlace(home: Home, change: EngineSwitch, onStep: () => void): Promise<void> {
  const { from, to } = change;
  const comet = cometBftHomeAt(home);
  const temporary = temporaryFolder(home, to);
  const aside = retiredFolder(home, from, change.retired);
  for (const folder of [aside, retiredRoot(home, "embedded")]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  if (to === "cometbft") {
    for (const name of [...OUR_NAMES, "tx_index.db"]) {
      onStep();
      moveIn(home, join(home.dataDir, name), join(aside, name));
    }
    onStep();
    moveIn(home, temporary, comet.dataDir);
  } else {
    onStep();
    moveIn(home, comet.dataDir, join(aside, "data"));
    for (const name of OUR_NAMES) {
      onStep();
      moveIn(home, join(temporary, name), join(home.dataDir, name));
    }
    onStep();
    rmSync(temporary, { recursive: true, force: true });
  }
  for (const path of [dirname(aside), aside, comet.root, home.dataDir]) {
    if (existsSync(path)) await syncDirectory(NODE_FILE_SYSTEM, path);
  }
  onStep();
  await endEngineSwitch(home, to);
}

/** What stands in the way is nobody's data, such as the empty folder of a node that never started: kept aside. */
function moveIn(home: Home, from: string, to: string): void {
  if (!existsSync(from)) return;
  if (existsSync(to)) renameSync(to, retiredFolder(home, "embedded", freeName(home, "stray")));
  renameSync(from, to);
}

/** On the file system that the data will be on. */
function temporaryFolder(home: Home, to: EngineName): string {
  return to === "cometbft"
    ? join(cometBftHomeAt(home).root, "data.switch")
    : join(home.dataDir, "switch");
}

function retiredRoot(home: Home, engine: EngineName): string {
  return join(engine === "cometbft" ? cometBftHomeAt(home).root : home.dataDir, "retired");
}

function retiredFolder(home: Home, engine: EngineName, name: string): string {
  return join(retiredRoot(home, engine), name);
}

function freeName(home: Home, wanted: string): string {
  const taken = new Set(retiredFolders(home).map(({ path }) => path.split("/").at(-1)));
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}.${i}`;
  return name;
}

/** Data that was put aside, oldest names first. */
function retiredFolders(home: Home) {
  return (["embedded", "cometbft"] as const).flatMap((engine) => {
    const folder = retiredRoot(home, engine);
    const names = existsSync(folder) ? readdirSync(folder).sort() : [];
    return names.map((name) => {
      const path = join(folder, name);
      return { engine, path, bytes: sizeOf(path) };
    });
  });
}

function pruneRetired(home: Home): readonly string[] {
  const folders = retiredFolders(home);
  for (const { path } of folders) rmSync(path, { recursive: true });
  return folders.map(({ path }) => path);
}

function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
