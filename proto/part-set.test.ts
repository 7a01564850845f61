import { describe, expect, test } from "vitest";
import { bytesEqual } from "./bytes.ts";
import { BLOCK_PART_SIZE_BYTES, BLOCK_PARTS_MAX } from "./limits.ts";
import { PartSet, splitIntoParts } from "./part-set.ts";
import type { Part } from "./types.ts";

const block = (size: number): Uint8Array => new Uint8Array(size).map((_, i) => i * 7 + (i >> 8));

/** The part at an index that must exist. */
function partAt(parts: readonly Part[], index: number): Part {
  const part = parts[index];
  if (part === undefined) throw new Error(`no part ${index}`);
  return part;
}

describe("part set", () => {
  test.each([
    [0, 1],
    [1, 1],
    [BLOCK_PART_SIZE_BYTES, 1],
    [BLOCK_PART_SIZE_BYTES + 1, 2],
    [5 * BLOCK_PART_SIZE_BYTES - 1, 5],
  ])("a block of %i bytes has %i parts and comes back from them in any order", (size, total) => {
    const bytes = block(size);
    const { header, parts } = splitIntoParts(bytes);
    expect(header.total).toBe(total);
    const set = new PartSet(header);
    for (const [i, part] of parts.toReversed().entries()) {
      expect(set.isComplete).toBe(false);
      expect(set.add(part)).toBe(true);
      expect(set.add(part)).toBe(false);
      expect(set.count).toBe(i + 1);
    }
    expect(set.isComplete).toBe(true);
    expect(set.sizeBytes).toBe(size);
    expect(bytesEqual(set.bytes(), bytes)).toBe(true);
    expect(PartSet.complete({ header, parts }).bitArray()).toEqual(set.bitArray());
  });

  test("bits say which parts are there", () => {
    const { header, parts } = splitIntoParts(block(66 * BLOCK_PART_SIZE_BYTES));
    const set = new PartSet(header);
    set.add(partAt(parts, 1));
    set.add(partAt(parts, 65));
    expect(set.bitArray()).toEqual({ bits: 66, elems: [2n, 2n] });
    expect([set.has(1), set.has(2), set.get(65)?.index]).toEqual([true, false, 65]);
    expect(() => set.bytes()).toThrow(/every part/);
  });

  test("parts that do not belong are refused and leave no trace", () => {
    const { header, parts } = splitIntoParts(block(3 * BLOCK_PART_SIZE_BYTES - 5));
    const other = splitIntoParts(block(3 * BLOCK_PART_SIZE_BYTES - 6));
    const set = new PartSet(header);
    const first = partAt(parts, 0);
    const changed = first.bytes.slice();
    changed[100] = 255 - (changed[100] ?? 0);
    for (const [part, code] of [
      [{ ...first, index: 3 }, "PART_SET_UNEXPECTED_INDEX"],
      [{ ...first, index: -1 }, "PART_SET_UNEXPECTED_INDEX"],
      [{ ...first, bytes: first.bytes.subarray(1) }, "PART_SET_WRONG_SIZE"],
      [{ ...partAt(parts, 2), bytes: block(65_537) }, "PART_SET_WRONG_SIZE"],
      [{ ...first, bytes: changed }, "PART_SET_INVALID_PROOF"],
      [{ ...first, index: 1 }, "PART_SET_INVALID_PROOF"],
      [{ ...first, proof: { ...first.proof, total: 4 } }, "PART_SET_INVALID_PROOF"],
      [partAt(other.parts, 2), "PART_SET_INVALID_PROOF"],
    ] as const) {
      expect(() => set.add(part)).toThrow(expect.objectContaining({ info: { code } }));
    }
    expect(set.count).toBe(0);
  });

  test("a header that promises no part, or too many, allocates nothing", () => {
    for (const total of [0, -1, 0.5, BLOCK_PARTS_MAX + 1, 2 ** 32 - 1]) {
      expect(() => new PartSet({ total, hash: new Uint8Array(32) })).toThrow(/1 to 1601/);
    }
  });
});
