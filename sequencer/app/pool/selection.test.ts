import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lane } from "../../../mev/lanes.ts";
import { comparePriced, type PricedItem, priorityFault } from "../../../mev/ordering/priority.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { encodeTxItem } from "../../../proto/codec/weft-block.ts";
import {
  encodeTxBody,
  type Replay,
  rollupData,
  rollupIdOfName,
} from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { decodedTx, nonce, unordered, wallet } from "../../../test/support/weft-app.ts";
import { effectiveTip } from "../execution/base-fee.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { PoolAccount } from "./pool-account.ts";
import { Selection } from "./selection.ts";

const BASE_FEE = 7n;
const ALPHA = rollupIdOfName("alpha");

/** Nobody looks at signatures here. */
function transaction(sender: number, replay: Replay, tip: bigint, text = "x"): DecodedTx {
  const bodyBytes = encodeTxBody({
    publicKey: wallet(sender).key.publicKey,
    replay,
    fee: { maxFeePerByte: tip + BASE_FEE, tipPerByte: tip },
    action: rollupData(ALPHA, [utf8ToBytes(text)]),
  });
  return decodedTx(encodeTxItem({ bodyBytes, signature: new Uint8Array(64) }));
}

function selectionOf(txs: readonly DecodedTx[]): Selection {
  const accounts = new Map<string, PoolAccount>();
  for (const [arrival, tx] of txs.entries()) {
    let account = accounts.get(tx.sender);
    if (account === undefined) accounts.set(tx.sender, (account = new PoolAccount()));
    const { replay } = tx.tx.body;
    const value = replay.kind === "nonce" ? replay.value : undefined;
    account.add({
      tx,
      nonce: value,
      cost: 0n,
      isFree: false,
      hasHold: false,
      arrival,
      addedHeight: 0,
      addedMs: 0,
    });
  }
  return new Selection({
    accounts: [...accounts.values()].map((account) => [account, 0n]),
    accountOf: (address) => accounts.get(address),
    tipOf: ({ tx }) => effectiveTip(tx.tx.body.fee, BASE_FEE),
  });
}

function drain(selection: Selection): readonly DecodedTx[] {
  const drawn: DecodedTx[] = [];
  for (;;) {
    const entry = selection.next(Lane.DEFAULT);
    if (entry === undefined) return drawn;
    drawn.push(entry.tx);
    selection.take();
  }
}

const pricedOf = (tx: DecodedTx): PricedItem => ({
  account: tx.sender,
  price: effectiveTip(tx.tx.body.fee, BASE_FEE),
  id: tx.id,
  hasNonce: tx.tx.body.replay.kind === "nonce",
  isPriority: true,
});

describe("behavior: what is drawn", () => {
  test("tips that are one number as doubles are told apart, whatever came first", () => {
    const high = 2n ** 60n;
    const cheap = transaction(0, nonce(0), high);
    const dear = transaction(1, nonce(0), high + 1n);
    expect(Number(high)).toBe(Number(high + 1n));
    for (const txs of [
      [cheap, dear],
      [dear, cheap],
    ]) {
      expect(drain(selectionOf(txs))).toEqual([dear, cheap]);
    }
  });

  test("among equals the smaller id, whatever came first", () => {
    const txs = Array.from({ length: 20 }, (_, n) => transaction(n % 4, unordered(9, `${n}`), 5n));
    const drawn = drain(selectionOf(txs));
    expect(drawn).toEqual([...txs].sort((a, b) => comparePriced(pricedOf(a), pricedOf(b))));
    expect(drain(selectionOf([...txs].reverse()))).toEqual(drawn);
  });

  test("what follows a nonce that was placed without being drawn comes next", () => {
    const txs = [0, 1, 2].map((value) => transaction(0, nonce(value), 5n, `${value}`));
    const [first, second, third] = txs;
    assert(first !== undefined && second !== undefined && third !== undefined, "three of them");
    // As one that is due: its account's first is still offered, and is not valid any more.
    const selection = selectionOf([second, third]);
    expect(selection.next(Lane.DEFAULT)).toBeUndefined();
    selection.placed(first);
    expect(drain(selection)).toEqual([second, third]);
    const again = selectionOf(txs);
    again.placed(first);
    again.placed(second);
    const offered = drain(again);
    expect(offered).toContain(third);
    selectionOf([]).placed(first);
  });

  test("property: it passes the rule of price order, and is the same whatever the order of arrival", () => {
    const arbitrary = fc.record({
      sender: fc.nat(4),
      tip: fc.constantFrom(0n, 1n, 2n, 2n ** 61n, 2n ** 61n + 1n),
      isOrdered: fc.boolean(),
      arrival: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(arbitrary, { maxLength: 16 }), (drafts) => {
        const nonces = new Map<number, number>();
        const txs = drafts.map(({ sender, tip, isOrdered, arrival }, n) => {
          const next = nonces.get(sender) ?? 0;
          if (isOrdered) nonces.set(sender, next + 1);
          const replay = isOrdered ? nonce(next) : unordered(9, `${n}`);
          return { tx: transaction(sender, replay, tip), arrival };
        });
        const drawn = drain(selectionOf(txs.map(({ tx }) => tx)));
        expect(drawn).toHaveLength(txs.length);
        expect(priorityFault(drawn.map(pricedOf))).toBeUndefined();
        const shuffled = [...txs].sort((a, b) => a.arrival - b.arrival).map(({ tx }) => tx);
        expect(drain(selectionOf(shuffled))).toEqual(drawn);
      }),
      { numRuns: 100 },
    );
  });
});

describe("behavior: what is not drawn", () => {
  test("a transaction that cannot pay the base fee", () => {
    const tx = transaction(0, nonce(0), 0n);
    const selection = new Selection({
      accounts: [[accountWith(tx), 0n]],
      accountOf: () => undefined,
      tipOf: () => -1n,
    });
    expect(selection.next(Lane.DEFAULT)).toBeUndefined();
  });
});

function accountWith(tx: DecodedTx): PoolAccount {
  const account = new PoolAccount();
  account.add({
    tx,
    nonce: 0n,
    cost: 0n,
    isFree: false,
    hasHold: false,
    arrival: 0,
    addedHeight: 0,
    addedMs: 0,
  });
  return account;
}
