import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes } from "../../proto/bytes.ts";
import { rollupData } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { padContent } from "../seal/content.ts";
import { type BidContent, decodeBidContent, encodeBidContent, openBid } from "./bid-content.ts";

const idOf = (n: number): Uint8Array => sha256(Uint8Array.of(n));
const IDS = [1, 2, 3, 4, 5, 6].map(idOf).sort(compareBytes);
const part = (n: number) => ({ rollupId: IDS[n] ?? idOf(0), data: [Uint8Array.of(n, 7)] });

describe("what a bid holds", () => {
  test("property: comes out as it went in, whatever the order of its parts", () => {
    const entry = fc.uint8Array({ minLength: 1, maxLength: 20 });
    const parts = fc.uniqueArray(
      fc.record({
        rollupId: fc.constantFrom(...IDS),
        data: fc.array(entry, { minLength: 1, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 4, selector: ({ rollupId }) => rollupId },
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }), parts, (amount, drafts) => {
        const opened = openBid(padContent(encodeBidContent({ amount, parts: drafts })), IDS);
        const sorted = drafts.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
        expect(opened).toEqual({
          kind: "content",
          amount,
          parts: sorted.map(({ rollupId, data }) => ({
            rollupId,
            payload: rollupData(rollupId, data).payload,
            entryCount: data.length,
          })),
        });
      }),
    );
  });

  test("attack: an amount of 0 or of 2^63, no rollup, five, or one twice is no content", () => {
    const five = [part(0), part(1), part(2), part(3), part(4)];
    const bad: readonly [BidContent, RegExp][] = [
      [{ amount: 0n, parts: [part(1)] }, /at least 1 nweft/],
      [{ amount: 1n << 63n, parts: [part(1)] }, /below 2\^63/],
      [{ amount: 1n, parts: [] }, /expected 1 to 4, got 0/],
      [{ amount: 1n, parts: five }, /over 4 rollups/],
      [{ amount: 1n, parts: [part(1), part(1)] }, /ascend and be unique/],
    ];
    for (const [content, reason] of bad) expect(() => encodeBidContent(content)).toThrow(reason);
  });

  test("attack: bytes that are not the canonical content, and rollups that were not in the auction, are INVALID with a reason", () => {
    const content = encodeBidContent({ amount: 5n, parts: [part(1), part(2)] });
    expect(openBid(padContent(content), IDS.slice(0, 2))).toMatchObject({
      kind: "invalid",
      reason: expect.stringContaining("was not in the auction"),
    });
    expect(openBid(padContent(new Uint8Array([...content, 0x18, 1])), IDS).kind).toBe("invalid");
    expect(openBid(padContent(content.subarray(0, -1)), IDS).kind).toBe("invalid");
    expect(openBid(content, IDS).kind).toBe("invalid");
    expect(openBid(new Uint8Array(0), IDS).kind).toBe("invalid");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(openBid(bytes, IDS).kind).toBe("invalid");
      }),
    );
    // The amount behind the parts: another encoding of the same.
    const amountFirst = content.subarray(0, 2);
    const turned = new Uint8Array([...content.subarray(2), ...amountFirst]);
    expect(() => decodeBidContent(turned)).toThrow(/field 1/);
  });
});
