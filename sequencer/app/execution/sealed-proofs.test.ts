import { describe, expect, test } from "vitest";
import { sealText, startSealedChain } from "../../../test/support/sealed-app.ts";
import { nonce, signedItem, wallet } from "../../../test/support/weft-app.ts";
import { Height } from "../../../proto/brands.ts";
import type { Sealed } from "../../../proto/codec/seal-tx.ts";
import { CODES } from "../codes.ts";

const SENDER = wallet(0);

async function start() {
  const { chain, keys } = await startSealedChain({ moreKeys: 1 });
  const { action, item } = sealText(SENDER, nonce(0), keys[0], "hidden", {
    rollups: ["alpha", "beta"],
  });
  const refusal = async (other: Uint8Array) =>
    await chain.refusal([...(await chain.prepare(0)), other]);
  return { chain, action, item, refusal };
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
const kem = (at: number) => (sealed: Sealed) => ({ ...sealed, kem: flipped(sealed.kem, at) });

describe("proofs of sealed items", () => {
  test.each<[string, (sealed: Sealed) => Sealed]>([
    ["U", kem(3)],
    ["points that are none", (sealed) => ({ ...sealed, kem: new Uint8Array(192).fill(0xff) })],
    ["points at infinity", (sealed) => ({ ...sealed, kem: new Uint8Array(192) })],
    ["φ", kem(130)],
    ["c₁", kem(170)],
    ["body", (sealed) => ({ ...sealed, body: flipped(sealed.body, 9) })],
    ["rollups", (sealed) => ({ ...sealed, rollupIds: sealed.rollupIds.slice(1) })],
    ["last height", (sealed) => ({ ...sealed, maxHeight: Height(sealed.maxHeight + 1) })],
  ])("attack: one with other %s gets neither into the pool nor into a block", async (_, maul) => {
    const { chain, action, refusal } = await start();
    const mauled = signedItem(SENDER, nonce(0), maul(action));
    expect(await chain.submit(mauled)).toBe(CODES.TX_PROOF.number);
    expect(await refusal(mauled)).toMatch(/^P11 TX_PROOF: item 1:/);
  });

  test("attack: one that was stolen, or is sent for another key, price or place, is no item", async () => {
    const { chain, action, item, refusal } = await start();
    for (const [sender, at, terms, sealed] of [
      [wallet(1), 0, {}, action],
      [SENDER, 0, { maxFeePerByte: 999n }, action],
      [SENDER, 0, { tipPerByte: 2n }, action],
      [SENDER, 1, {}, action],
      [SENDER, 0, {}, { ...action, key: 2 }],
    ] as const) {
      const other = signedItem(sender, nonce(at), sealed, terms);
      expect(await refusal(other)).toMatch(/^P11 TX_PROOF: item 1:/);
    }
    // The first of them passes every other check at the door.
    expect(await chain.submit(signedItem(wallet(1), nonce(0), action))).toBe(CODES.TX_PROOF.number);
    expect(await chain.submit(item)).toBe(0);
  });

  test("behavior: among many, the bad one alone is refused at the door", async () => {
    const { chain, keys } = await startSealedChain();
    const items = Array.from({ length: 6 }, (_, i) => {
      const { action, item } = sealText(wallet(i), nonce(0), keys[0], `text ${i}`);
      return i === 3 ? signedItem(wallet(i), nonce(0), kem(3)(action)) : item;
    });
    const codes = await Promise.all(items.map((item) => chain.submit(item)));
    expect(codes).toEqual([0, 0, 0, CODES.TX_PROOF.number, 0, 0]);
  });

  test("behavior: a signature is looked at before a proof is", async () => {
    const { chain, action, refusal } = await start();
    const mauled = signedItem(SENDER, nonce(0), kem(3)(action));
    const unsigned = flipped(mauled, mauled.length - 1);
    expect(await refusal(unsigned)).toMatch(/^TX TX_SIGNATURE: item 1:/);
    expect(await chain.submit(unsigned)).toBe(CODES.TX_SIGNATURE.number);
  });
});
