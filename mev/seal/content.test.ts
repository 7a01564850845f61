import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { compareBytes, joinBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { SEAL_BUCKETS } from "../../proto/codec/seal-tx.ts";
import { decodeTxBody, encodeTxBody, rollupData } from "../../proto/codec/weft-tx.ts";
import {
  bucketOf,
  type ContentPart,
  decodeContent,
  encodeContent,
  openBareContent,
  openContent,
  padContent,
  unpadContent,
} from "./content.ts";
import { sealLabel, type SealLabel } from "./labels.ts";

const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const PARTS: readonly ContentPart[] = [
  { rollupId: id(1), data: [utf8ToBytes("a"), utf8ToBytes("bc")] },
  { rollupId: id(2), data: [new Uint8Array(200).fill(7)] },
];
const rollupIds = PARTS.map(({ rollupId }) => rollupId);

describe("content", () => {
  it("comes back from its bytes, whatever it holds", () => {
    const entries = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
      minLength: 1,
      maxLength: 5,
    });
    const parts = fc.uniqueArray(
      fc.record({ rollupId: fc.uint8Array({ minLength: 32, maxLength: 32 }), data: entries }),
      { minLength: 1, maxLength: 8, selector: ({ rollupId }) => toHex(rollupId) },
    );
    fc.assert(
      fc.property(parts, (list) => {
        const content = encodeContent(list);
        const sorted = list.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
        const expected = sorted.map(({ rollupId, data }) => ({
          rollupId,
          payload: rollupData(rollupId, data).payload,
          entryCount: data.length,
        }));
        expect(decodeContent(content)).toEqual(expected);
        const ids = sorted.map(({ rollupId }) => rollupId);
        const payloads = expected.map(({ payload }) => payload);
        const plaintext = padContent(content);
        expect(plaintext.length).toBe(bucketOf(content.length));
        expect(openContent(plaintext, ids)).toEqual({ kind: "content", payloads });
        expect(openBareContent(content, ids)).toEqual({ kind: "content", payloads });
      }),
      { numRuns: 100 },
    );
  });

  it("is written as protobuf writes it", () => {
    const bytes = encodeContent([{ rollupId: id(5), data: [utf8ToBytes("hi")] }]);
    expect(toHex(bytes)).toBe(`0a260a20${"05".repeat(32)}12026869`);
  });

  it("has payloads in the very form of plain rollup data", () => {
    const [part] = decodeContent(encodeContent(PARTS));
    const body = encodeTxBody({
      publicKey: id(9),
      replay: { kind: "nonce", value: 1n },
      fee: { maxFeePerByte: 1n, tipPerByte: 0n },
      action: rollupData(id(1), PARTS[0]?.data ?? []),
    });
    const { action } = decodeTxBody(body);
    expect(action).toMatchObject({ kind: "rollupData", payload: part?.payload });
  });

  it("refuses parts that are no parts", () => {
    const [first, second] = PARTS.map((part) => encodeContent([part]));
    const swapped = joinBytes([second ?? id(0), first ?? id(0)]);
    const data = [utf8ToBytes("x")];
    const code = (bytes: Uint8Array) => () => decodeContent(bytes);
    expect(code(swapped)).toThrow("must ascend");
    expect(code(joinBytes([first ?? id(0), first ?? id(0)]))).toThrow("must ascend");
    expect(code(new Uint8Array(0))).toThrow("expected 1 to 8, got 0");
    expect(code(Uint8Array.of(0x12, 0))).toThrow("field 2 is not part");
    expect(code(Uint8Array.of(0x0a, 0))).toThrow("rollup_id of 32 bytes");
    expect(() => encodeContent([{ rollupId: id(1), data: [] }])).toThrow("no entries");
    expect(() => encodeContent([{ rollupId: id(1), data: [new Uint8Array(0)] }])).toThrow("empty");
    expect(() => encodeContent([{ rollupId: new Uint8Array(31), data }])).toThrow("32 bytes");
    const nine = Array.from({ length: 9 }, (_, i) => ({ rollupId: id(i + 1), data }));
    expect(() => encodeContent(nine)).toThrow("over 8 parts");
  });

  it("is padded to the smallest bucket, up to the largest one", () => {
    expect([0, 252, 253, 65_532, 65_533].map(bucketOf)).toEqual([256, 256, 512, 65_536, undefined]);
    expect(padContent(new Uint8Array(10), 4_096)).toHaveLength(4_096);
    expect(() => padContent(new Uint8Array(65_533))).toThrow("at most 65532 fit");
    expect(() => padContent(new Uint8Array(300), 256)).toThrow("at most 252 fit");
  });

  it("does not open when length, padding or bucket is wrong", () => {
    const plaintext = padContent(encodeContent(PARTS));
    const reasonOf = (bytes: Uint8Array): string => {
      const opened = openContent(bytes, rollupIds);
      return opened.kind === "invalid" ? opened.reason : "content";
    };
    expect(reasonOf(plaintext)).toBe("content");
    expect(reasonOf(plaintext.with(plaintext.length - 1, 1))).toContain("padding is set");
    expect(reasonOf(plaintext.with(0, 1))).toContain("ends at");
    expect(reasonOf(plaintext.with(3, (plaintext[3] ?? 0) - 1))).not.toBe("content");
    expect(reasonOf(plaintext.subarray(1))).toContain("no bucket");
    expect(() => unpadContent(new Uint8Array(0))).toThrow("no bucket");
  });

  it("does not open for other rollups than those of the label", () => {
    const plaintext = padContent(encodeContent(PARTS));
    for (const ids of [[id(1)], [id(1), id(3)], [id(1), id(2), id(3)], []]) {
      expect(openContent(plaintext, ids)).toEqual({
        kind: "invalid",
        reason: "the content names other rollups than its label",
      });
    }
  });
});

