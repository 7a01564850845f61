import { describe, expect, test } from "vitest";
import { Lane } from "../../../mev/lanes.ts";
import { toHex } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { EntryKind } from "../../../proto/verify/manifest.ts";
import {
  bundleOf,
  type BundleTerms,
  cancelBelow,
  cancelKey,
  type LegTerms,
  version,
} from "../../../test/support/bundles.ts";
import { balanceOf, eventsOf, expectSupply } from "../../../test/support/sealed-app.ts";
import {
  idOf,
  nonce,
  signedItem,
  START_BALANCE,
  TestChain,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import { CODES } from "../codes.ts";
import { DEFAULT_PARAMS } from "../params.ts";

const BOTH: readonly LegTerms[] = [
  { rollup: "alpha", entries: ["a1", "a2"] },
  { rollup: "beta", entries: ["b"] },
];
const codeOf = (name: keyof typeof CODES): number => CODES[name].number;

/** A signed bundle of account `n`, unordered. */
function bundle(n: number, terms: BundleTerms = {}, legs = BOTH, salt = ""): Uint8Array {
  return signedItem(wallet(n), unordered(500, salt), bundleOf(legs, terms));
}

const start = () => TestChain.start({ validators: 2 });
const kinds = (txs: readonly Uint8Array[]) => txs.map((tx) => decodeItem(tx).kind);

/** The block that the next proposer would make, with these items in place of its transactions; why it is refused. */
async function refusalOf(chain: TestChain, ...items: readonly Uint8Array[]) {
  const made = await chain.prepare(0);
  const system = made.filter((tx) => decodeItem(tx).kind !== "tx");
  return chain.refusal([...system, ...items], 1);
}

describe("bundles in the clear", () => {
  test("behavior: all legs stand in one block, adjacent, each with the same bundle id", async () => {
    const chain = await start();
    const item = bundle(0);
    expect(await chain.submit(item)).toBe(0);
    const block = await chain.step(0);
    const slices = await chain.app.blockSlices(block.txs, block.response);
    const ids = ["alpha", "beta"].map((name) => {
      const slice = slices.slice(rollupIdOfName(name));
      const [entry] = slice.kind === "presence" ? slice.entries : [];
      expect(entry).toMatchObject({ kind: EntryKind.BUNDLE_LEG, lane: Lane.ATOMIC, legs: 2 });
      expect(toHex(entry?.itemId ?? new Uint8Array())).toBe(toHex(idOf(item)));
      return toHex(entry?.bundleId ?? new Uint8Array());
    });
    expect(new Set(ids).size).toBe(1);
    expect(eventsOf(block, "bundle_included")).toMatchObject([
      { id: toHex(idOf(item)), bundle: ids[0], legs: "2" },
    ]);
  });

  test("behavior: tips go to the rollups they are for, fees by the bytes of the legs", async () => {
    const chain = await start();
    const item = bundle(0, {}, [
      { rollup: "alpha", tip: 1_000n },
      { rollup: "beta", entries: ["x".repeat(300)], tip: 50n },
    ]);
    expect(await chain.submit(item)).toBe(0);
    const block = await chain.step(0);
    const fee = BigInt(item.length) * 2n;
    expect(balanceOf(chain, 0)).toBe(START_BALANCE - fee - 1_050n);
    expect(eventsOf(block, "revenue").map(({ source, gross }) => [source, gross])).toEqual(
      expect.arrayContaining([
        ["tip", "1000"],
        ["tip", "50"],
      ]),
    );
    const { rollupRevenue, sealed } = chain.app.read.supply();
    const ofTips = (1_050n * BigInt(DEFAULT_PARAMS.mevRollupBps)) / 10_000n;
    const ofFees = (fee * BigInt(DEFAULT_PARAMS.feeRollupBps)) / 10_000n;
    expect(sealed).toBe(0n);
    expect(rollupRevenue).toBeGreaterThanOrEqual(ofTips + ofFees - 2n);
    expect(rollupRevenue).toBeLessThanOrEqual(ofTips + ofFees);
    await expectSupply(chain);
  });

  test.each<[string, BundleTerms, readonly LegTerms[]]>([
    ["BUNDLE_EARLY", { minHeight: 3, maxHeight: 9 }, BOTH],
    ["BUNDLE_WINDOW", { minHeight: 1, maxHeight: 27 }, BOTH],
    ["BUNDLE_WINDOW", { minHeight: 9, maxHeight: 8 }, BOTH],
    ["BUNDLE_WINDOW", { maxHeight: 103 }, BOTH],
    ["BUNDLE_LATE", { maxHeight: 1 }, BOTH],
    ["BUNDLE_ROLLUP", {}, [{ rollup: "alpha" }, { rollup: "nobody" }]],
    ["BUNDLE_FUNDS", {}, [{ rollup: "alpha", tip: START_BALANCE }]],
  ])("refuses a block with one that is %s", async (code, terms, legs) => {
    const chain = await start();
    await chain.step(0);
    expect(await refusalOf(chain, bundle(0, terms, legs))).toMatch(new RegExp(`P8.*${code}`));
  });

  test("behavior: of one key one gets into a block, whatever its sequence; after that, none for a while", async () => {
    const chain = await start();
    const used = bundle(0, { replacement: version("k", 4) });
    const twice = await refusalOf(
      chain,
      used,
      bundle(0, { replacement: version("k", 9) }, BOTH, "other"),
    );
    expect(twice).toMatch(/P8.*BUNDLE_SUPERSEDED/);
    expect(await chain.submit(used)).toBe(0);
    await chain.step(0);
    for (const sequence of [3, 4, 5]) {
      const later = bundle(0, { replacement: version("k", sequence) }, BOTH, `${sequence}`);
      expect(await chain.submit(later)).toBe(codeOf("BUNDLE_SUPERSEDED"));
      expect(await refusalOf(chain, later)).toMatch(/P8.*BUNDLE_SUPERSEDED/);
    }
    // Another account's key is another key.
    expect(await chain.submit(bundle(1, { replacement: version("k", 1) }))).toBe(0);
    await chain.stepTo(100, 0);
    const kept = bundle(0, { replacement: version("k", 1), maxHeight: 150 }, BOTH, "101");
    expect(await refusalOf(chain, kept)).toMatch(/BUNDLE_SUPERSEDED/);
    await chain.step(0);
    const free = bundle(0, { replacement: version("k", 1), maxHeight: 150 }, BOTH, "102");
    expect(await chain.submit(free)).toBe(0);
    expect(kinds((await chain.step(0)).txs)).toContain("tx");
  });

  test("behavior: a cancellation by key voids its sequences from its own block on, until its height", async () => {
    const chain = await start();
    const cancel = signedItem(wallet(0), unordered(500), cancelKey("k", 5, 3));
    const held = bundle(0, { replacement: version("k", 5) });
    const next = bundle(0, { replacement: version("k", 6) }, BOTH, "6");
    expect(await refusalOf(chain, cancel, held)).toMatch(/P8.*BUNDLE_CANCELLED/);
    expect(await chain.submit(cancel)).toBe(0);
    await chain.step(0);
    await chain.step(0);
    expect(await refusalOf(chain, held)).toMatch(/P8.*BUNDLE_CANCELLED/);
    await chain.step(0);
    expect(await chain.submit(held)).toBe(0);
    expect(await refusalOf(chain, next, held)).toMatch(/P8.*BUNDLE_SUPERSEDED/);
  });

  test("behavior: a cancel nonce goes up only, and voids what is below it for good", async () => {
    const chain = await start();
    let salt = 0;
    const cancelTo = (value: bigint) =>
      signedItem(wallet(0), unordered(500, `${salt++}`), cancelBelow(value));
    const old = bundle(0, { cancelNonce: 6n });
    const current = bundle(0, { cancelNonce: 7n }, BOTH, "7");
    expect(await refusalOf(chain, cancelTo(7n), old)).toMatch(/P8.*BUNDLE_CANCELLED/);
    expect(await chain.submit(cancelTo(7n))).toBe(0);
    await chain.step(0);
    for (const value of [6n, 7n]) {
      expect(await chain.submit(cancelTo(value))).toBe(codeOf("BUNDLE_NONCE"));
      expect(await refusalOf(chain, cancelTo(value))).toMatch(/P8.*BUNDLE_NONCE/);
    }
    expect(await chain.submit(old)).toBe(codeOf("BUNDLE_CANCELLED"));
    expect(await chain.submit(current)).toBe(0);
    expect(kinds((await chain.step(0)).txs)).toContain("tx");
  });

  test.each([
    ["ends in the past", cancelKey("k", 1, 1)],
    ["ends too far ahead", cancelKey("k", 1, 603)],
  ])("refuses a cancellation that %s", async (_, action) => {
    const chain = await start();
    await chain.step(0);
    const cancel = signedItem(wallet(0), nonce(0), action);
    expect(await refusalOf(chain, cancel)).toMatch(/P8.*BUNDLE_UNTIL/);
  });

  test("behavior: rollups may take no bundles, or sealed ones only", async () => {
    const chain = await TestChain.start({
      validators: 2,
      rollups: { alpha: {}, off: { bundles_off: true }, closed: { sealed_only: true } },
    });
    for (const rollup of ["off", "closed"]) {
      const item = bundle(0, {}, [{ rollup: "alpha" }, { rollup }], rollup);
      expect(await chain.submit(item)).toBe(codeOf("BUNDLE_ROLLUP"));
      expect(await refusalOf(chain, item)).toMatch(/P8.*BUNDLE_ROLLUP/);
    }
  });
});
