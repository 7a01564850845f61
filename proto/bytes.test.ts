import { describe, expect, test } from "vitest";
import {
  bytesEqual,
  compareBytes,
  concatBytes,
  fromBase64,
  fromHex,
  toBase64,
  toHex,
} from "./bytes.ts";

describe("bytes", () => {
  test("hex: round trip and refusal of anything else", () => {
    expect(toHex(fromHex("00ffA0"))).toBe("00ffa0");
    expect(() => fromHex("0")).toThrow(/even number/);
    expect(() => fromHex("zz")).toThrow(/hex digits/);
  });
  test("base64: round trip and refusal of non-canonical text", () => {
    expect(toBase64(fromBase64("AQID"))).toBe("AQID");
    expect(() => fromBase64("AQI")).toThrow(/base64/);
  });
  test("order: a prefix sorts first", () => {
    const [a, b] = [new Uint8Array([1]), new Uint8Array([1, 0])];
    expect(compareBytes(a, b)).toBeLessThan(0);
    expect(bytesEqual(concatBytes(a, new Uint8Array([0])), b)).toBe(true);
  });
});
