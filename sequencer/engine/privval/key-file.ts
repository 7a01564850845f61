/** `priv_validator_key.json` in CometBFT's format (spec/cometbft-v0.38.md §19.2). */
import type { PublicKey } from "../../../proto/types.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import {
  ED25519_SEED_BYTES,
  type Ed25519KeyPair,
  ed25519KeyPairFromPrivateKey,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../../proto/verify/ed25519.ts";
import { KeyFileError, readKeyFile, writeKeyFile } from "../../ports/key-file.ts";
import { PrivValidatorError } from "./errors.ts";

/** An ed25519 key that signs. */
export interface ValidatorKey {
  readonly publicKey: PublicKey;
  readonly address: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The key of a seed (32 bytes), or of seed ‖ public key (64 bytes). Throws ED25519_KEY. */
export function keyFromBytes(bytes: Uint8Array): ValidatorKey {
  return keyOfPair(keyPairFromBytes(bytes));
}

/**
 * Reads a key file.
 * @throws PrivValidatorError PRIVVAL_KEY_FILE, PRIVVAL_FILE_MODE when others may read it.
 */
export function loadKeyFile(path: string): ValidatorKey {
  try {
    return keyOfPair(readKeyFile(path));
  } catch (cause) {
    if (!(cause instanceof KeyFileError)) throw cause;
    const { info } = cause;
    throw new PrivValidatorError(
      info.code === "KEY_FILE_MODE"
        ? { code: "PRIVVAL_FILE_MODE", path, mode: info.mode }
        : { code: "PRIVVAL_KEY_FILE", path },
      `the validator's key cannot be used: ${cause.message}`,
      { cause },
    );
  }
}

/** Writes a new key file, mode 0600; refuses to replace one. @throws KeyFileError KEY_FILE_EXISTS */
export function createKeyFile(path: string, keyBytes: Uint8Array): ValidatorKey {
  const pair = keyPairFromBytes(keyBytes);
  writeKeyFile(path, pair);
  return keyOfPair(pair);
}

function keyOfPair(pair: Ed25519KeyPair): ValidatorKey {
  const publicKey: PublicKey = { type: "ed25519", bytes: pair.publicKey };
  return {
    publicKey,
    address: validatorAddress(publicKey),
    sign: (message) => signEd25519(pair, message),
  };
}

function keyPairFromBytes(bytes: Uint8Array): Ed25519KeyPair {
  return bytes.length === ED25519_SEED_BYTES
    ? ed25519KeyPairFromSeed(bytes)
    : ed25519KeyPairFromPrivateKey(bytes);
}
