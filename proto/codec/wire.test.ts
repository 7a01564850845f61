import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../bytes.ts";
import { BLOCK_TXS_MAX } from "../limits.ts";
import { readTxs } from "./block.ts";
import { isCodecError } from "./errors.ts";
import { decode, decodeDelimited, delimitedRange, type Reader, type ReadMode } from "./reader.ts";
import { encode, encodeDelimited, varintSize, Writer } from "./writer.ts";

interface Sample {
  id: bigint;
  delta: bigint;
  name: string;
  blobs: Uint8Array[];
  inner: { round: number; flag: boolean } | undefined;
  time: bigint;
}

function writeSample(writer: Writer, value: Sample): void {
  writer.uint64(1, value.id);
  writer.int64(2, value.delta);
  writer.string(3, value.name);
  for (const blob of value.blobs) writer.bytesElement(4, blob);
  if (value.inner !== undefined) {
    writer.message(5, value.inner, (w, inner) => {
      w.int32(1, inner.round);
      w.bool(2, inner.flag);
    });
  }
  writer.sfixed64(17, value.time);
}

function readSample(reader: Reader): Sample {
  const value: Sample = {
    id: 0n,
    delta: 0n,
    name: "",
    blobs: [],
    inner: undefined,
    time: 0n,
  };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        value.id = reader.uint64();
        break;
      case 2:
        value.delta = reader.int64();
        break;
      case 3:
        value.name = reader.string(16);
        break;
      case 4:
        value.blobs.push(reader.repeatedBytesCopy(1 << 20));
        break;
      case 5:
        value.inner = reader.message(readInner);
        break;
      case 17:
        value.time = reader.sfixed64();
        break;
      default:
        reader.unknown();
    }
  }
  return value;
}

function readInner(reader: Reader): { round: number; flag: boolean } {
  const value = { round: 0, flag: false };
  while (reader.next()) {
    if (reader.field === 1) value.round = reader.int32();
    else if (reader.field === 2) value.flag = reader.bool();
    else reader.unknown();
  }
  return value;
}

const read = (hex: string, mode: ReadMode): Sample => decode(readSample, fromHex(hex), mode);

function refusal(hex: string, mode: ReadMode): string {
  try {
    read(hex, mode);
    return "accepted";
  } catch (error) {
    if (isCodecError(error)) return error.code;
    throw error;
  }
}

