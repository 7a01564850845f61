/**
 * Ed25519 key files in CometBFT's JSON (spec/cometbft-v0.38.md §19.2): accounts, application keys and
 * validators have `{address, pub_key, priv_key}`, node keys `{priv_key}` alone. Files are created with
 * mode 0600, never replaced, and refused when others may read them.
 */
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { bytesEqual, fromBase64, fromHex, toBase64, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  ED25519_PUBLIC_KEY_BYTES,
  type Ed25519KeyPair,
  ed25519Address,
  ed25519KeyPairFromPrivateKey,
  generateEd25519KeyPair,
} from "../../proto/verify/ed25519.ts";
import { shellWord } from "./shell-word.ts";

export type KeyFileErrorInfo =
  /** No such file. */
  | { readonly code: "KEY_FILE_MISSING"; readonly path: string }
  /** The file is there, or may be, and cannot be read. */
  | { readonly code: "KEY_FILE_UNREADABLE"; readonly path: string }
  /** There is a file already; keys are never overwritten. */
  | { readonly code: "KEY_FILE_EXISTS"; readonly path: string }
  /** Others than the owner may read the file. */
  | { readonly code: "KEY_FILE_MODE"; readonly path: string; readonly mode: string }
  /** Not a key file, or its halves do not match. */
  | { readonly code: "KEY_FILE_INVALID"; readonly path: string };

export class KeyFileError extends WeftError<KeyFileErrorInfo> {}

/** `whole`: address, public and private key. `private`: what a node key file holds. */
export type KeyFileForm = "whole" | "private";

/** Reads a key. In the form `whole` all three must be there and belong together. @throws KeyFileError */
export function readKeyFile(path: string, form: KeyFileForm = "whole"): Ed25519KeyPair {
  const key = readKeyFileIfAny(path, form);
  if (key !== undefined) return key;
  throw new KeyFileError(
    { code: "KEY_FILE_MISSING", path },
    `there is no key file ${path}; "weft keys new" makes an account's key`,
  );
}

/** Reads a key; undefined when there is no such file. @throws KeyFileError */
export function readKeyFileIfAny(
  path: string,
  form: KeyFileForm = "whole",
): Ed25519KeyPair | undefined {
  const file = readTextIfAny(path);
  if (file === undefined) return undefined;
  if ((file.mode & 0o077) !== 0) {
    const mode = file.mode.toString(8).padStart(4, "0");
    throw new KeyFileError(
      { code: "KEY_FILE_MODE", path, mode },
      `${path} may be read by others (mode ${mode}); run: chmod 600 ${shellWord(path)}`,
    );
  }
  return parsed(path, file.text, (json) => {
    const bytes = fromBase64(taggedText(json, "priv_key", "tendermint/PrivKeyEd25519"));
    const key = ed25519KeyPairFromPrivateKey(bytes);
    if (form === "private") return key;
    const isConsistent =
      bytesEqual(key.publicKey, publicKeyIn(json)) &&
      bytesEqual(ed25519Address(key.publicKey), addressIn(json));
    if (isConsistent) return key;
    throw new RangeError("address, public and private key do not belong together");
  });
}

/** What a file says of a key without giving it away; undefined when there is no file. */
export interface PublicHalf {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The file holds the private key as well. */
  readonly hasPrivateKey: boolean;
}

/** Reads the public half of a key file, from which the private one may be cut out. @throws KeyFileError */
export function readPublicHalf(path: string): PublicHalf | undefined {
  const file = readTextIfAny(path);
  return (
    file &&
    parsed(path, file.text, (json) => ({
      publicKey: publicKeyIn(json),
      hasPrivateKey: json.get("priv_key") !== undefined,
    }))
  );
}

/** Writes a new key file, synced, mode 0600. @throws KeyFileError KEY_FILE_EXISTS */
export function writeKeyFile(path: string, key: Ed25519KeyPair, form: KeyFileForm = "whole"): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (cause) {
    throw new KeyFileError(
      { code: "KEY_FILE_EXISTS", path },
      `will not write a key to ${path}: the file exists already or the folder cannot be written`,
      { cause },
    );
  }
  try {
    writeSync(file, `${JSON.stringify(keyToJson(key, form), undefined, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The key in `path`, made when there is none. */
export function readOrCreateKeyFile(path: string, form: KeyFileForm = "whole"): Ed25519KeyPair {
  // Only a missing file is made anew; anything else is the operator's to look at.
  const there = readKeyFileIfAny(path, form);
  if (there !== undefined) return there;
  const key = generateEd25519KeyPair();
  writeKeyFile(path, key, form);
  return key;
}

function keyToJson(key: Ed25519KeyPair, form: KeyFileForm): Readonly<Record<string, unknown>> {
  const secret = {
    priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(key.privateKey) },
  };
  if (form === "private") return secret;
  return {
    address: toHex(ed25519Address(key.publicKey)).toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: toBase64(key.publicKey) },
    ...secret,
  };
}

type Fields = ReadonlyMap<string, unknown>;

function parsed<T>(path: string, text: string, read: (json: Fields) => T): T {
  try {
    return read(fieldsOf(JSON.parse(text)));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KeyFileError(
      { code: "KEY_FILE_INVALID", path },
      `${path} is not a key file: ${why}; expected CometBFT's JSON with an ed25519 key; restore it from your backup`,
      { cause },
    );
  }
}

function publicKeyIn(json: Fields): Uint8Array {
  const bytes = fromBase64(taggedText(json, "pub_key", "tendermint/PubKeyEd25519"));
  if (bytes.length === ED25519_PUBLIC_KEY_BYTES) return bytes;
  throw new RangeError(`pub_key has ${bytes.length} bytes`);
}

function addressIn(json: Fields): Uint8Array {
  const address = json.get("address");
  if (typeof address === "string" && /^[0-9A-Fa-f]{40}$/.test(address)) return fromHex(address);
  throw new RangeError("address is not 40 hex digits");
}

/** The value of `{"type": tag, "value": text}`. */
function taggedText(json: Fields, name: string, tag: string): string {
  const field = fieldsOf(json.get(name));
  const value = field.get("value");
  if (field.get("type") === tag && typeof value === "string") return value;
  throw new RangeError(`${name} is not {"type":"${tag}","value":"<base64>"}`);
}

function fieldsOf(json: unknown): Fields {
  return new Map(typeof json === "object" && json !== null ? Object.entries(json) : []);
}

function readTextIfAny(path: string): { readonly text: string; readonly mode: number } | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    return { text: readFileSync(path, "utf8"), mode: stats.mode & 0o777 };
  } catch (cause) {
    throw new KeyFileError(
      { code: "KEY_FILE_UNREADABLE", path },
      `cannot read the key file ${path}: it must belong to the user that runs this${typeof process.getuid === "function" ? ` (uid ${process.getuid()})` : ""}`,
      { cause },
    );
  }
}
