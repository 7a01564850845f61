/** A home whose node does not run: commands that read or mend its data hold the lock meanwhile. */
import { existsSync } from "node:fs";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { cometBftHomeAt } from "../cometbft/config-file.ts";
import { type EngineHome, openEngineHome } from "../engine/engine-home.ts";
import { type Home, homeAt } from "../node/home.ts";
import { engineOfHome } from "../node/home-engine.ts";
import { readPublicHalf } from "../ports/key-file.ts";
import { shellWord } from "../ports/shell-word.ts";
import { lockHome } from "../store/home-lock.ts";
import { cliError } from "./cli-error.ts";

/** @throws StoreError STORE_LOCKED while a node runs on the home */
export async function withLockedHome<T>(
  root: string,
  task: (home: Home) => Promise<T>,
): Promise<T> {
  const home = existingHome(root);
  const lock = await lockHome(home.dataDir);
  try {
    return await task(home);
  } finally {
    await lock.release();
  }
}

/**
 * With the embedded engine's stores open.
 * @throws StoreError STORE_LOCKED while a node runs on the home; CliError CONFIG when the blocks are CometBFT's
 */
export async function withOpenHome<T>(
  root: string,
  task: (home: Home, stores: EngineHome) => Promise<T>,
): Promise<T> {
  const home = existingHome(root);
  await checkIsEmbedded(home);
  const stores = await openEngineHome({
    dataDirectory: home.dataDir,
    privValidatorKeyPath: undefined,
  });
  try {
    return await task(home, stores);
  } finally {
    await stores.close();
  }
}

/** What reads the embedded engine's stores has nothing to say of CometBFT's. */
async function checkIsEmbedded(home: Home): Promise<void> {
  const owner = await engineOfHome(home);
  if (owner === "embedded") return;
  // Opening its stores would make them, and the home the embedded engine's.
  if (owner === undefined) {
    throw cliError("FILE", `${home.root} holds no blocks: no engine has run on it yet`);
  }
  throw cliError(
    "CONFIG",
    `the data in ${home.root} is of the engine ${owner}, and this command is for the embedded engine's alone; CometBFT's own program looks at its data, with --home ${shellWord(cometBftHomeAt(home).root)}`,
  );
}

/** Of the validator's key file, whose public half is enough; undefined when there is none. */
export function ownAddress(home: Home): Uint8Array | undefined {
  const half = readPublicHalf(home.validatorKeyFile);
  return half && ed25519Address(half.publicKey);
}

/** @throws WeftError FILE when there is no data at all */
export function existingHome(root: string): Home {
  const home = homeAt(root);
  if (existsSync(home.dataDir)) return home;
  throw cliError("FILE", `${home.root} holds no data of a node; pass its home with --home`);
}
