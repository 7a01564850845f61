import { describe, expect, test } from "vitest";
import { idOfBundle } from "../../mev/manifest.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { labelOfSealed, sealedContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupData, rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import { sha512Concat } from "../../proto/hash.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { wallet } from "../../test/support/weft-app.ts";
import {
  cancelBundlesTransaction,
  plainBundleTransaction,
  sealBidTransaction,
  sealBundleTransaction,
} from "./searcher-transactions.ts";

const group = createGroup();
const tdh2 = createTdh2(group);
const publicKey = group.mulBase(group.scalars.reduceWide(sha512Concat(utf8ToBytes("secret"))));
const { key } = wallet(0);
const signer = {
  publicKey: key.publicKey,
  sign: (message: Uint8Array) => signEd25519(key, message),
};
const chainId = "weft-test";
const [ALPHA, BETA] = [rollupIdOfName("alpha"), rollupIdOfName("beta")];
const terms = {
  chainId,
  key: { number: 3, publicKey },
  replay: { kind: "unordered", expiryHeight: Height(50), salt: new Uint8Array([1]) } as const,
  fee: { maxFeePerByte: 4n, tipPerByte: 1n },
  minHeight: Height(10),
  maxHeight: Height(20),
};
const legs = [ALPHA, BETA].map((rollupId, n) => ({
  rollupId,
  data: [utf8ToBytes(`leg ${n}`)],
  revertMode: RevertMode.FAIL,
  tip: BigInt(n),
}));

function txOf(item: Uint8Array) {
  const decoded = decodeItem(item);
  if (decoded.kind !== "tx") throw new Error("expected a transaction");
  return decoded.tx;
}

describe("transactions of a searcher", () => {
  test("a sealed bundle is a valid ciphertext for its transaction, and opens to its legs", () => {
    const request = { ...terms, legs, replacement: undefined, cancelNonce: 2n };
    const { item, id, seed } = sealBundleTransaction(request, { tdh2, signer });
    const { body, bodyBytes } = txOf(item);
    const { action } = body;
    if (action.kind !== "sealedBundle") throw new Error(action.kind);
    expect(action).toMatchObject({ key: 3, minHeight: 10, maxHeight: 20, cancelNonce: 2n });
    expect(bytesEqual(id, txId(chainId, bodyBytes))).toBe(true);
    const label = labelOfSealed(chainId, body, action);
    expect(tdh2.checkCiphertexts([{ label, kem: action.kem, body: action.body }])).toEqual([true]);
    const opened = sealedContent(chainId, body, action, { kind: "seed", seed });
    const payloads = action.legs.map(({ rollupId }) => {
      const data = legs.find((leg) => bytesEqual(leg.rollupId, rollupId))?.data ?? [];
      return rollupData(rollupId, data).payload;
    });
    expect(opened).toEqual({ kind: "content", payloads, amount: 0n });
  });

  test("a sealed bid shows its group only, and opens to its amount and what it is for", () => {
    const parts = [{ rollupId: BETA, data: [utf8ToBytes("top")] }];
    const request = { ...terms, group: ALPHA, amount: 9n, parts };
    const { item, seed } = sealBidTransaction(request, { tdh2, signer });
    const { body } = txOf(item);
    const { action } = body;
    if (action.kind !== "bid") throw new Error(action.kind);
    expect(toHex(item)).not.toContain(toHex(BETA));
    const members = [ALPHA, BETA].sort(compareBytes);
    const opened = sealedContent(chainId, body, action, { kind: "seed", seed }, members);
    expect(opened).toMatchObject({ kind: "content", amount: 9n });
  });

  test("a bundle in the clear has the id that its entries will carry", () => {
    const { key: _key, ...rest } = terms;
    const request = { ...rest, legs, replacement: undefined, cancelNonce: 0n };
    const { item, bundleId } = plainBundleTransaction(request, { signer });
    const { action } = txOf(item).body;
    if (action.kind !== "bundle") throw new Error(action.kind);
    expect(bytesEqual(bundleId, idOfBundle(chainId, action, new Uint8Array(32)))).toBe(true);
  });

  test("a cancellation by nonce, or by key", () => {
    const { fee, replay } = terms;
    const byNonce = {
      key: new Uint8Array(0),
      sequence: 0n,
      untilHeight: Height(0),
      cancelNonce: 3n,
    };
    const byKey = {
      key: new Uint8Array(16).fill(1),
      sequence: 5n,
      untilHeight: Height(30),
      cancelNonce: 0n,
    };
    for (const cancel of [byNonce, byKey]) {
      const { item } = cancelBundlesTransaction({ chainId, fee, replay, ...cancel }, { signer });
      expect(txOf(item).body.action).toEqual({ kind: "cancelBundles", ...cancel });
    }
  });
});
