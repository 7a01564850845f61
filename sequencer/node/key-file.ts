/**
 * Ed25519 key files in CometBFT's JSON (spec §19.2): accounts, application keys and validators use the
 * same shape, `{address, pub_key, priv_key}`. Files are created with mode 0600 and refused when
 * others may read them.
 */
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { z } from "zod";
import { bytesEqual, fromBase64, fromHex, toBase64, toHex } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromPrivateKey,
  generateEd25519KeyPair,
} from "../../proto/verify/ed25519.ts";

export type KeyFileErrorInfo =
  /** No such file. */
  | { readonly code: "KEY_FILE_MISSING"; readonly path: string }
  /** The file is there, or may be, and cannot be read. */
  | { readonly code: "KEY_FILE_UNREADABLE"; readonly path: string }
  /** There is a file already; keys are never overwritten. */
  | { readonly code: "KEY_FILE_EXISTS"; readonly path: string }
  /** Others than the owner may read the file. */
  | { readonly code: "KEY_FILE_MODE"; readonly path: string }
  /** Not a key file, or its halves do not match. */
  | { readonly code: "KEY_FILE_INVALID"; readonly path: string };

const schema = z.object({
  address: z.string().regex(/^[0-9A-Fa-f]{40}$/),
  pub_key: z.object({ type: z.literal("tendermint/PubKeyEd25519"), value: z.string() }),
  priv_key: z.object({ type: z.literal("tendermint/PrivKeyEd25519"), value: z.string() }),
});

/** Reads a key. @throws WeftError<KeyFileErrorInfo> */
export function readKeyFile(path: string): Ed25519KeyPair {
  const key = readKeyFileIfAny(path);
  if (key !== undefined) return key;
  throw new WeftError<KeyFileErrorInfo>(
    { code: "KEY_FILE_MISSING", path },
    `there is no key file ${path}; "weft keys new" makes an account's key`,
  );
}

/** Reads a key; undefined when there is no such file. @throws WeftError<KeyFileErrorInfo> */
export function readKeyFileIfAny(path: string): Ed25519KeyPair | undefined {
  let mode: number;
  let text: string;
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    mode = stats.mode & 0o777;
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new WeftError<KeyFileErrorInfo>(
      { code: "KEY_FILE_UNREADABLE", path },
      `cannot read the key file ${path}: it must belong to the user that runs this${typeof process.getuid === "function" ? ` (uid ${process.getuid()})` : ""}`,
      { cause },
    );
  }
  if ((mode & 0o077) !== 0) {
    throw new WeftError<KeyFileErrorInfo>(
      { code: "KEY_FILE_MODE", path },
      `${path} may be read by others (mode ${mode.toString(8)}); run: chmod 600 ${path}`,
    );
  }
  return parseKey(path, text);
}

/** Writes a new key file, synced, mode 0600. @throws KEY_FILE_EXISTS */
export function writeKeyFile(path: string, key: Ed25519KeyPair): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (cause) {
    throw new WeftError<KeyFileErrorInfo>(
      { code: "KEY_FILE_EXISTS", path },
      `will not write a key to ${path}: the file exists already or the folder cannot be written`,
      { cause },
    );
  }
  try {
    writeSync(file, `${JSON.stringify(keyToJson(key), undefined, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The key in `path`, made when there is none. */
export function readOrCreateKeyFile(path: string): Ed25519KeyPair {
  // Only a missing file is made anew; anything else is the operator's to look at.
  const there = readKeyFileIfAny(path);
  if (there !== undefined) return there;
  const key = generateEd25519KeyPair();
  writeKeyFile(path, key);
  return key;
}

function keyToJson(key: Ed25519KeyPair): z.infer<typeof schema> {
  return {
    address: toHex(accountAddress(key.publicKey)).toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: toBase64(key.publicKey) },
    priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(key.privateKey) },
  };
}

function parseKey(path: string, text: string): Ed25519KeyPair {
  const invalid = (why: string, cause?: unknown) =>
    new WeftError<KeyFileErrorInfo>(
      { code: "KEY_FILE_INVALID", path },
      `${path} is not a key file: ${why}; restore it from your backup`,
      { cause },
    );
  let json: z.infer<typeof schema>;
  try {
    json = schema.parse(JSON.parse(text));
  } catch (cause) {
    throw invalid("expected {address, pub_key, priv_key} with ed25519 keys", cause);
  }
  let key: Ed25519KeyPair;
  let stated: Uint8Array;
  try {
    key = ed25519KeyPairFromPrivateKey(fromBase64(json.priv_key.value));
    stated = fromBase64(json.pub_key.value);
  } catch (cause) {
    throw invalid("the private or the public key is damaged", cause);
  }
  const isConsistent =
    bytesEqual(key.publicKey, stated) &&
    bytesEqual(accountAddress(key.publicKey), fromHex(json.address));
  if (!isConsistent) throw invalid("address, public and private key do not belong together");
  return key;
}