const LABEL: SealLabel = {
  chainId: "weft-test",
  key: 3,
  rollupIds: [id(1), id(2)],
  sender: new Uint8Array(20).fill(4),
  replay: { kind: "nonce", value: 5n },
  maxHeight: Height(900),
  maxFeePerByte: 6n,
  tipPerByte: 7n,
  bucket: 512,
};

describe("label", () => {
  it("has one string for each meaning", () => {
    const unordered = {
      kind: "unordered",
      expiryHeight: Height(5),
      salt: id(0).slice(0, 8),
    } as const;
    const others: readonly SealLabel[] = [
      LABEL,
      { ...LABEL, chainId: "weft-tesu" },
      { ...LABEL, key: 4 },
      { ...LABEL, rollupIds: [id(1)] },
      { ...LABEL, rollupIds: [id(1), id(3)] },
      { ...LABEL, sender: new Uint8Array(20).fill(5) },
      { ...LABEL, replay: { kind: "nonce", value: 6n } },
      { ...LABEL, replay: unordered },
      { ...LABEL, replay: { ...unordered, salt: id(0).slice(0, 9) } },
      { ...LABEL, replay: { ...unordered, expiryHeight: Height(6) } },
      { ...LABEL, maxHeight: Height(901) },
      { ...LABEL, maxFeePerByte: 7n },
      { ...LABEL, tipPerByte: 6n },
      { ...LABEL, bucket: 1_024 },
    ];
    expect(new Set(others.map((label) => toHex(sealLabel(label)))).size).toBe(others.length);
  });

  it("is written as docs/formats.md says", () => {
    const u64 = (value: number): string => value.toString(16).padStart(16, "0");
    expect(toHex(sealLabel(LABEL))).toBe(
      [
        "12",
        toHex(utf8ToBytes("weft/seal/label/v1")),
        "09",
        toHex(utf8ToBytes("weft-test")),
        u64(3),
        "02",
        "01".repeat(32),
        "02".repeat(32),
        "04".repeat(20),
        "00",
        u64(5),
        u64(900),
        u64(6),
        u64(7),
        "00000200",
      ].join(""),
    );
  });

  it("refuses what is no label", () => {
    expect(() => sealLabel({ ...LABEL, rollupIds: [] })).toThrow("expected 1 to 8");
    expect(() => sealLabel({ ...LABEL, rollupIds: [id(2), id(1)] })).toThrow("must ascend");
    expect(() => sealLabel({ ...LABEL, bucket: 300 })).toThrow("not the size of a bucket");
    expect(() => sealLabel({ ...LABEL, sender: id(1) })).toThrow("20 bytes");
    expect(SEAL_BUCKETS.every((bucket) => sealLabel({ ...LABEL, bucket }).length > 0)).toBe(true);
  });
});
