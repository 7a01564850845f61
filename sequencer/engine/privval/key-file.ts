/** `priv_validator_key.json` in CometBFT's format (spec/cometbft-v0.38.md §19.2). */
import { open, readFile, stat } from "node:fs/promises";
import { bytesEqual, fromBase64, toBase64, toHex } from "../../../proto/bytes.ts";
import type { PublicKey } from "../../../proto/types.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import {
  ED25519_SEED_BYTES,
  type Ed25519KeyPair,
  ed25519KeyPairFromPrivateKey,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../../proto/verify/ed25519.ts";
import { PrivValidatorError } from "./errors.ts";

/** An ed25519 key that signs. */
export interface ValidatorKey {
  readonly publicKey: PublicKey;
  readonly address: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The key of a seed (32 bytes), or of seed ‖ public key (64 bytes). Throws ED25519_KEY. */
export function keyFromBytes(bytes: Uint8Array): ValidatorKey {
  const pair = keyPairFromBytes(bytes);
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

/**
 * Reads a key file.
 * @throws PrivValidatorError PRIVVAL_KEY_FILE, PRIVVAL_FILE_MODE when others may read it.
 */
export async function loadKeyFile(path: string): Promise<ValidatorKey> {
  await checkMode(path);
  try {
    const json = parseObject(await readFile(path, "utf8"));
    const key = keyFromBytes(
      fromBase64(tagged(json["priv_key"], "priv_key", "tendermint/PrivKeyEd25519")),
    );
    const stated = fromBase64(tagged(json["pub_key"], "pub_key", "tendermint/PubKeyEd25519"));
    if (!bytesEqual(stated, key.publicKey.bytes)) {
      throw new RangeError("pub_key does not belong to priv_key");
    }
    const address = toHex(key.address).toUpperCase();
    if (json["address"] !== address) {
      throw new RangeError(`address is ${String(json["address"])}, the key's is ${address}`);
    }
    return key;
  } catch (cause) {
    throw new PrivValidatorError(
      { code: "PRIVVAL_KEY_FILE", path },
      `the validator key file ${path} cannot be used: expected CometBFT's priv_validator_key.json with an ed25519 key (${String(cause)})`,
      { cause },
    );
  }
}

/** Writes a new key file, mode 0600; refuses to replace one. */
export async function createKeyFile(path: string, keyBytes: Uint8Array): Promise<ValidatorKey> {
  const key = keyFromBytes(keyBytes);
  const json = {
    address: toHex(key.address).toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: toBase64(key.publicKey.bytes) },
    priv_key: {
      type: "tendermint/PrivKeyEd25519",
      value: toBase64(keyPairFromBytes(keyBytes).privateKey),
    },
  };
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(json, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return key;
}

/** @throws PrivValidatorError PRIVVAL_FILE_MODE, PRIVVAL_KEY_FILE when there is no file. */
async function checkMode(path: string): Promise<void> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new PrivValidatorError(
      { code: "PRIVVAL_KEY_FILE", path },
      `there is no validator key file ${path}: make one with the init command, or copy yours there`,
      { cause },
    );
  });
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const text = mode.toString(8).padStart(4, "0");
    throw new PrivValidatorError(
      { code: "PRIVVAL_FILE_MODE", path, mode: text },
      `the validator key file ${path} has mode ${text}: others may read the key; expected 0600, so run chmod 600 on it`,
    );
  }
}

function parseObject(text: string): Record<string, unknown> {
  const json: unknown = JSON.parse(text);
  if (typeof json !== "object" || json === null) throw new RangeError("not a JSON object");
  return Object.fromEntries(Object.entries(json));
}

function tagged(value: unknown, field: string, tag: string): string {
  if (typeof value === "object" && value !== null && "type" in value && "value" in value) {
    if (value.type === tag && typeof value.value === "string") return value.value;
  }
  throw new RangeError(`${field} is not {"type": "${tag}", "value": "..."}`);
}
