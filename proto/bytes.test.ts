import { describe, expect, test } from "vitest";
import {
  bytesEqual,
  compareBytes,
  concatBytes,
  fromBase64,
  fromHex,
  keepBytes,
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
  test("keeping: as they are when they own most of their buffer, else a copy", () => {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const most = keepBytes(buffer.subarray(2, 7));
    expect([most.buffer === buffer.buffer, [...most]]).toEqual([true, [3, 4, 5, 6, 7]]);
    const few = keepBytes(buffer.subarray(2, 5));
    expect([few.buffer === buffer.buffer, [...few]]).toEqual([false, [3, 4, 5]]);
    // A Buffer's slice would alias what it is cut from.
    expect(keepBytes(Buffer.from(buffer.buffer))).not.toBeInstanceOf(Buffer);
  });
  test("order: a prefix sorts first", () => {
    const [a, b] = [new Uint8Array([1]), new Uint8Array([1, 0])];
    expect(compareBytes(a, b)).toBeLessThan(0);
    expect(bytesEqual(concatBytes(a, new Uint8Array([0])), b)).toBe(true);
  });
});
