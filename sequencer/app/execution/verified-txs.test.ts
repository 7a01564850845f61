import { describe, expect, test } from "vitest";
import { assert } from "../../../proto/errors.ts";
import {
  decodedTx,
  signedItem,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";
import type { DecodedTx } from "./decoded-tx.ts";
import { VerifiedTxs } from "./verified-txs.ts";

/** All of one size: each pays another amount of as many bytes. */
const txs = Array.from({ length: 40 }, (_, i) => transaction(BigInt(100 + i)));
const [first] = txs;
assert(first !== undefined, "there is one");
const SIZE = first.item.length;

function transaction(amount: bigint): DecodedTx {
  return decodedTx(signedItem(wallet(0), unordered(60), transferTo(wallet(1).address, amount)));
}

function known(verified: VerifiedTxs): number {
  return txs.filter(({ item }) => verified.get(item) !== undefined).length;
}

describe("verified transactions", () => {
  test("are found by all of their bytes, signature included", () => {
    const verified = new VerifiedTxs(1 << 20);
    verified.add(first);
    expect(verified.get(first.item.slice())).toBe(first);
    for (let at = 0; at < SIZE; at++) {
      const other = first.item.slice();
      other[at] = (other[at] ?? 0) ^ 1;
      expect(verified.get(other), `byte ${at}`).toBeUndefined();
    }
  });

  test("of a block are forgotten, old and young ones, and no others", () => {
    const verified = new VerifiedTxs(60 * SIZE);
    // The first 31 are one generation, the rest the next.
    for (const tx of txs) verified.add(tx);
    verified.forget(txs.slice(4, 38));
    const left = txs.filter(({ item }) => verified.get(item) !== undefined);
    expect(left).toEqual([...txs.slice(0, 4), ...txs.slice(38)]);
  });

  test("that were forgotten leave their room to others", () => {
    const verified = new VerifiedTxs(20 * SIZE);
    for (const [i, tx] of txs.entries()) {
      verified.add(tx);
      // A block takes nine of ten, one stays.
      if (i % 10 !== 0) verified.forget([tx]);
    }
    // Room is for ten young ones: no generation was given up for four.
    expect(known(verified)).toBe(4);
    for (const tx of txs) verified.add(tx);
    expect(known(verified)).toBeLessThanOrEqual(22);
  });
});
