import { beforeAll, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProofOfFirst } from "../../proto/merkle.ts";
import { type LegProof, type SiblingLeg, verifyBundles } from "../../proto/verify/bundle.ts";
import { type DeliveredEntry, EntryKind, verifyRollupSlice } from "../../proto/verify/manifest.ts";
import { merkleRootOfHashes } from "../../proto/merkle.ts";
import { bundleOf, type LegTerms, sealedBundleItem } from "../../test/support/bundles.ts";
import { startSealedChain } from "../../test/support/sealed-app.ts";
import {
  CHAIN_ID,
  dataFor,
  type DecidedBlock,
  nonce,
  signedItem,
  type TestChain,
  unordered,
  wallet,
} from "../../test/support/weft-app.ts";

const NAMES = ["alpha", "beta", "gamma", "shuffles"] as const;
const LEGS: readonly LegTerms[] = [
  { rollup: "alpha", entries: ["a"], revertMode: RevertMode.FAIL },
  { rollup: "beta", entries: ["b"] },
  { rollup: "gamma", entries: ["c"], revertMode: RevertMode.DROP },
];
const SEALED_LEGS: readonly LegTerms[] = [
  { rollup: "beta", revertMode: RevertMode.FAIL },
  { rollup: "shuffles", revertMode: RevertMode.DROP },
];

let chain: TestChain;
let block: DecidedBlock;

/** One block with data, a bundle in the clear of three legs, one of a single leg, and a sealed one of two. */
beforeAll(async () => {
  const sealed = await startSealedChain({
    rollups: { alpha: {}, beta: {}, gamma: {}, shuffles: { ordering: "sealed_random" } },
  });
  ({ chain } = sealed);
  const [key] = sealed.keys;
  const items = [
    signedItem(wallet(0), nonce(0), dataFor("alpha", "before")),
    signedItem(wallet(1), unordered(500), bundleOf(LEGS)),
    signedItem(wallet(2), unordered(500), bundleOf([{ rollup: "beta", entries: ["alone"] }])),
    sealedBundleItem(wallet(3), unordered(500), key.state, SEALED_LEGS).item,
  ];
  for (const item of items) assert((await chain.submit(item)) === 0, "the pool takes it");
  block = await chain.step(0);
});

/** The block's part for a rollup, as it comes over the wire. */
async function delivered(name: string): Promise<RollupBlock> {
  const slices = await chain.app.blockSlices(block.txs, block.response);
  const { getBlock } = ROLLUP_SERVICE;
  return getBlock.responseDeserialize(
    getBlock.responseSerialize({
      height: Height(block.height),
      level: Level.COMMITTED,
      signedHeader: EMPTY_BYTES,
      validatorSet: EMPTY_BYTES,
      manifest: block.txs[0] ?? EMPTY_BYTES,
      manifestProof: merkleProofOfFirst(block.txs.map(sha256)),
      slice: slices.slice(rollupIdOfName(name)),
      filling: undefined,
      omitted: [],
      more: [],
    }),
  );
}

async function entriesOf(name: string): Promise<readonly DeliveredEntry[]> {
  const { slice } = await delivered(name);
  return slice.kind === "presence" ? slice.entries : [];
}

const refusalOf = (name: string, entries: readonly DeliveredEntry[]) =>
  verifyBundles(CHAIN_ID, rollupIdOfName(name), block.txs[0] ?? EMPTY_BYTES, entries)?.code;

