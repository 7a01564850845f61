import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toBase64, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import { type Logger, NULL_LOGGER } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { type KeyShare, openSealKeys } from "./seal-keys.ts";

const keyNamed = (name: string) => ed25519KeyPairFromSeed(sha256(utf8ToBytes(name)));
const random = (count: number) => new Uint8Array(randomBytes(count));
const bytes = (value: number) => new Uint8Array(32).fill(value);
const [present, next, other] = ["present", "next", "other"].map(keyNamed);
if (!present || !next || !other) throw new Error("keys are missing");
const share: KeyShare = {
  key: 3,
  encryptionKey: bytes(1),
  firstTicket: 5,
  secrets: [bytes(7), bytes(8)],
};

let directory: string;
let path: string;
let errors: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-seal-keys-"));
  path = join(directory, "seal_keys.json");
  errors = [];
});
afterEach(() => rm(directory, { recursive: true }));

function open(...keys: readonly (typeof present)[]) {
  const logger: Logger = { ...NULL_LOGGER, error: (message) => errors.push(message) };
  const known = keys.filter((one) => one !== undefined);
  return openSealKeys(path, known, { fileSystem: NODE_FILE_SYSTEM, logger, random });
}

async function filled(...keys: readonly (typeof present)[]) {
  const keysFile = await open(...keys);
  await keysFile.addEncryptionSecret({ encryptionKey: bytes(1), secret: bytes(2), madeHeight: 10 });
  await keysFile.addEncryptionSecret({ encryptionKey: bytes(3), secret: bytes(4), madeHeight: 20 });
  await keysFile.addShare(share);
  return keysFile;
}

describe("behavior: secrets of a validator for what is sealed", () => {
  test("are there again after a restart", async () => {
    await filled(present);
    const again = await open(present);
    expect(again.share(3)).toEqual(share);
    expect(again.secretOf(3, 6)).toEqual(bytes(8));
    expect([4, 7].map((ticket) => again.secretOf(3, ticket))).toEqual([undefined, undefined]);
    expect(again.secretOf(2, 5)).toBeUndefined();
    expect(again.encryptionSecret(bytes(3))).toEqual(bytes(4));
    expect(errors).toEqual([]);
  });

  test("lie in a file of their owner's, and not in plain sight", async () => {
    await filled(present);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, "utf8");
    for (const secret of [bytes(2), bytes(7)]) {
      expect(text).not.toContain(toBase64(secret).slice(0, 12));
      expect(text).not.toContain(toHex(secret).slice(0, 12));
    }
  });

  test("that are not wanted any more are erased, in memory and in the file", async () => {
    const keys = await filled(present);
    const secret = keys.secretOf(3, 5);
    const before = await readFile(path, "utf8");
    await keys.erase(
      keys.shares(),
      keys.encryptionSecrets().filter(({ madeHeight }) => madeHeight < 20),
    );
    expect(secret).toEqual(new Uint8Array(32));
    expect(keys.secretOf(3, 5)).toBeUndefined();
    const again = await open(present);
    expect(again.share(3)).toBeUndefined();
    expect(again.encryptionSecret(bytes(1))).toBeUndefined();
    expect(again.encryptionSecret(bytes(3))).toEqual(bytes(4));
    expect((await readFile(path, "utf8")).length).toBeLessThan(before.length);
  });

  test("of which nothing is erased leave the file alone", async () => {
    const keys = await filled(present);
    const before = await readFile(path, "utf8");
    await keys.erase([], []);
    expect(await readFile(path, "utf8")).toBe(before);
  });

  test("follow the application key: who holds the old and the next one writes for both", async () => {
    await filled(present);
    await open(present, next);
    const again = await open(next);
    expect(again.share(3)).toEqual(share);
    expect(errors).toEqual([]);
  });

  test("of another application key are set aside, and the validator goes on without", async () => {
    await filled(present);
    const text = await readFile(path, "utf8");
    const keys = await open(other);
    expect(keys.share(3)).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(await readFile(`${path}.unreadable`, "utf8")).toBe(text);
    await keys.addEncryptionSecret({ encryptionKey: bytes(5), secret: bytes(6), madeHeight: 1 });
    expect((await open(other)).encryptionSecret(bytes(5))).toEqual(bytes(6));
    // Back with the right key, what was set aside first is still there to be restored.
    expect((await open(present)).share(3)).toBeUndefined();
    expect(await readFile(`${path}.unreadable`, "utf8")).toBe(text);
    await rename(`${path}.unreadable`, path);
    expect((await open(present)).share(3)).toEqual(share);
  });

  test.each(["", "{", "{}", '{"version":1,"boxes":[{}]}', '{"version":2,"boxes":[]}'])(
    "in a damaged file (%s) are set aside",
    async (text) => {
      await writeFile(path, text);
      expect((await open(present)).share(3)).toBeUndefined();
      expect(errors).toHaveLength(1);
    },
  );

  test("one changed byte of the box is noticed", async () => {
    await filled(present);
    const text = await readFile(path, "utf8");
    const at = text.indexOf('"box": "') + 40;
    await writeFile(path, text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1));
    expect((await open(present)).share(3)).toBeUndefined();
    expect(errors).toHaveLength(1);
  });

  test("a file that cannot be written is an error with the path", async () => {
    const keys = await open(present);
    await rm(directory, { recursive: true });
    const added = keys.addShare(share);
    await expect(added).rejects.toMatchObject({
      info: { code: "SEAL_KEYS_NOT_WRITTEN", path },
    });
    await expect(added).rejects.toThrow(/free the disk/);
    directory = await mkdtemp(join(tmpdir(), "weft-seal-keys-"));
  });

  test("an encryption secret that is not on the disk is not there: it might be registered", async () => {
    const keys = await open(present);
    const made = { encryptionKey: bytes(1), secret: bytes(2), madeHeight: 10 };
    await mkdir(`${path}.new`);
    await expect(keys.addEncryptionSecret(made)).rejects.toThrow(/free the disk/);
    expect(keys.encryptionSecrets()).toEqual([]);
    await rmdir(`${path}.new`);
    await keys.addEncryptionSecret(made);
    expect((await open(present)).encryptionSecret(bytes(1))).toEqual(bytes(2));
  });

  test("what could not be erased in the file is erased with the next call, whatever that is for", async () => {
    const keys = await filled(present);
    const secret = keys.secretOf(3, 5);
    await mkdir(`${path}.new`);
    await expect(keys.erase(keys.shares(), [])).rejects.toThrow(/free the disk/);
    expect(secret).toEqual(new Uint8Array(32));
    expect((await open(present)).share(3)).toEqual(share);
    await rmdir(`${path}.new`);
    await keys.erase([], []);
    expect((await open(present)).share(3)).toBeUndefined();
  });
});
