import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  buildChain,
  TEST_CHAIN_ID,
  testGenesis,
  testKeys,
} from "../../test/support/chain-builder.ts";
import { lightBlockOf } from "../../test/support/forks.ts";
import { openLevelTrustedStore } from "./level-trusted-store.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-headers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a folder is of no chain until it holds a header, and of that one from then on", async () => {
  const keys = testKeys(1);
  const [built] = buildChain(keys, 1, testGenesis(keys));
  if (built === undefined) throw new Error("a chain of one block");
  await (await openLevelTrustedStore(folder, "mistyped")).close();
  const store = await openLevelTrustedStore(folder, TEST_CHAIN_ID);
  await store.put(lightBlockOf(built));
  await store.close();
  await expect(openLevelTrustedStore(folder, "mistyped")).rejects.toThrow(
    new RegExp(`holds headers of chain ${TEST_CHAIN_ID}, not of mistyped; name another folder`),
  );
  const again = await openLevelTrustedStore(folder, TEST_CHAIN_ID);
  expect((await again.last())?.signedHeader.header.height).toBe(1);
  await again.close();
});

test("error: a folder that another light client has open", async () => {
  const store = await openLevelTrustedStore(folder, TEST_CHAIN_ID);
  await expect(openLevelTrustedStore(folder, TEST_CHAIN_ID)).rejects.toThrow(
    /is in use by another light client; stop that one, or name another folder/,
  );
  await store.close();
});
