import { expect, test } from "vitest";
import { BitSet, zeroBits } from "./bit-set.ts";

test("behavior: bits land in 64-bit words, low bit first", () => {
  const bits = new BitSet(130);
  for (const index of [0, 31, 32, 63, 64, 129]) expect(bits.set(index), `bit ${index}`).toBe(true);
  expect(bits.set(63)).toBe(false);
  expect(bits.count).toBe(6);
  expect(bits.toBitArray()).toEqual({
    bits: 130,
    elems: [(1n << 63n) | (1n << 32n) | (1n << 31n) | 1n, 1n, 2n],
  });
});

test("behavior: the array is made anew only after a change", () => {
  const bits = new BitSet(3);
  const before = bits.toBitArray();
  expect(bits.toBitArray()).toBe(before);
  bits.set(1);
  expect(bits.toBitArray()).not.toBe(before);
  expect(before).toEqual(zeroBits(3));
});