describe("protobuf writer and reader", () => {
  test("round trip of extreme values in both modes", () => {
    const value: Sample = {
      id: 0xffff_ffff_ffff_ffffn,
      delta: -0x8000_0000_0000_0000n,
      name: "größe",
      blobs: [new Uint8Array(0), new Uint8Array(300).fill(7)],
      inner: { round: -1, flag: true },
      time: -2n,
    };
    const bytes = encode(writeSample, value, 8);
    expect(decode(readSample, bytes, "strict")).toEqual(value);
    expect(decode(readSample, bytes, "lenient")).toEqual(value);
  });

  test("zero scalars are left out, an empty embedded message is written", () => {
    const value: Sample = {
      id: 0n,
      delta: 0n,
      name: "",
      blobs: [],
      inner: { round: 0, flag: false },
      time: 0n,
    };
    expect(toHex(encode(writeSample, value))).toBe("2a00");
  });

  test("a nested length of 128 and more moves the body", () => {
    for (const size of [127, 128, 129, 16_383, 16_384, 70_000]) {
      const body = new Uint8Array(size).fill(1);
      const bytes = encodeDelimited((w: Writer, b: Uint8Array) => w.raw(b), body, 4);
      expect(bytes.length, `size ${size}`).toBe(size + varintSize(size));
      const range = delimitedRange(bytes, 0, size);
      expect(range, `size ${size}`).toEqual({ start: varintSize(size), end: bytes.length });
    }
  });

  test("varints from 1 to 10 bytes", () => {
    for (let shift = 0n; shift < 64n; shift++) {
      for (const id of [1n << shift, (1n << shift) - 1n]) {
        const value = { ...read("", "strict"), id };
        expect(decode(readSample, encode(writeSample, value), "strict").id).toBe(id);
      }
    }
  });

  test("a negative int32 takes ten bytes", () => {
    const bytes = encode((w: Writer, v: number) => w.int32(1, v), -1);
    expect(toHex(bytes)).toBe("08ffffffffffffffffff01");
  });

  test("strict refuses what the writer does not write", () => {
    expect(refusal("0800", "strict")).toBe("CODEC_EXPLICIT_ZERO");
    expect(refusal("1a00", "strict")).toBe("CODEC_EXPLICIT_ZERO");
    expect(refusal("888000", "strict")).toBe("CODEC_VARINT");
    expect(refusal("088100", "strict")).toBe("CODEC_VARINT");
    expect(refusal("08ffffffffffffffffff03", "strict")).toBe("CODEC_VARINT");
    expect(refusal("08010801", "strict")).toBe("CODEC_FIELD_ORDER");
    expect(refusal("10010801", "strict")).toBe("CODEC_FIELD_ORDER");
    expect(refusal("3001", "strict")).toBe("CODEC_UNKNOWN_FIELD");
    expect(refusal("2a041001", "strict")).toBe("CODEC_TRUNCATED");
    expect(refusal("2a021002", "strict")).toBe("CODEC_OUT_OF_RANGE");
    expect(refusal("2a0708ffffffff8f7f", "strict")).toBe("CODEC_OUT_OF_RANGE");
    expect(refusal("1a02c328", "strict")).toBe("CODEC_UTF8");
    expect(refusal(`1a11${"61".repeat(17)}`, "strict")).toBe("CODEC_TOO_LARGE");
  });

  test("lenient reads as Go does: last scalar wins, embedded messages merge, unknown is skipped", () => {
    expect(read("08010802", "lenient").id).toBe(2n);
    expect(read("2a020805080730012a021001", "lenient").inner).toEqual({ round: 5, flag: true });
    expect(read("33080533083434340809", "lenient").id).toBe(9n);
    expect(read("88800003", "lenient").id).toBe(3n);
  });

  test("an embedded message that is repeated very often is read in time linear in its bytes", () => {
    const count = 200_000;
    const bytes = new Uint8Array(6 * count);
    for (let i = 0; i < count; i++) bytes.set([0x2a, 0x04, 0x08, i & 0x7f, 0x10, 0x01], 6 * i);
    const { inner } = decode(readSample, bytes, "lenient");
    expect(inner).toEqual({ round: (count - 1) & 0x7f, flag: true });
  }, 10_000);

  test("a list of more transactions than a block can hold is refused", () => {
    const bytes = new Uint8Array(2 * (BLOCK_TXS_MAX + 1));
    for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x0a;
    expect(() => decode(readTxs, bytes, "lenient")).toThrow(/too many transactions/);
  });

  test("nothing malformed passes in either mode", () => {
    for (const mode of ["strict", "lenient"] as const) {
      expect(refusal("08", mode)).toBe("CODEC_TRUNCATED");
      expect(refusal("00", mode)).toBe("CODEC_TAG");
      expect(refusal("0f", mode)).toBe("CODEC_TAG");
      expect(refusal("0c", mode)).toBe("CODEC_TAG");
      expect(refusal("0a00", mode)).toBe("CODEC_TAG");
      expect(refusal("22ffffffffffffffffff01", mode)).toBe("CODEC_TRUNCATED");
      expect(refusal("08ffffffffffffffffffff01", mode)).toBe("CODEC_VARINT");
    }
    expect(refusal("3308", "lenient")).toBe("CODEC_TRUNCATED");
  });

  test("a length over its limit is refused before its bytes arrive", () => {
    expect(delimitedRange(fromHex("ff"), 0, 1024)).toBeUndefined();
    expect(() => delimitedRange(fromHex("ffff"), 0, 1024)).toThrow(/at most 1024/);
    expect(() => decodeDelimited(readSample, fromHex("020801ff"), "strict", 9)).toThrow(/after/);
    expect(() => decodeDelimited(readSample, fromHex("82000801"), "strict", 9)).toThrow(/minimal/);
  });

  test("the writer refuses numbers that their field cannot hold", () => {
    const writer = new Writer();
    expect(() => writer.uint64(1, -1n)).toThrow(/uint64/);
    expect(() => writer.int64(1, 1n << 63n)).toThrow(/int64/);
    expect(() => writer.uint32(1, 2 ** 32)).toThrow(/uint32/);
    expect(() => writer.int32(1, 0.5)).toThrow(/int32/);
    expect(() => writer.int(1, 2 ** 53)).toThrow(/int/);
  });

  test("results are plain arrays that do not alias a Buffer's memory", () => {
    const input = Buffer.from("2203010203", "hex");
    const [blob] = decode(readSample, input, "strict").blobs;
    input.fill(0);
    expect(blob).toEqual(new Uint8Array([1, 2, 3]));
  });
});