describe("legs of bundles as rollups get them", () => {
  test.each(NAMES)("behavior: %s gets all legs with proofs that hold", async (name) => {
    const message = await delivered(name);
    const dataHash = merkleRootOfHashes(block.txs);
    const slice = verifyRollupSlice(dataHash, rollupIdOfName(name), message);
    assert(!("code" in slice), "the slice holds");
    expect(refusalOf(name, slice.entries)).toBeUndefined();
    const legs = slice.entries.filter(({ bundleId }) => bundleId !== undefined);
    expect(legs.length).toBeGreaterThan(0);
    for (const { legs: count, bundle } of legs) expect(bundle?.siblings).toHaveLength(count - 1);
  });

  test("behavior: revert modes come as they were sent, in the clear and sealed", async () => {
    const modesOf = async (name: string) =>
      (await entriesOf(name)).map(({ kind, bundle }) => [kind, bundle?.revertMode]);
    expect(await modesOf("gamma")).toEqual([[EntryKind.BUNDLE_LEG, RevertMode.DROP]]);
    expect(await modesOf("beta")).toEqual([
      [EntryKind.SEALED, RevertMode.FAIL],
      [EntryKind.BUNDLE_LEG, RevertMode.ALLOW],
      [EntryKind.BUNDLE_LEG, RevertMode.ALLOW],
    ]);
    expect(await modesOf("shuffles")).toEqual([[EntryKind.SHUFFLED, RevertMode.DROP]]);
  });

  test("behavior: leaves of other rollups travel once, however many bundles need them", async () => {
    const { slice } = await delivered("beta");
    const { getBlock } = ROLLUP_SERVICE;
    const wire = Buffer.from(getBlock.responseSerialize(await delivered("beta")));
    assert(slice.kind === "presence", "beta has entries");
    for (const { bundle } of slice.entries) {
      for (const { leaf } of bundle?.siblings ?? []) {
        const at = wire.indexOf(leaf);
        expect(at).toBeGreaterThan(0);
        expect(wire.indexOf(leaf, at + 1)).toBe(-1);
      }
    }
  });

  /** What alpha is given, its one bundle changed. */
  async function changed(change: (bundle: LegProof) => LegProof | undefined) {
    const entries = await entriesOf("alpha");
    return entries.map(({ bundle, ...entry }) => {
      const other = bundle && change(bundle);
      return other === undefined ? entry : { ...entry, bundle: other };
    });
  }
  const withFirst = (change: (sibling: SiblingLeg, all: readonly SiblingLeg[]) => SiblingLeg) =>
    changed(({ siblings, ...rest }) => ({
      ...rest,
      siblings: siblings.map((one, at) => (at === 0 ? change(one, siblings) : one)),
    }));
  const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(1);
  const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

  test.each<[string, string, () => Promise<readonly DeliveredEntry[]>]>([
    ["no proof", "COUNT", () => changed(() => undefined)],
    ["a leg less", "COUNT", () => changed((one) => ({ ...one, siblings: one.siblings.slice(1) }))],
    [
      "one leg twice",
      "COUNT",
      () =>
        changed((one) => ({
          ...one,
          siblings: one.siblings.flatMap((leg, at) => (at === 0 ? [leg, leg] : [])),
        })),
    ],
    [
      "another revert mode of its own",
      "ID",
      () => changed((one) => ({ ...one, revertMode: RevertMode.ALLOW })),
    ],
    [
      "another revert mode of a sibling",
      "ID",
      () => withFirst((leg) => ({ ...leg, revertMode: RevertMode.FAIL })),
    ],
    [
      "an entry cut short",
      "MALFORMED",
      () => withFirst((leg) => ({ ...leg, entry: cut(leg.entry) })),
    ],
    ["a leaf cut short", "MALFORMED", () => withFirst((leg) => ({ ...leg, leaf: cut(leg.leaf) }))],
    [
      "an entry that is not there",
      "ENTRY",
      () => withFirst((leg) => ({ ...leg, entry: flipped(leg.entry, 101) })),
    ],
    [
      "a leaf that is not there",
      "LEAF",
      () => withFirst((leg) => ({ ...leg, leaf: flipped(leg.leaf, 151) })),
    ],
    [
      "the leaf of another rollup",
      "LEAF",
      () => withFirst((leg, all) => ({ ...leg, rollupId: all[1]?.rollupId ?? leg.rollupId })),
    ],
  ])("behavior: refuses a leg with %s", async (_, code, make) => {
    expect(refusalOf("alpha", await make())).toBe(`BUNDLE_SIBLING_${code}`);
  });

  test("behavior: refuses the leg of another bundle as a sibling", async () => {
    const beta = await entriesOf("beta");
    const gamma = await entriesOf("gamma");
    const foreign = gamma[0]?.bundle?.siblings ?? [];
    const mixed = beta.map((entry) => {
      const { bundle } = entry;
      if (entry.kind !== EntryKind.SEALED || bundle === undefined) return entry;
      return { ...entry, bundle: { ...bundle, siblings: foreign.slice(0, 1) } };
    });
    expect(refusalOf("beta", mixed)).toBe("BUNDLE_SIBLING_OTHER");
  });

  test("behavior: refuses other revert modes than the sealed bundle names", async () => {
    const entries = await entriesOf("shuffles");
    const changedOwn = entries.map(({ bundle, ...entry }) => ({
      ...entry,
      bundle: {
        siblings: bundle?.siblings ?? [],
        revertMode: RevertMode.ALLOW,
        atomic: undefined,
      },
    }));
    expect(refusalOf("shuffles", changedOwn)).toBe("BUNDLE_SIBLING_SEALED");
  });
});
