import { describe, expect, test } from "vitest";
import { sealFor, sealKeyPair } from "../../../test/support/seal-items.ts";
import { CHAIN_ID, nonce, signedItem, TestChain, wallet } from "../../../test/support/weft-app.ts";
import { Height } from "../../../proto/brands.ts";
import type { Sealed } from "../../../proto/codec/seal-tx.ts";

const KEY = sealKeyPair("proofs").point;
const SENDER = wallet(0);
const SEALED: Sealed = sealFor(
  {
    chainId: CHAIN_ID,
    sender: SENDER.address,
    replay: nonce(0),
    fee: { maxFeePerByte: 1_000n, tipPerByte: 1n },
    publicKey: KEY,
  },
  { alpha: "x", beta: "y" },
);

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
const kem = (at: number): Sealed => ({ ...SEALED, kem: flipped(SEALED.kem, at) });

/** What refuses a block with that item; undefined when nothing does. */
async function refusal(item: Uint8Array): Promise<string | undefined> {
  const chain = await TestChain.start();
  return await chain.refusal([...(await chain.prepare(0)), item]);
}

describe("a sealed item in a block", () => {
  test("behavior: one that is what its sender sealed stands", async () => {
    expect(await refusal(signedItem(SENDER, nonce(0), SEALED))).toBeUndefined();
  });

  test.each<[string, Sealed]>([
    ["U", kem(3)],
    ["a point that is none", { ...SEALED, kem: new Uint8Array(192).fill(0xff) }],
    ["points at infinity", { ...SEALED, kem: new Uint8Array(192) }],
    ["φ", kem(130)],
    ["c₁", kem(170)],
    ["body", { ...SEALED, body: flipped(SEALED.body, 9) }],
    ["key number", { ...SEALED, key: 2 }],
    ["rollups", { ...SEALED, rollupIds: SEALED.rollupIds.slice(1) }],
    ["last height", { ...SEALED, maxHeight: Height(SEALED.maxHeight + 1) }],
  ])("attack: one with another %s is no item", async (_what, sealed) => {
    expect(await refusal(signedItem(SENDER, nonce(0), sealed))).toBe("item 1: TX_PROOF");
  });

  test("attack: one that was stolen, or is sent at another price or place, is no item", async () => {
    const stolen = signedItem(wallet(1), nonce(0), SEALED);
    expect(await refusal(stolen)).toBe("item 1: TX_PROOF");
    const cheaper = signedItem(SENDER, nonce(0), SEALED, { maxFeePerByte: 999n });
    expect(await refusal(cheaper)).toBe("item 1: TX_PROOF");
    expect(await refusal(signedItem(SENDER, nonce(1), SEALED))).toBe("item 1: TX_PROOF");
  });

  test("behavior: a signature is looked at before a proof is", async () => {
    const unsigned = flipped(signedItem(SENDER, nonce(0), kem(3)), 600);
    expect(await refusal(unsigned)).toBe("item 1: TX_SIGNATURE");
  });
});
