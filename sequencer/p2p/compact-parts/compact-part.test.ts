import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex } from "../../../proto/bytes.ts";
import { encodeBlock } from "../../../proto/codec/block.ts";
import { sha256Latin1 } from "../../../proto/hash.ts";
import { BLOCK_PART_SIZE_BYTES } from "../../../proto/limits.ts";
import { PartSet, splitIntoParts } from "../../../proto/part-set.ts";
import type { Part } from "../../../proto/types.ts";
import { makeBlock } from "../../../test/support/consensus-fixtures.ts";
import { COMPACT_PIECES_MAX, COMPACT_TX_BYTES_MIN } from "../limits.ts";
import { compactPieces, rebuildPart, txPlaces } from "./compact-part.ts";
import {
  decodeCompactPart,
  decodeWantedPart,
  encodeCompactPart,
  encodeWantedPart,
  isCompactPart,
} from "./messages.ts";

/** A transaction of `length` bytes that no other seed makes. */
function txOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 8)) & 255);
}

/** What a peer that holds `held` makes of each compact part; parts that are sent whole as they are. */
function rebuilt(txs: readonly Uint8Array[], held: ReadonlyMap<string, Uint8Array>, named = held) {
  const block = { ...makeBlock(7, "compact").block, txs };
  const set = splitIntoParts(encodeBlock(block));
  const places = txPlaces(block, (key) => named.has(key));
  let spared = 0;
  const parts = set.parts.map((part): Part | undefined => {
    const pieces = compactPieces(part, places);
    if (pieces === undefined) return part;
    const bytes = encodeCompactPart({ height: Height(7), round: Round(1), part, pieces });
    expect(isCompactPart(bytes)).toBe(true);
    expect(pieces.length).toBeLessThanOrEqual(COMPACT_PIECES_MAX);
    spared += part.bytes.length - bytes.length;
    const message = decodeCompactPart(bytes);
    expect(message).toMatchObject({ height: 7, round: 1, part: { index: part.index } });
    return rebuildPart(message.part, message.pieces, (key) => held.get(key));
  });
  return { set, parts, spared };
}

const mapOf = (txs: readonly Uint8Array[]) => new Map(txs.map((tx) => [sha256Latin1(tx), tx]));

describe("compact parts", () => {
  test("property: what is named and held comes back the same, byte for byte, and proves itself", () => {
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: COMPACT_TX_BYTES_MIN - 2, max: COMPACT_TX_BYTES_MIN + 2 }),
      fc.integer({ min: 1_000, max: 40_000 }),
      fc.integer({ min: 60_000, max: 200_000 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(sizes, fc.boolean()), { minLength: 0, maxLength: 30 }),
        (items) => {
          const txs = items.map(([length], i) => txOf(i, length));
          const held = mapOf(txs.filter((_, i) => items[i]?.[1] === true));
          const { set, parts } = rebuilt(txs, held);
          const collected = new PartSet(set.header);
          for (const part of parts) expect(part !== undefined && collected.add(part)).toBe(true);
          expect(collected.isComplete).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a block of batches that a peer holds costs it a fiftieth", () => {
    const txs = Array.from({ length: 40 }, (_, i) => txOf(i, 28_000));
    const { set, spared } = rebuilt(txs, mapOf(txs));
    const bytes = set.parts.reduce((sum, part) => sum + part.bytes.length, 0);
    expect(spared).toBeGreaterThan(bytes * 0.97);
  });

  test("transactions of the least size fill a part with fewer pieces than are allowed", () => {
    const txs = Array.from({ length: 200 }, (_, i) => txOf(i, COMPACT_TX_BYTES_MIN));
    const { parts, spared } = rebuilt(txs, mapOf(txs));
    expect(parts).not.toContain(undefined);
    expect(spared).toBeGreaterThan(150_000);
  });

  test("small transactions, and those that are not named, are sent as they are", () => {
    const small = Array.from({ length: 500 }, (_, i) => txOf(i, COMPACT_TX_BYTES_MIN - 1));
    expect(rebuilt(small, mapOf(small)).spared).toBe(0);
    const large = [txOf(1, 50_000), txOf(2, 50_000)];
    expect(rebuilt(large, mapOf(large), new Map()).spared).toBe(0);
  });

  test("a part of which a transaction is not held is none; nor is one whose range goes too far", () => {
    const txs = [txOf(1, 90_000), txOf(2, 30_000), txOf(3, 30_000)];
    const { parts } = rebuilt(txs, mapOf(txs.slice(1)), mapOf(txs));
    expect(parts).toEqual([undefined, undefined, expect.anything()]);
    const key = sha256Latin1(txOf(1, 30_000));
    const [part] = splitIntoParts(new Uint8Array(9)).parts;
    if (part === undefined) throw new Error("there is a part");
    const pieces = [{ key, start: 29_999, end: 30_001 }];
    expect(rebuildPart(part, pieces, () => txOf(1, 30_000))).toBeUndefined();
  });
});

describe("messages of compact parts", () => {
  const [part] = splitIntoParts(new Uint8Array(9)).parts;
  if (part === undefined) throw new Error("there is a part");
  const key = sha256Latin1(EMPTY_BYTES);
  const encoded = (pieces: Parameters<typeof encodeCompactPart>[0]["pieces"]) =>
    encodeCompactPart({ height: Height(1), round: Round(0), part, pieces });

  test.each<[string, () => Uint8Array]>([
    ["more bytes than a part has", () => encoded([new Uint8Array(65_536), new Uint8Array(1)])],
    [
      "transactions of more bytes than a part has",
      () => encoded([{ key, start: 0, end: BLOCK_PART_SIZE_BYTES + 1 }]),
    ],
    ["an empty range", () => encoded([{ key, start: 5, end: 5 }])],
    [
      "a range beyond any transaction",
      () => encoded([{ key, start: 1 << 20, end: (1 << 20) + 1 }]),
    ],
    ["a hash of 5 bytes", () => encoded([{ key: "12345", start: 0, end: 1 }])],
    ["an empty piece", () => encoded([EMPTY_BYTES])],
    [
      "too many pieces",
      () => encoded(Array.from({ length: COMPACT_PIECES_MAX + 1 }, () => Uint8Array.of(1))),
    ],
    ["no part", () => fromHex("9a0700")],
    ["another message", () => fromHex("0a00")],
  ])("%s is refused", (_, bytes) => {
    expect(() => decodeCompactPart(bytes())).toThrow(/expected|missing/);
  });

  test("a wanted part says which, and nothing that there cannot be", () => {
    const wanted = { height: Height(9), round: Round(2), index: 1_600 };
    expect(decodeWantedPart(encodeWantedPart(wanted))).toEqual(wanted);
    for (const bad of [
      { ...wanted, index: 1_601 },
      { ...wanted, height: Height(0) },
      { ...wanted, round: Round(-1) },
    ]) {
      expect(() => decodeWantedPart(encodeWantedPart(bad))).toThrow(/expected a height/);
    }
  });
});
