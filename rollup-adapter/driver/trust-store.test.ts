import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { createFileTrustStore } from "./trust-store.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-trust-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const state = (height: number, chainId = "a") => ({
  chainId,
  height: Height(height),
  blockHash: new Uint8Array(32).fill(height % 256),
  time: { seconds: 1_700_000_000n, nanos: 0 },
  nextValidatorsHash: new Uint8Array(32).fill(1),
});

test("gives the newest state below a height, near the newest ones and far back, and stays small", async () => {
  const store = createFileTrustStore(join(folder, "trust.json"));
  expect(await store.load()).toBeUndefined();
  for (let height = 100; height <= 20_000; height += 100) await store.save(state(height));
  expect(await store.load()).toEqual(state(20_000));
  expect((await store.load(Height(20_000)))?.height).toBe(19_900);
  expect((await store.load(Height(18_950)))?.height).toBe(18_900);
  expect(await store.load(Height(50))).toBeUndefined();
  const far = await store.load(Height(2_000));
  expect(far === undefined || far.height < 2_000).toBe(true);
});

test("another chain's states are forgotten, and those above one that is saved anew", async () => {
  const store = createFileTrustStore(join(folder, "trust.json"));
  for (const height of [10, 20, 30]) await store.save(state(height));
  await store.save(state(15));
  expect((await store.load())?.height).toBe(15);
  expect((await store.load(Height(15)))?.height).toBe(10);
  await store.save(state(40, "b"));
  expect(await store.load(Height(40))).toBeUndefined();
});
