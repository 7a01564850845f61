import { RLP } from "@ethereumjs/rlp";
import { expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { decodeAttributes, encodeAttributes, encodeDeposit } from "./l1-attributes.ts";

const ROLLUP = new Uint8Array(32).fill(7);
const PLACE = {
  heightFirst: Height(40),
  height: Height(43),
  blockHash: new Uint8Array(32).fill(9),
  seconds: 1_700_000_000n,
};

test("a place survives the way through a block, for its own rollup only", () => {
  for (const fork of ["isthmus", "jovian"] as const) {
    const data = encodeAttributes(PLACE, fork, ROLLUP);
    expect(data.length).toBe(fork === "jovian" ? 178 : 176);
    expect(decodeAttributes(data, ROLLUP)).toEqual(PLACE);
    expect(decodeAttributes(data, new Uint8Array(32))).toBeUndefined();
    expect(decodeAttributes(data.slice(1), ROLLUP)).toBeUndefined();
    expect(decodeAttributes(Uint8Array.from([...data, 0]), ROLLUP)).toBeUndefined();
  }
});

test("the deposit mints nothing, comes from the depositor and differs with its place", () => {
  const deposit = encodeDeposit(PLACE, "jovian", ROLLUP);
  expect(deposit[0]).toBe(0x7e);
  const fields = RLP.decode(deposit.subarray(1));
  const [, from, to, mint, value, gas, isSystem] = (fields as Uint8Array[]).map(toHex);
  expect([from, to]).toEqual([
    "deaddeaddeaddeaddeaddeaddeaddeaddead0001",
    "4200000000000000000000000000000000000015",
  ]);
  expect([mint, value, gas, isSystem]).toEqual(["", "", "0f4240", ""]);
  const next = encodeDeposit({ ...PLACE, heightFirst: Height(41) }, "jovian", ROLLUP);
  expect(toHex(next)).not.toBe(toHex(deposit));
});
