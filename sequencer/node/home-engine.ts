/**
 * Which engine the data of a home belongs to. Both engines share keys, genesis and the application's
 * state, but each has its own blocks; a node that started with the other one would sign heights again
 * that it has signed. So each home names its engine, and only `weft engine switch` changes that.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WeftError } from "../../proto/errors.ts";
import { cometBftHomeAt } from "../cometbft/config-file.ts";
import { readSignState } from "../engine/privval/sign-state.ts";
import { replaceFile, syncDirectory } from "../ports/file-system.ts";
import { isMissingFile, NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { shellWord } from "../ports/shell-word.ts";
import type { Home } from "./home.ts";

export const ENGINES = ["embedded", "cometbft"] as const;
export type EngineName = (typeof ENGINES)[number];

export type HomeEngineErrorInfo =
  /** The data belongs to the other engine. */
  | { readonly code: "CONFIG_OTHER_ENGINE"; readonly engine: EngineName }
  /** A change of the engine was interrupted. */
  | { readonly code: "CONFIG_SWITCH_UNFINISHED"; readonly engine: EngineName }
  /** The file that names the engine names none that is known. */
  | { readonly code: "CONFIG_ENGINE_FILE"; readonly path: string };

/** What stands in a home's file whose first engine was stopped before it had signed or decided anything. */
const NOBODY = "none";

type EngineHome = Pick<Home, "root" | "dataDir" | "engineFile">;

/** The file that says, while there is one, that the data is between two engines and no node may start. */
export function switchFileOf(home: Pick<Home, "engineFile">): string {
  return `${home.engineFile}.switch`;
}

/**
 * The engine that a home's blocks are of; undefined while neither engine has begun.
 * @throws WeftError<HomeEngineErrorInfo> CONFIG_SWITCH_UNFINISHED, CONFIG_ENGINE_FILE
 */
export async function engineOfHome(home: EngineHome): Promise<EngineName | undefined> {
  const unfinished = await engineSwitchOf(home);
  if (unfinished !== undefined) {
    throw new WeftError<HomeEngineErrorInfo>(
      { code: "CONFIG_SWITCH_UNFINISHED", engine: unfinished.to },
      `the change of ${home.root} to the engine ${unfinished.to} was interrupted; nothing is lost: finish it by: weft engine switch --to ${unfinished.to} --home ${shellWord(home.root)}`,
    );
  }
  let text: string;
  try {
    text = (await readFile(home.engineFile, "utf8")).trim();
  } catch (error) {
    if (!isMissingFile(error)) throw error;
    // Homes of before there was a choice do not say it.
    return existsSync(join(home.dataDir, "blockstore.db")) ? "embedded" : undefined;
  }
  if (text === NOBODY) return undefined;
  const named = ENGINES.find((engine) => engine === text);
  if (named !== undefined) return named;
  throw new WeftError<HomeEngineErrorInfo>(
    { code: "CONFIG_ENGINE_FILE", path: home.engineFile },
    `expected ${[...ENGINES, NOBODY].join(" or ")} in ${home.engineFile}, got ${JSON.stringify(text.slice(0, 40))}; restore the file`,
  );
}

/** A change of the engine whose data is whole, and which only has to be put in its place. */
export interface EngineSwitch {
  readonly from: EngineName;
  readonly to: EngineName;
  /** Name of the folder that the data of `from` goes to. */
  readonly retired: string;
}

/**
 * The change of engine that was begun and not finished, if any.
 * @throws WeftError<HomeEngineErrorInfo> CONFIG_ENGINE_FILE
 */
export async function engineSwitchOf(home: EngineHome): Promise<EngineSwitch | undefined> {
  const path = switchFileOf(home);
  if (!existsSync(path)) return undefined;
  const [fromName, toName, retired] = (await readFile(path, "utf8")).trim().split(" ");
  const from = ENGINES.find((engine) => engine === fromName);
  const to = ENGINES.find((engine) => engine === toName);
  if (from !== undefined && to !== undefined && retired !== undefined) return { from, to, retired };
  throw new WeftError<HomeEngineErrorInfo>(
    { code: "CONFIG_ENGINE_FILE", path },
    `expected two engines and a folder in ${path}; restore the file`,
  );
}

/** Writes down, durably, that the data is between two engines. The caller holds the lock of the home. */
export async function beginEngineSwitch(home: EngineHome, change: EngineSwitch): Promise<void> {
  const { from, to, retired } = change;
  await replaceFile(NODE_FILE_SYSTEM, switchFileOf(home), `${from} ${to} ${retired}\n`);
}

