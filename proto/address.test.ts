import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "./address.ts";
import { fromHex } from "./bytes.ts";

// Computed apart from this code, from the text of BIP-173, in Python.
const VECTOR = [
  "000102030405060708090a0b0c0d0e0f10111213",
  "weft1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn0zlgt9",
] as const;

test("vectors: an address and its text", () => {
  expect(formatAddress(fromHex(VECTOR[0]))).toBe(VECTOR[1]);
  expect(parseAddress(VECTOR[1])).toEqual(fromHex(VECTOR[0]));
});

test("property: what is written is what a general decoder reads", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (address) => {
      expect(parseAddress(formatAddress(address))).toEqual(address);
    }),
  );
});

test("behavior: refuses another prefix, length or a typing error", () => {
  expect(() => formatAddress(new Uint8Array(19))).toThrow(/20 bytes/);
  expect(() => parseAddress(`${VECTOR[1].slice(0, -1)}z`)).toThrow(/mistyped or cut off/);
  expect(() => parseAddress("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")).toThrow(RangeError);
  expect(() => parseAddress("")).toThrow(RangeError);
});
