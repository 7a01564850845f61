import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { Ordering, type RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import {
  dataFor,
  nonce,
  signedItem,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../../test/support/weft-app.ts";

const POLICY: RollupPolicy = {
  ordering: Ordering.PRIORITY_FEE,
  sealedOnly: false,
  auction: false,
  reserve: 0n,
  revenueShareBps: 0,
  executorKeys: [],
  bundlesOff: false,
  auctionLeader: EMPTY_BYTES,
  auctionMembers: [],
  secondPrice: false,
  executorQuorum: 0,
  atomicPartners: [],
};

/** A chain whose rollup alpha orders by price; beta does not. */
async function startChain(): Promise<TestChain> {
  const chain = await TestChain.start({ validators: 2, params: { policy_delay: 1 } });
  const rollupId = rollupIdOfName("alpha");
  const newOwnerKey = EMPTY_BYTES;
  const update = { kind: "updateRollup", rollupId, newOwnerKey, policy: POLICY } as const;
  expect(await chain.submit(signedItem(wallet(0), nonce(0), update))).toBe(0);
  await chain.step(0);
  await chain.step(0);
  return chain;
}

function isTransaction(item: Uint8Array): boolean {
  return decodeItem(item).kind === "tx";
}

function swapped(txs: readonly Uint8Array[], at: number): readonly Uint8Array[] {
  const items = [...txs];
  const [first, second] = [items[at], items[at + 1]];
  assert(first !== undefined && second !== undefined, "two neighbours");
  items[at] = second;
  items[at + 1] = first;
  return items;
}

describe("behavior: rollups that order by priority fee (P10)", () => {
  test("a drawn block is accepted by a node with another pool, swapped neighbours are refused", async () => {
    const chain = await startChain();
    const tips = [3n, 9n, 5n, 9n];
    for (const [n, tipPerByte] of tips.entries()) {
      const item = signedItem(wallet(n + 1), unordered(30), dataFor("alpha", "x"), { tipPerByte });
      expect(await chain.submit(item)).toBe(0);
    }
    const txs = await chain.prepare(0);
    const first = txs.findIndex(isTransaction);
    expect(txs.length - first).toBe(4);
    for (let at = first; at < txs.length - 1; at++) {
      expect(await chain.refusal(swapped(txs, at), 1)).toMatch(/^P10 ORDER_PRIORITY: /);
    }
    expect(await chain.refusal(txs, 1)).toBeUndefined();
  });

  test("what is not for such a rollup stands anywhere", async () => {
    const chain = await startChain();
    const dear = signedItem(wallet(1), nonce(0), dataFor("alpha", "x"), { tipPerByte: 9n });
    const other = signedItem(wallet(2), nonce(0), dataFor("beta", "x"), { tipPerByte: 5n });
    const transfer = signedItem(wallet(3), nonce(0), transferTo(wallet(1).address, 1n));
    for (const item of [dear, other, transfer]) expect(await chain.submit(item)).toBe(0);
    const txs = await chain.prepare(0);
    const first = txs.findIndex(isTransaction);
    // The order across rollups is no rollup's own, and no manifest's.
    expect(await chain.refusal(swapped(txs, first), 1)).toBeUndefined();
    expect(await chain.refusal(swapped(txs, first + 1), 1)).toBeUndefined();
  });

  test("a policy counts from its height on, for the proposer and for others", async () => {
    const chain = await TestChain.start({ validators: 2, params: { policy_delay: 2 } });
    const rollupId = rollupIdOfName("alpha");
    const update = { kind: "updateRollup", rollupId, newOwnerKey: EMPTY_BYTES, policy: POLICY };
    await chain.submit(signedItem(wallet(0), nonce(0), { ...update, kind: "updateRollup" }));
    const { height } = await chain.step(0);
    for (let at = height + 1; at < height + 4; at++) {
      const cheap = signedItem(wallet(1), unordered(30, `${at}`), dataFor("alpha", "x"));
      const dear = signedItem(wallet(2), unordered(30, `${at}`), dataFor("alpha", "x"), {
        tipPerByte: 9n,
      });
      for (const item of [cheap, dear]) expect(await chain.submit(item)).toBe(0);
      const txs = await chain.prepare(0);
      const reason = await chain.refusal(swapped(txs, txs.length - 2), 1);
      const refusal = at < height + 2 ? "P5 MANIFEST" : "P10 ORDER_PRIORITY";
      expect(reason, `height ${at}`).toContain(refusal);
      await chain.decide(txs);
    }
  });
});
