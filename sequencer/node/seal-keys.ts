/**
 * `data/seal_keys.json`: secrets with which a validator opens what is sealed (spec encrypted-mempool B.5). Secrets
 * of encryption keys, and its shares of keys, by number. Encrypted for its application key, of which it
 * holds one and at times the next one; written before a key is registered, and anew without what is erased.
 */
import { hkdfSync } from "node:crypto";
import { openChaCha20Poly1305, sealChaCha20Poly1305 } from "../../proto/aead.ts";
import { fromBase64, fromHex, toBase64, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { ED25519_SEED_BYTES, type Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { type FileSystem, replaceFile } from "../ports/file-system.ts";
import type { Logger } from "../ports/logger.ts";

const VERSION = 1;
const SECRET_BYTES = 32;
const SALT_BYTES = 32;
/** Each box has a key of its own, by its salt. */
const NONCE: Uint8Array = new Uint8Array(12);
const INFO = utf8ToBytes("weft/seal-keys/v1");

export type SealKeysErrorInfo =
  /** The file cannot be written: nothing that depends on it is done. */
  { readonly code: "SEAL_KEYS_NOT_WRITTEN"; readonly path: string };

/** A validator's share of one key: the secrets of tickets that follow each other. */
export interface KeyShare {
  /** Number of the key. */
  readonly key: number;
  /** The encryption key that opened it, 32 bytes. */
  readonly encryptionKey: Uint8Array;
  readonly firstTicket: number;
  /** 32 bytes each. */
  readonly secrets: readonly Uint8Array[];
}

export interface EncryptionSecret {
  /** 32 bytes. */
  readonly encryptionKey: Uint8Array;
  readonly secret: Uint8Array;
  /** Height of the chain when it was made. */
  readonly madeHeight: number;
}

export interface SealKeysDependencies {
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  /** So many fresh bytes. */
  readonly random: (count: number) => Uint8Array;
}

export interface SealKeys {
  /** The secret of a ticket; undefined when it is lost, or erased. */
  secretOf(key: number, ticket: number): Uint8Array | undefined;
  share(key: number): KeyShare | undefined;
  shares(): readonly KeyShare[];
  encryptionSecret(encryptionKey: Uint8Array): Uint8Array | undefined;
  encryptionSecrets(): readonly EncryptionSecret[];
  /** Durable when it resolves; not kept when it rejects. @throws WeftError<SealKeysErrorInfo> */
  addEncryptionSecret(secret: EncryptionSecret): Promise<void>;
  /**
   * Durable when it resolves. When it rejects it is kept in memory, and the next call writes it.
   * @throws WeftError<SealKeysErrorInfo>
   */
  addShare(share: KeyShare): Promise<void>;
  /**
   * Erases shares of keys, and secrets, in memory and in the file; what the disk still holds of an older
   * file is nobody's to promise. When it rejects the file still has them: call it again, with or without more.
   * @throws WeftError<SealKeysErrorInfo>
   */
  erase(shares: readonly KeyShare[], encryptionSecrets: readonly EncryptionSecret[]): Promise<void>;
}

/**
 * Opens it; empty when there is none. A file that none of the application keys opens, or that is damaged,
 * is set aside: the validator abstains until the next key, which is better than no validator.
 * @param applicationKeys the ones that this node signs with, at least one
 */
export async function openSealKeys(
  path: string,
  applicationKeys: readonly Ed25519KeyPair[],
  deps: SealKeysDependencies,
): Promise<SealKeys> {
  const { fileSystem, logger } = deps;
  const file = await fileSystem.readFile(path);
  let found: FoundContent | undefined;
  try {
    found = file && contentOf(file, applicationKeys);
  } catch (error) {
    const kept = await freeName(`${path}.unreadable`, fileSystem);
    fileSystem.renameSync(path, kept);
    logger.error(
      "the shares of keys for sealed transactions cannot be read: this validator opens nothing until the next key; if a backup of the file or the application key that it was written for is there, restore it and restart",
      { file: kept, error: String(error) },
    );
  }
  const keys = new FileSealKeys(path, applicationKeys, deps, found?.content);
  // The key that is registered next has to open it too.
  if (found?.isForAll === false) await keys.save();
  return keys;
}

/** What was set aside before may be what somebody restores: it is not written over. */
async function freeName(path: string, fileSystem: FileSystem): Promise<string> {
  let name = path;
  for (let i = 1; (await fileSystem.readFile(name)) !== undefined; i++) name = `${path}.${i}`;
  return name;
}

interface Content {
  readonly encryption: readonly EncryptionSecret[];
  readonly shares: readonly KeyShare[];
}

interface FoundContent {
  readonly content: Content;
  /** Every application key of this node opens it. */
  readonly isForAll: boolean;
}

class FileSealKeys implements SealKeys {
  readonly #path: string;
  readonly #applicationKeys: readonly Ed25519KeyPair[];
  readonly #deps: SealKeysDependencies;
  readonly #encryption = new Map<string, EncryptionSecret>();
  readonly #shares = new Map<number, KeyShare>();
  /** A write has failed since the last one that did not: the file is behind. */
  #isBehind = false;
  /** One write at a time. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    path: string,
    applicationKeys: readonly Ed25519KeyPair[],
    deps: SealKeysDependencies,
    content: Content | undefined,
  ) {
    this.#path = path;
    this.#applicationKeys = applicationKeys;
    this.#deps = deps;
    for (const one of content?.encryption ?? [])
      this.#encryption.set(toHex(one.encryptionKey), one);
    for (const share of content?.shares ?? []) this.#shares.set(share.key, share);
  }

  secretOf(key: number, ticket: number): Uint8Array | undefined {
    const share = this.#shares.get(key);
    return share?.secrets[ticket - share.firstTicket];
  }

  share(key: number): KeyShare | undefined {
    return this.#shares.get(key);
  }

  shares(): readonly KeyShare[] {
    return [...this.#shares.values()];
  }

  encryptionSecrets(): readonly EncryptionSecret[] {
    return [...this.#encryption.values()];
  }

  encryptionSecret(encryptionKey: Uint8Array): Uint8Array | undefined {
    return this.#encryption.get(toHex(encryptionKey))?.secret;
  }

  async addEncryptionSecret(secret: EncryptionSecret): Promise<void> {
    const id = toHex(secret.encryptionKey);
    this.#encryption.set(id, secret);
    try {
      await this.save();
    } catch (error) {
      // What is here counts as kept, and might be registered: a crash would lose it then.
      this.#encryption.delete(id);
      throw error;
    }
  }

  async addShare(share: KeyShare): Promise<void> {
    this.#shares.set(share.key, share);
    await this.save();
  }

  async erase(
    shares: readonly KeyShare[],
    encryptionSecrets: readonly EncryptionSecret[],
  ): Promise<void> {
    if (shares.length === 0 && encryptionSecrets.length === 0 && !this.#isBehind) return;
    for (const { key } of shares) this.#shares.delete(key);
    for (const { encryptionKey } of encryptionSecrets) {
      this.#encryption.delete(toHex(encryptionKey));
    }
    for (const { secrets } of shares) for (const secret of secrets) secret.fill(0);
    for (const { secret } of encryptionSecrets) secret.fill(0);
    await this.save();
  }

  save(): Promise<void> {
    const written = this.#turn.then(() => this.#write());
    this.#turn = written.catch(() => {});
    return written;
  }

  async #write(): Promise<void> {
    const { fileSystem } = this.#deps;
    try {
      await replaceFile(fileSystem, this.#path, this.#text());
      this.#isBehind = false;
    } catch (cause) {
      this.#isBehind = true;
      throw new WeftError<SealKeysErrorInfo>(
        { code: "SEAL_KEYS_NOT_WRITTEN", path: this.#path },
        `${this.#path} cannot be written (${String(cause)}): free the disk or replace it; until then this validator takes no part in new keys`,
        { cause },
      );
    }
  }

  #text(): string {
    const plain = utf8ToBytes(
      JSON.stringify({
        encryption: [...this.#encryption.values()].map((one) => ({
          key: toHex(one.encryptionKey),
          secret: toBase64(one.secret),
          made_height: one.madeHeight,
        })),
        shares: [...this.#shares.values()].map(({ key, encryptionKey, firstTicket, secrets }) => ({
          key,
          encryption_key: toHex(encryptionKey),
          first_ticket: firstTicket,
          secrets: secrets.map(toBase64),
        })),
      }),
    );
    const boxes = this.#applicationKeys.map((key) => {
      const salt = this.#deps.random(SALT_BYTES);
      return {
        application_key: toHex(key.publicKey),
        salt: toHex(salt),
        box: toBase64(sealChaCha20Poly1305(boxKey(key, salt), NONCE, INFO, plain)),
      };
    });
    plain.fill(0);
    return `${JSON.stringify({ version: VERSION, boxes }, undefined, 2)}\n`;
  }
}

/** Of the seed, so that whoever restores the application key restores this too. */
function boxKey({ privateKey }: Ed25519KeyPair, salt: Uint8Array): Uint8Array {
  const seed = privateKey.subarray(0, ED25519_SEED_BYTES);
  return new Uint8Array(hkdfSync("sha256", seed, salt, INFO, 32));
}

/** @throws RangeError, SyntaxError what is wrong with it */
function contentOf(file: Uint8Array, applicationKeys: readonly Ed25519KeyPair[]): FoundContent {
  const { version, boxes } = fieldsOf(JSON.parse(new TextDecoder().decode(file)));
  if (version !== VERSION) throw new RangeError(`expected version ${VERSION}`);
  const byKey = new Map(
    listOf(boxes).map((box) => {
      const fields = fieldsOf(box);
      return [textOf(fields["application_key"]), fields] as const;
    }),
  );
  for (const key of applicationKeys) {
    const fields = byKey.get(toHex(key.publicKey));
    if (fields === undefined) continue;
    const salt = fromHex(textOf(fields["salt"]));
    const box = fromBase64(textOf(fields["box"]));
    const plain = openChaCha20Poly1305(boxKey(key, salt), NONCE, INFO, box);
    if (plain === undefined) throw new RangeError("the file is damaged");
    const content = parsedContent(JSON.parse(new TextDecoder().decode(plain)));
    plain.fill(0);
    return {
      content,
      isForAll: applicationKeys.every(({ publicKey }) => byKey.has(toHex(publicKey))),
    };
  }
  const names = [...byKey.keys()].join(", ");
  throw new RangeError(`it was written for another application key: ${names}`);
}

function parsedContent(json: unknown): Content {
  const { encryption, shares } = fieldsOf(json);
  return {
    encryption: listOf(encryption).map((one) => {
      const fields = fieldsOf(one);
      return {
        encryptionKey: fromHex(textOf(fields["key"])),
        secret: secretOf(fields["secret"]),
        madeHeight: numberOf(fields["made_height"]),
      };
    }),
    shares: listOf(shares).map((one) => {
      const fields = fieldsOf(one);
      return {
        key: numberOf(fields["key"]),
        encryptionKey: fromHex(textOf(fields["encryption_key"])),
        firstTicket: numberOf(fields["first_ticket"]),
        secrets: listOf(fields["secrets"]).map(secretOf),
      };
    }),
  };
}

function secretOf(json: unknown): Uint8Array {
  const secret = fromBase64(textOf(json));
  if (secret.length !== SECRET_BYTES) throw new RangeError("a secret has 32 bytes");
  return secret;
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null) throw new RangeError("expected an object");
  return Object.fromEntries(Object.entries(json));
}

function listOf(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw new RangeError("expected a list");
  return json;
}

function textOf(json: unknown): string {
  if (typeof json !== "string") throw new RangeError("expected a text");
  return json;
}

function numberOf(json: unknown): number {
  if (typeof json !== "number" || !Number.isSafeInteger(json))
    throw new RangeError("expected a number");
  return json;
}
