/** Makes a validator of a home that only follows: its keys, and the signer's state that belongs to them. */
import { existsSync } from "node:fs";
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { openSignStateFile, readSignState } from "../engine/privval/sign-state.ts";
import type { Home } from "../node/home.ts";
import { holdsValidatorKey } from "../node/validator-role.ts";
import { readKeyFile, readOrCreateKeyFile, readPublicHalf } from "../ports/key-file.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { cliError } from "./cli-error.ts";
import { makeFolder } from "./make-folder.ts";

export interface ValidatorKeys {
  /** ed25519, 32 bytes. */
  readonly consensusKey: Uint8Array;
  readonly applicationKey: Ed25519KeyPair;
  /** Whether both were there already. */
  readonly isUnchanged: boolean;
}

/**
 * The validator's keys of a home, made where there are none. A new consensus key has signed nothing,
 * so its state may be empty although the home holds blocks; the state of a key that is there is left alone.
 * @throws WeftError `CLI_FILE` when there is no home; KEY_VALIDATOR_MISSING when it is a validator's
 * whose key is gone; a `KeyFileError` or `PrivValidatorError` when a file cannot be used
 */
export async function readOrCreateValidatorKeys(home: Home): Promise<ValidatorKeys> {
  if (!existsSync(home.genesisFile)) {
    throw cliError(
      "FILE",
      `${home.root} is no node's home: expected config/genesis.json there; make one with "weft init", with --genesis to join a network`,
    );
  }
  const isUnchanged = existsSync(home.validatorKeyFile) && existsSync(home.applicationKeyFile);
  if (!existsSync(home.validatorKeyFile)) await createConsensusKey(home);
  // A remote signer's home has the public half only.
  const file = home.validatorKeyFile;
  const { publicKey } = readPublicHalf(file) ?? readKeyFile(file);
  const applicationKey = readOrCreateKeyFile(home.applicationKeyFile);
  return { consensusKey: publicKey, applicationKey, isUnchanged };
}

async function createConsensusKey(home: Home): Promise<void> {
  makeFolder(home.dataDir);
  const path = home.validatorStateFile;
  const before = await readSignState(path, NODE_FILE_SYSTEM);
  // An empty state alone is what a crash below leaves. More is of a key that is gone, which throws.
  if (existsSync(home.applicationKeyFile) || (before?.height ?? 0) > 0) holdsValidatorKey(home);
  const state = await openSignStateFile(path, true, NODE_FILE_SYSTEM);
  await state.close();
  readOrCreateKeyFile(home.validatorKeyFile);
}
