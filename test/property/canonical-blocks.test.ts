/** A block that was read from bytes is canonical exactly when writing it gives those bytes again. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bytesEqual, concatBytes } from "../../proto/bytes.ts";
import { decodeBlock, encodeBlock, isCanonicalBlock } from "../../proto/codec/block.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { Writer } from "../../proto/codec/writer.ts";
import type { Block } from "../../proto/types.ts";
import { blocks } from "../support/arbitraries.ts";
import { damage } from "../support/damage.ts";

/** Undefined for bytes that are no block, or one that cannot be written. */
function verdicts(bytes: Uint8Array): { told: boolean; expected: boolean } | undefined {
  let block: Block;
  let written: Uint8Array;
  try {
    block = decodeBlock(bytes);
    written = encodeBlock(block);
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
  return { told: isCanonicalBlock(block, bytes), expected: bytesEqual(written, bytes) };
}

/** Transactions of a size at which a length takes two bytes, too. */
const txs = fc.array(fc.uint8Array({ minLength: 0, maxLength: 300 }), { maxLength: 6 });
const anyBlocks = fc
  .tuple(blocks, txs)
  .map(([block, list]): Block => ({ ...block, txs: list.map((tx) => new Uint8Array(tx)) }));

test("what encodeBlock wrote is canonical, wherever it lies in its buffer", () => {
  fc.assert(
    fc.property(anyBlocks, fc.nat({ max: 9 }), (block, shift) => {
      const encoded = encodeBlock(block);
      const shifted = concatBytes(new Uint8Array(shift), encoded, new Uint8Array(3));
      const bytes = shifted.subarray(shift, shift + encoded.length);
      expect(verdicts(bytes)).toEqual({ told: true, expected: true });
    }),
  );
});

test("damaged bytes are told canonical when they are, and only then", () => {
  let readable = 0;
  fc.assert(
    fc.property(anyBlocks, damage(), (block, damaged) => {
      const verdict = verdicts(damaged(encodeBlock(block)));
      if (verdict === undefined) return;
      readable += 1;
      expect(verdict.told).toBe(verdict.expected);
    }),
    { numRuns: 400 },
  );
  expect(readable).toBeGreaterThan(20);
});

test("other encodings of the same block are not canonical", () => {
  fc.assert(
    fc.property(anyBlocks, (block) => {
      const encoded = encodeBlock(block);
      const extra = new Writer();
      // An unknown field, an empty transaction list again, and a transaction with a padded length.
      extra.uint(15, 1);
      const again = new Writer();
      again.emptyMessage(2);
      const padded = Uint8Array.of(0x12, 4, 0x0a, 0x81, 0x00, 7);
      for (const more of [extra.finish(), again.finish(), padded]) {
        expect(verdicts(concatBytes(encoded, more))).toEqual({ told: false, expected: false });
      }
    }),
  );
});
