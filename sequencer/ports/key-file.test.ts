import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import {
  readKeyFile,
  readKeyFileIfAny,
  readOrCreateKeyFile,
  readPublicHalf,
  writeKeyFile,
} from "./key-file.ts";

const newPath = (): string => join(mkdtempSync(join(tmpdir(), "weft-key-file-")), "key.json");
const failsWith = (code: string) => expect.objectContaining({ code });

test("a key is written once, and read back by whoever owns it", () => {
  const path = newPath();
  expect(readKeyFileIfAny(path)).toBeUndefined();
  expect(readPublicHalf(path)).toBeUndefined();
  expect(() => readKeyFile(path)).toThrow(failsWith("KEY_FILE_MISSING"));
  const key = readOrCreateKeyFile(path);
  expect(readOrCreateKeyFile(path)).toEqual(key);
  expect(() => writeKeyFile(path, generateEd25519KeyPair())).toThrow(failsWith("KEY_FILE_EXISTS"));
  expect(readPublicHalf(path)).toEqual({ publicKey: key.publicKey, hasPrivateKey: true });
  chmodSync(path, 0o644);
  expect(() => readKeyFile(path)).toThrow(failsWith("KEY_FILE_MODE"));
});

test("what does not belong together, or is no key, is refused", () => {
  const path = newPath();
  const { publicKey } = readOrCreateKeyFile(path);
  const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  const other = newPath();
  readOrCreateKeyFile(other);
  const stranger = JSON.parse(readFileSync(other, "utf8")) as Record<string, unknown>;
  for (const name of ["address", "pub_key", "priv_key"]) {
    for (const value of [stranger[name], undefined, 7, { type: "tendermint/PubKeySr25519" }]) {
      writeFileSync(path, JSON.stringify({ ...json, [name]: value }));
      expect(() => readKeyFile(path), `${name} ${String(value)}`).toThrow(
        failsWith("KEY_FILE_INVALID"),
      );
    }
  }
  // The public half alone pins a key; the node key's form needs the private one alone.
  writeFileSync(path, JSON.stringify({ ...json, priv_key: undefined }));
  expect(readPublicHalf(path)).toEqual({ publicKey, hasPrivateKey: false });
  writeFileSync(path, JSON.stringify({ priv_key: json["priv_key"] }));
  expect(readKeyFile(path, "private").publicKey).toEqual(publicKey);
  expect(() => readPublicHalf(path)).toThrow(failsWith("KEY_FILE_INVALID"));
});