/** The data is `engine`'s: the last step of a change. */
export async function endEngineSwitch(home: EngineHome, engine: EngineName): Promise<void> {
  await setEngineOfHome(home, engine);
  await NODE_FILE_SYSTEM.remove(switchFileOf(home));
  await syncDirectory(NODE_FILE_SYSTEM, dirname(home.engineFile));
}

/**
 * Refuses a home whose data is of another engine; writes nothing.
 * @throws WeftError<HomeEngineErrorInfo> CONFIG_OTHER_ENGINE, CONFIG_SWITCH_UNFINISHED, CONFIG_ENGINE_FILE
 */
export async function checkHomeEngine(
  home: EngineHome,
  engine: EngineName,
): Promise<EngineName | undefined> {
  const owner = await engineOfHome(home);
  if (owner === undefined || owner === engine) return owner;
  const root = shellWord(home.root);
  const blocks = cometBftHomeAt(home).dataDir;
  if (owner === "cometbft" && !existsSync(join(blocks, "blockstore.db"))) {
    // Neither to start with CometBFT nor to change the engine can do without them.
    throw new WeftError<HomeEngineErrorInfo>(
      { code: "CONFIG_OTHER_ENGINE", engine: owner },
      `the data in ${home.root} is of the engine cometbft, not of ${engine}, and there are no blocks in ${blocks}: what ran under weft abci goes on there, by "weft abci --home ${root}"; to change its engine, stop both, bring the data folder of its CometBFT to ${blocks}, then: weft engine switch --to ${engine} --home ${root}`,
    );
  }
  throw new WeftError<HomeEngineErrorInfo>(
    { code: "CONFIG_OTHER_ENGINE", engine: owner },
    `the data in ${home.root} is of the engine ${owner}, not of ${engine}: go on with it, by "weft start --home ${root} --engine ${owner}" or engine = "${owner}" in config.toml; or change the engine, with height, keys and double-sign protection kept, by: weft engine switch --to ${engine} --home ${root}`,
  );
}

/** A home on its way to being an engine's. */
export interface HomeClaim {
  /** From now on the home is the engine's: right before that runs. */
  take(): Promise<void>;
  /**
   * After the engine has stopped: a home that it was the first in, and in which it has signed and decided
   * nothing, is nobody's again. What a remote signer has signed is not known here, so such a home is kept.
   */
  giveBack(traces: {
    readonly hasBlocks: boolean;
    readonly isSignedElsewhere: boolean;
  }): Promise<void>;
}

/**
 * Refuses a home of another engine, and says of one that is nobody's that it still is, for the engine's
 * databases may be made in it before the engine runs. The caller holds the lock of the home until all is done.
 * @param owner what `checkHomeEngine` said before the lock was taken and any database made
 * @throws WeftError<HomeEngineErrorInfo> CONFIG_OTHER_ENGINE, CONFIG_SWITCH_UNFINISHED, CONFIG_ENGINE_FILE
 */
export async function claimHome(
  home: EngineHome & Pick<Home, "validatorStateFile">,
  owner: EngineName | undefined,
  engine: EngineName,
): Promise<HomeClaim> {
  const locked = await checkHomeEngine(home, engine);
  // Without the file the databases tell, and this start may have made them since.
  const isNobodys = owner === undefined && (locked === undefined || !existsSync(home.engineFile));
  if (isNobodys) await replaceFile(NODE_FILE_SYSTEM, home.engineFile, `${NOBODY}\n`);
  let isTaken = false;
  return {
    async take() {
      if (isNobodys) await setEngineOfHome(home, engine);
      isTaken = isNobodys;
    },
    async giveBack({ hasBlocks, isSignedElsewhere }) {
      if (!isTaken || hasBlocks || isSignedElsewhere) return;
      const state = await readSignState(home.validatorStateFile, NODE_FILE_SYSTEM);
      if (state === undefined || state.height === 0) {
        await replaceFile(NODE_FILE_SYSTEM, home.engineFile, `${NOBODY}\n`);
      }
    },
  };
}

/** Writes down whose a home's data is, durably. For whoever has made it that engine's. */
export async function setEngineOfHome(home: EngineHome, engine: EngineName): Promise<void> {
  await replaceFile(NODE_FILE_SYSTEM, home.engineFile, `${engine}\n`);
}
