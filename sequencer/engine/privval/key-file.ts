/** `priv_validator_key.json` in CometBFT's format (spec/cometbft-v0.38.md §19.2). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { bytesEqual, concatBytes, fromBase64, toBase64, toHex } from "../../../proto/bytes.ts";
import type { PublicKey } from "../../../proto/types.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import { PrivValidatorError } from "./errors.ts";

/** An ed25519 key that signs. */
export interface ValidatorKey {
  readonly publicKey: PublicKey;
  readonly address: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

const SEED_BYTES = 32;

/** A fresh key, as the 64 bytes seed ‖ public key of CometBFT. */
export function generateKeyBytes(): Uint8Array {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d, x } = privateKey.export({ format: "jwk" });
  return concatBytes(fromBase64Url(d), fromBase64Url(x));
}

/** The key of a seed (32 bytes), or of seed ‖ public key (64 bytes). */
export function keyFromBytes(bytes: Uint8Array): ValidatorKey {
  if (bytes.length !== SEED_BYTES && bytes.length !== 2 * SEED_BYTES) {
    throw new RangeError(`an ed25519 key has 32 or 64 bytes, got ${bytes.length}`);
  }
  const privateKey = privateKeyFromSeed(bytes.subarray(0, SEED_BYTES));
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  const publicKey: PublicKey = { type: "ed25519", bytes: fromBase64Url(x) };
  if (bytes.length > SEED_BYTES && !bytesEqual(bytes.subarray(SEED_BYTES), publicKey.bytes)) {
    throw new RangeError("the public half of the key does not belong to its seed");
  }
  return {
    publicKey,
    address: validatorAddress(publicKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
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
  const whole = concatBytes(keyBytes.subarray(0, SEED_BYTES), key.publicKey.bytes);
  const json = {
    address: toHex(key.address).toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: toBase64(key.publicKey.bytes) },
    priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(whole) },
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

/** PKCS #8 of an ed25519 seed: a fixed prefix, then the seed. */
function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: "der", type: "pkcs8" });
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

function fromBase64Url(text: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(text ?? "", "base64url"));
}
