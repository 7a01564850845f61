import { describe, expect, test } from "vitest";
import { encodeTxItem } from "../../../proto/codec/weft-block.ts";
import { encodeTxBody, rollupData, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { decodedTx, nonce, wallet } from "../../../test/support/weft-app.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { LISTED_BODIES_BYTES_MAX } from "../limits.ts";
import { BodyStore } from "./body-store.ts";

const PAYLOAD = new Uint8Array(1 << 20);
const NOTHING_LISTED = { keys: () => [] };

/** A little over 1 MiB. Nobody looks at signatures here. */
function transaction(sender: number): DecodedTx {
  const bodyBytes = encodeTxBody({
    publicKey: wallet(sender).key.publicKey,
    replay: nonce(0n),
    fee: { maxFeePerByte: 1n, tipPerByte: 0n },
    action: rollupData(rollupIdOfName("alpha"), [PAYLOAD]),
  });
  return decodedTx(encodeTxItem({ bodyBytes, signature: new Uint8Array(64) }));
}

const store = () => new BodyStore({ get: () => undefined });
/** So many fit all room that there is. */
const FITTING = Math.floor(LISTED_BODIES_BYTES_MAX / transaction(0).item.length);

describe("behavior: room for what is listed", () => {
  test("what others list takes half of it at most, so that this node can list as well", () => {
    const bodies = store();
    const others = Array.from({ length: FITTING }, (_, at) => transaction(at));
    const taken = others.filter((tx) => bodies.add(tx, 1, false));
    expect(taken).toHaveLength(Math.floor(FITTING / 2));
    const own = transaction(FITTING);
    expect(bodies.hasRoom(own)).toBe(true);
    expect(bodies.keep([own], 1)).toHaveLength(1);
    expect(bodies.find(own.idKey)).toBe(own);
  });

  test("what is due finds room beside it, and the half is free again when others' are gone", () => {
    const bodies = store();
    const others = Array.from({ length: FITTING }, (_, at) => transaction(at));
    const [first, ...taken] = others.filter((tx) => bodies.add(tx, 1, false));
    assert(first !== undefined, "there is room for one");
    const late = transaction(FITTING);
    expect(bodies.add(late, 1, false)).toBe(false);
    expect(bodies.add(late, 1, true)).toBe(true);
    // One of them is in a block, one is listed by this node now: neither is others' any more.
    bodies.keep(taken.slice(0, 1), 2);
    bodies.forget(2, [first, late], NOTHING_LISTED);
    const [a, b, c] = others.slice(-3);
    assert(a !== undefined && b !== undefined && c !== undefined, "some found no room");
    expect([a, b, c].map((tx) => bodies.add(tx, 2, false))).toEqual([true, true, false]);
    bodies.forget(100, others, NOTHING_LISTED);
    expect([bodies.bytes, bodies.count]).toEqual([0, 0]);
  });

  test("room that is spoken for is none", () => {
    const bodies = store();
    const tx = transaction(0);
    expect(bodies.hasRoom(tx, LISTED_BODIES_BYTES_MAX - tx.item.length)).toBe(true);
    expect(bodies.hasRoom(tx, LISTED_BODIES_BYTES_MAX - tx.item.length + 1)).toBe(false);
    bodies.keep([tx], 1);
    expect(bodies.bytesFor(tx)).toBe(0);
  });
});
