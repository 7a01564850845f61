import * as fc from "fast-check";
import { expect, test } from "vitest";
import { rollupFeeParts } from "./fee-parts.ts";

test("property: parts add up to the fee, and nobody has one more than its bytes say", () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, 2n ** 60n),
      fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 8 }),
      (fee, bytes) => {
        const parts = rollupFeeParts(fee, bytes);
        const total = BigInt(bytes.reduce((sum, count) => sum + count, 0));
        expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(fee);
        for (const [at, part] of parts.entries()) {
          const exact = (fee * BigInt(bytes[at] ?? 0)) / total;
          expect(part - exact === 0n || part - exact === 1n).toBe(true);
        }
      },
    ),
  );
});
