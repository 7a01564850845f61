import { describe, expect, test } from "vitest";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import {
  bundleOf,
  type BundleTerms,
  cancelBelow,
  cancelKey,
  version,
} from "../../../test/support/bundles.ts";
import {
  idOf,
  nonce,
  signedItem,
  TestChain,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { POOL_BUNDLES_PER_ACCOUNT_MAX, POOL_BUNDLES_PER_BLOCK_MAX } from "../limits.ts";

const codeOf = (name: keyof typeof CODES): number => CODES[name].number;
const start = () => TestChain.start({ validators: 1 });

/** A signed bundle of account 0 for both rollups; the text makes it another one. */
function bundle(text: string, terms: BundleTerms = {}): Uint8Array {
  const legs = [{ rollup: "alpha", entries: [text] }, { rollup: "beta" }];
  return signedItem(wallet(0), unordered(500, text.slice(0, 16)), bundleOf(legs, terms));
}

const versionOf = (sequence: number, name = "k"): Uint8Array =>
  bundle(`${name} ${sequence}`, { replacement: version(name, sequence) });

const cancel = (action: ReturnType<typeof cancelKey>, salt = "c"): Uint8Array =>
  signedItem(wallet(0), unordered(500, salt), action);

/** Ids of transactions do not matter here: which of these items the next block holds. */
async function included(chain: TestChain, ...items: readonly Uint8Array[]) {
  const { txs } = await chain.step(0);
  const held = new Set(txs.filter((tx) => decodeItem(tx).kind === "tx").map(String));
  return items.map((item) => held.has(String(item)));
}

const statusOf = (chain: TestChain, item: Uint8Array) => chain.app.transactionStatus(idOf(item));

describe("bundles in the pool", () => {
  test("behavior: waits for its first block, says so, and leaves after its last", async () => {
    const chain = await start();
    const early = bundle("early", { minHeight: 3, maxHeight: 4 });
    const late = bundle("late", { minHeight: 2, maxHeight: 3 });
    expect(await chain.submit(early)).toBe(0);
    expect(statusOf(chain, early)).toMatchObject({
      state: "pending",
      reason: "waiting for block 3",
    });
    expect(await included(chain, early)).toEqual([false]);
    expect(await included(chain, early)).toEqual([false]);
    expect(statusOf(chain, early)).toMatchObject({ state: "pending", reason: undefined });
    expect(await included(chain, early)).toEqual([true]);
    expect(await chain.submit(late)).toBe(codeOf("BUNDLE_LATE"));
  });

  test("behavior: one that no block took by its last height is expired, with its reason", async () => {
    const chain = await TestChain.start({ validators: 1, maxTxBytes: 300 });
    const item = bundle("x".repeat(400), { maxHeight: 2 });
    expect(await chain.submit(item)).toBe(0);
    await chain.step(0);
    expect(statusOf(chain, item).state).toBe("pending");
    await chain.step(0);
    expect(statusOf(chain, item)).toMatchObject({
      state: "expired",
      code: codeOf("BUNDLE_LATE"),
      reason: expect.stringContaining("its last block was 2"),
    });
  });

  test.each([
    ["ascending", [1, 2, 3]],
    ["descending", [3, 2, 1]],
    ["mixed", [2, 3, 1]],
  ])("behavior: the highest sequence of a key stays, come %s", async (_, order) => {
    const chain = await start();
    let highest = 0;
    const pushedOut: number[] = [];
    for (const sequence of order) {
      const isNew = sequence > highest;
      const code = isNew ? 0 : codeOf("BUNDLE_SUPERSEDED");
      expect(await chain.submit(versionOf(sequence))).toBe(code);
      if (isNew && highest > 0) pushedOut.push(highest);
      highest = Math.max(highest, sequence);
    }
    const superseded = { state: "evicted", code: codeOf("BUNDLE_SUPERSEDED") };
    for (const one of pushedOut) expect(statusOf(chain, versionOf(one))).toMatchObject(superseded);
    expect(chain.app.poolSize().count).toBe(1);
    expect(await included(chain, versionOf(1), versionOf(2), versionOf(3))).toEqual([
      false,
      false,
      true,
    ]);
    // Sequences go up, also when the one before stands in a block.
    expect(await chain.submit(versionOf(4))).toBe(codeOf("BUNDLE_SUPERSEDED"));
  });

  test("behavior: another bundle of the same key and sequence does not push the first one out", async () => {
    const chain = await start();
    const other = bundle("other", { replacement: version("k", 1) });
    expect(await chain.submit(versionOf(1))).toBe(0);
    expect(await chain.submit(other)).toBe(codeOf("BUNDLE_SUPERSEDED"));
    expect(await included(chain, versionOf(1), other)).toEqual([true, false]);
  });

  test("behavior: a version of the same nonce need not pay more, another transaction has to", async () => {
    const chain = await start();
    const at = (sequence: number) =>
      signedItem(
        wallet(0),
        nonce(0),
        bundleOf([{ rollup: "alpha" }], { replacement: version("k", sequence) }),
      );
    expect(await chain.submit(at(1))).toBe(0);
    expect(await chain.submit(at(2))).toBe(0);
    const plain = signedItem(wallet(0), nonce(0), bundleOf([{ rollup: "alpha" }]));
    expect(await chain.submit(plain)).toBe(codeOf("POOL_UNDERPRICED"));
    expect(await included(chain, at(1), at(2))).toEqual([false, true]);
  });

  test("behavior: a cancellation counts before a block holds it, and until its height", async () => {
    const chain = await start();
    expect(await chain.submit(versionOf(2))).toBe(0);
    expect(await chain.submit(versionOf(7, "other"))).toBe(0);
    expect(await chain.submit(cancel(cancelKey("k", 3, 2)))).toBe(0);
    expect(statusOf(chain, versionOf(2))).toMatchObject({
      state: "evicted",
      code: codeOf("BUNDLE_CANCELLED"),
    });
    for (const sequence of [1, 3]) {
      expect(await chain.submit(versionOf(sequence))).toBe(codeOf("BUNDLE_CANCELLED"));
    }
    expect(await included(chain, versionOf(7, "other"))).toEqual([true]);
    expect(await chain.submit(versionOf(3))).toBe(codeOf("BUNDLE_CANCELLED"));
    await chain.step(0);
    expect(await chain.submit(versionOf(3))).toBe(0);
  });

  test("behavior: stays cancelled here although the cancellation itself has left the pool", async () => {
    const chain = await start();
    expect(await chain.submit(cancel(cancelKey("k", 3, 50)))).toBe(0);
    chain.app.flushPool();
    expect(await chain.submit(versionOf(3))).toBe(codeOf("BUNDLE_CANCELLED"));
    expect(await chain.submit(versionOf(4))).toBe(0);
  });

  test("behavior: a higher cancel nonce takes out what is below it at once", async () => {
    const chain = await start();
    const low = bundle("low", { cancelNonce: 4n });
    const high = bundle("high", { cancelNonce: 5n });
    for (const item of [low, high]) expect(await chain.submit(item)).toBe(0);
    expect(await chain.submit(cancel(cancelBelow(5n)))).toBe(0);
    expect(statusOf(chain, low)).toMatchObject({ code: codeOf("BUNDLE_CANCELLED") });
    expect(await included(chain, low, high)).toEqual([false, true]);
  });

  test("behavior: another node's cancellation takes bundles out with the block that holds it", async () => {
    const chain = await TestChain.start({ validators: 2 });
    expect(await chain.submit(versionOf(2), 0)).toBe(0);
    expect(await chain.submit(cancel(cancelKey("k", 3, 50)), 1)).toBe(0);
    await chain.step(1);
    expect(statusOf(chain, versionOf(2))).toMatchObject({ code: codeOf("BUNDLE_CANCELLED") });
  });

  test("behavior: an account has so many bundles waiting, and so many between two blocks", async () => {
    const chain = await start();
    for (let n = 0; n < POOL_BUNDLES_PER_ACCOUNT_MAX; n++) {
      expect(await chain.submit(versionOf(1, `${n}`))).toBe(0);
    }
    expect(await chain.submit(bundle("one more"))).toBe(codeOf("POOL_ACCOUNT_FULL"));
    for (let n = POOL_BUNDLES_PER_ACCOUNT_MAX; n < POOL_BUNDLES_PER_BLOCK_MAX; n++) {
      expect(await chain.submit(versionOf(n, "0")), `sequence ${n}`).toBe(0);
    }
    const further = versionOf(POOL_BUNDLES_PER_BLOCK_MAX, "0");
    expect(await chain.submit(further)).toBe(codeOf("POOL_ACCOUNT_FULL"));
    expect(chain.app.poolSize().count).toBe(POOL_BUNDLES_PER_ACCOUNT_MAX);
    await chain.step(0);
    expect(await chain.submit(bundle("one more"))).toBe(0);
  });
});
