import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFilePrivValidator } from "../engine/privval/file-priv-validator.ts";
import { type Home, homeAt } from "../node/home.ts";
import { createFollowerFiles } from "./follower-files.ts";
import { DEFAULT_PORTS, validatorPlaces } from "./network-layout.ts";
import { createTestnet } from "./testnet-files.ts";
import { readOrCreateValidatorKeys } from "./validator-keys.ts";

let root: string;
let home: Home;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "weft-validator-keys-"));
  const places = validatorPlaces(root, 1, DEFAULT_PORTS);
  await createTestnet({
    chainId: "keys",
    genesisTime: { seconds: 1_700_000_000n, nanos: 0 },
    validators: places,
    accounts: [],
    rollups: [],
    config: {},
    host: () => "127.0.0.1",
  });
  home = homeAt(join(root, "follower"));
  const { genesisFile } = homeAt(places[0]?.home ?? "");
  await createFollowerFiles({ home: home.root, genesisFile, config: {} });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a node that follows becomes a validator", () => {
  test("its new key may sign although the home holds blocks", async () => {
    const { consensusKey, applicationKey, isUnchanged } = await readOrCreateValidatorKeys(home);
    expect(isUnchanged).toBe(false);
    for (const file of [home.validatorKeyFile, home.applicationKeyFile]) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    const signer = await openFilePrivValidator({
      keyPath: home.validatorKeyFile,
      statePath: home.validatorStateFile,
      isFresh: false,
    });
    await signer.close();

    const again = await readOrCreateValidatorKeys(home);
    expect(again).toEqual({ consensusKey, applicationKey, isUnchanged: true });
  });

  test("what an interrupted run left is gone on with", async () => {
    await readOrCreateValidatorKeys(home);
    rmSync(home.applicationKeyFile);
    rmSync(home.validatorKeyFile);
    expect((await readOrCreateValidatorKeys(home)).isUnchanged).toBe(false);
    rmSync(home.applicationKeyFile);
    const { isUnchanged } = await readOrCreateValidatorKeys(home);
    expect([isUnchanged, existsSync(home.applicationKeyFile)]).toEqual([false, true]);
  });

  test("error: a validator whose key is gone gets no new one", async () => {
    await readOrCreateValidatorKeys(home);
    rmSync(home.validatorKeyFile);
    await expect(readOrCreateValidatorKeys(home)).rejects.toThrow(/restore the key/);
    rmSync(home.applicationKeyFile);
    writeFileSync(home.validatorStateFile, '{"height":"7","round":0,"step":0}');
    await expect(readOrCreateValidatorKeys(home)).rejects.toThrow(/restore the key/);
    expect(existsSync(home.validatorKeyFile)).toBe(false);
  });

  test("error: there is no home", async () => {
    await expect(readOrCreateValidatorKeys(homeAt(join(root, "nowhere")))).rejects.toThrow(
      /no node's home.*weft init/,
    );
  });
});
