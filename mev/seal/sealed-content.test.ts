import { describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { CiphertextAction } from "../../proto/codec/mev-tx.ts";
import { rollupData } from "../../proto/codec/weft-tx.ts";
import { createGroup, scalarFromBigint } from "./group/group.ts";
import { createLocalCompute } from "./local-compute.ts";
import {
  type BundleTerms,
  itemKindOf,
  labelOfSealed,
  rollupIdsOf,
  sealBid,
  sealBundle,
  sealContent,
  sealedContent,
} from "./sealed-content.ts";
import { createTdh2 } from "./tdh2.ts";

const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const data = (...values: number[]): readonly Uint8Array[] => values.map((v) => Uint8Array.of(v));
const payload = (of: Uint8Array, ...values: number[]) => rollupData(of, data(...values)).payload;
const SEED = new Uint8Array(32).fill(9);
const RANDOMNESS = { seed: SEED, nonce: new Uint8Array(64).fill(3) };
const MEMBERS = [id(1), id(2), id(3)];

const group = createGroup();
const tdh2 = createTdh2(group);
const publicKey = group.mulBase(scalarFromBigint(12_345n));

function terms() {
  return {
    chainId: "weft-test",
    publicKey: id(8),
    replay: { kind: "nonce" as const, value: 4n },
    fee: { maxFeePerByte: 5n, tipPerByte: 1n },
    key: { number: 2, publicKey },
    maxHeight: Height(90),
  };
}

const LEGS: BundleTerms["legs"] = [
  { rollupId: id(3), data: data(3), revertMode: 2, tip: 7n },
  { rollupId: id(1), data: data(1, 2), revertMode: 0, tip: 0n },
];
const WINDOW = {
  minHeight: Height(70),
  replacement: undefined,
  cancelNonce: 1n,
  atomic: undefined,
};

/** What the committee and the sender open of an action: the same. */
async function opened(action: CiphertextAction, members: readonly Uint8Array[] = MEMBERS) {
  const label = labelOfSealed("weft-test", terms(), action);
  const { kem, body } = action;
  const point = tdh2.openWithSeed(publicKey, { label, kem }, SEED);
  if (point === undefined) throw new Error("the seed opens what it sealed");
  const rollupIds = rollupIdsOf(action, members);
  const [item] = await createLocalCompute(tdh2).open({
    publicKey,
    items: [{ label, kem, body, rollupIds, kind: itemKindOf(action) }],
    points: point,
  });
  for (const secret of [
    { kind: "point" as const, point },
    { kind: "seed" as const, seed: SEED },
  ]) {
    const again = sealedContent("weft-test", terms(), action, secret, members);
    expect(again.kind === "content" ? { ...again, kind: "opened" } : again).toEqual(item);
  }
  return item;
}

describe("what is sealed", () => {
  it("a bundle opens to one payload for each leg, by rollup", async () => {
    const bundle = sealBundle(tdh2, { ...terms(), ...WINDOW, legs: LEGS }, RANDOMNESS);
    expect(bundle.legs).toEqual([
      { rollupId: id(1), revertMode: 0, tip: 0n },
      { rollupId: id(3), revertMode: 2, tip: 7n },
    ]);
    expect(await opened(bundle)).toEqual({
      kind: "opened",
      payloads: [payload(id(1), 1, 2), payload(id(3), 3)],
      amount: 0n,
    });
  });

  it("a bid opens to its amount, and to nothing for members that it does not ask for", async () => {
    const parts = [{ rollupId: id(2), data: data(5) }];
    const bid = sealBid(
      tdh2,
      { ...terms(), group: id(1), amount: 77n, parts, minHeight: Height(0) },
      RANDOMNESS,
    );
    expect(await opened(bid)).toEqual({
      kind: "opened",
      payloads: [EMPTY_BYTES, payload(id(2), 5), EMPTY_BYTES],
      amount: 77n,
    });
    expect(await opened(bid, [id(1), id(3)])).toMatchObject({ kind: "invalid" });
  });

  it("the same content means something else as another kind", async () => {
    const sealed = sealContent(tdh2, { ...terms(), parts: LEGS }, RANDOMNESS);
    const label = labelOfSealed("weft-test", terms(), sealed);
    const { kem, body } = sealed;
    const bundle = { kind: "sealedBundle" as const, key: 2, kem, body, ...WINDOW };
    const legs = LEGS.map(({ rollupId, revertMode, tip }) => ({ rollupId, revertMode, tip }));
    const asBundle = { ...bundle, legs: legs.toReversed(), maxHeight: Height(90) };
    expect(tdh2.checkCiphertexts([{ label, kem, body }])).toEqual([true]);
    const other = labelOfSealed("weft-test", terms(), asBundle);
    expect(tdh2.checkCiphertexts([{ label: other, kem, body }])).toEqual([false]);
  });

  it.each([
    ["a leg's tip", { legs: LEGS.map((leg) => ({ ...leg, tip: leg.tip + 1n })) }],
    ["a leg's revert mode", { legs: LEGS.map((leg) => ({ ...leg, revertMode: 1 as const })) }],
    ["the first height", { minHeight: Height(71) }],
    ["the last height", { maxHeight: Height(91) }],
    ["the cancel nonce", { cancelNonce: 2n }],
    ["the terms of level 1", { atomic: { voteBlocks: 1, locks: LEGS.map(() => 1) } }],
    ["a replacement", { replacement: { key: new Uint8Array(16), sequence: 0n } }],
  ])("a sealed bundle is bound to %s", (_, change) => {
    const made: BundleTerms = { ...terms(), ...WINDOW, legs: LEGS };
    const honest = sealBundle(tdh2, made, RANDOMNESS);
    const { kem, body } = honest;
    const changed = sealBundle(tdh2, { ...made, ...change }, RANDOMNESS);
    const holds = (action: CiphertextAction) =>
      tdh2.checkCiphertexts([{ label: labelOfSealed("weft-test", terms(), action), kem, body }]);
    expect(holds(honest)).toEqual([true]);
    expect(holds({ ...changed, kem, body })).toEqual([false]);
  });
});
