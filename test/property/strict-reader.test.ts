/** The strict reader accepts a byte string only when it is the one encoding of its value. */
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { codecError, isCodecError } from "../../proto/codec/errors.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import { encode, type Writer } from "../../proto/codec/writer.ts";
import { damage } from "../support/damage.ts";

/** One field of every kind. */
interface Sample {
  readonly uint: number;
  readonly int: number;
  readonly uint32: number;
  readonly int32: number;
  readonly uint64: bigint;
  readonly int64: bigint;
  readonly flag: boolean;
  readonly fixed: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly blobs: readonly Uint8Array[];
  readonly words: readonly bigint[];
  readonly child: Sample | undefined;
  readonly children: readonly Sample[];
  readonly choice: { readonly kind: "number"; readonly value: number } | { readonly kind: "empty" };
}

function writeSample(writer: Writer, sample: Sample): void {
  writer.uint(1, sample.uint);
  writer.int(2, sample.int);
  writer.uint32(3, sample.uint32);
  writer.int32(4, sample.int32);
  writer.uint64(5, sample.uint64);
  writer.int64(6, sample.int64);
  writer.bool(7, sample.flag);
  writer.sfixed64(8, sample.fixed);
  writer.bytes(9, sample.bytes);
  writer.string(10, sample.text);
  for (const blob of sample.blobs) writer.bytesElement(11, blob);
  writer.packedUint64(12, sample.words);
  if (sample.child !== undefined) writer.message(13, sample.child, writeSample);
  for (const child of sample.children) writer.message(14, child, writeSample);
  if (sample.choice.kind === "number") writer.uintElement(300, sample.choice.value);
  else writer.emptyMessage(301);
}

function readSample(reader: Reader): Sample {
  const sample: { -readonly [K in keyof Sample]: Sample[K] } = {
    uint: 0,
    int: 0,
    uint32: 0,
    int32: 0,
    uint64: 0n,
    int64: 0n,
    flag: false,
    fixed: 0n,
    bytes: new Uint8Array(0),
    text: "",
    blobs: [],
    words: [],
    child: undefined,
    children: [],
    choice: { kind: "empty" },
  };
  let choices = 0;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        sample.uint = reader.uint();
        break;
      case 2:
        sample.int = reader.int();
        break;
      case 3:
        sample.uint32 = reader.uint32();
        break;
      case 4:
        sample.int32 = reader.int32();
        break;
      case 5:
        sample.uint64 = reader.uint64();
        break;
      case 6:
        sample.int64 = reader.int64();
        break;
      case 7:
        sample.flag = reader.bool();
        break;
      case 8:
        sample.fixed = reader.sfixed64();
        break;
      case 9:
        sample.bytes = reader.bytesCopy(100);
        break;
      case 10:
        sample.text = reader.string(100);
        break;
      case 11:
        sample.blobs = [...sample.blobs, reader.repeatedBytesCopy(100)];
        break;
      case 12: {
        const words: bigint[] = [];
        reader.repeatedUint64(words, 10);
        sample.words = words;
        break;
      }
      case 13:
        sample.child = reader.message(readSample);
        break;
      case 14:
        sample.children = [...sample.children, reader.repeatedMessage(readSample)];
        break;
      case 300:
        sample.choice = { kind: "number", value: reader.uintElement() };
        choices++;
        break;
      case 301:
        reader.oneofMessage((r) => {
          while (r.next()) r.unknown();
        });
        sample.choice = { kind: "empty" };
        choices++;
        break;
      default:
        reader.unknown();
    }
  }
  if (choices !== 1) throw codecError("CODEC_MISSING_FIELD", "exactly one choice is expected");
  return sample;
}

const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => new Uint8Array(value));
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const leafFields = {
  uint: fc.maxSafeNat(),
  int: fc.maxSafeInteger(),
  uint32: fc.integer({ min: 0, max: 0xffff_ffff }),
  int32: fc.integer(),
  uint64,
  int64,
  flag: fc.boolean(),
  fixed: int64,
  bytes,
  text: fc.string({ unit: "grapheme", maxLength: 8 }),
  blobs: fc.array(bytes, { maxLength: 3 }),
  words: fc.array(uint64, { maxLength: 3 }),
  choice: fc.oneof(
    fc.record({ kind: fc.constant("number" as const), value: fc.nat() }),
    fc.record({ kind: fc.constant("empty" as const) }),
  ),
};
const leaf: Arbitrary<Sample> = fc.record({
  ...leafFields,
  child: fc.constant(undefined),
  children: fc.constant([]),
});
const samples: Arbitrary<Sample> = fc.record({
  ...leafFields,
  child: fc.option(leaf, { nil: undefined }),
  children: fc.array(leaf, { maxLength: 2 }),
});

describe("strict reader", () => {
  test("reads back what the writer wrote, and so does the lenient one", () => {
    fc.assert(
      fc.property(samples, (sample) => {
        const written = encode(writeSample, sample, 1);
        expect(decode(readSample, written, "strict")).toEqual(sample);
        expect(decode(readSample, written, "lenient")).toEqual(sample);
      }),
      { numRuns: 300 },
    );
  });

  test("damaged bytes that it accepts are the encoding of what it read", () => {
    let accepted = 0;
    fc.assert(
      fc.property(samples, damage(), (sample, damaged) => {
        const input = damaged(encode(writeSample, sample));
        let read: Sample;
        try {
          read = decode(readSample, input, "strict");
        } catch (error) {
          if (isCodecError(error)) return;
          throw error;
        }
        accepted++;
        expect(toHex(encode(writeSample, read))).toBe(toHex(input));
      }),
      { numRuns: 3000 },
    );
    // Flips inside byte strings and numbers are still valid; without them nothing was tested.
    expect(accepted).toBeGreaterThan(100);
  });
});
