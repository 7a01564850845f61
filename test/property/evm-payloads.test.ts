import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { isShallowRlpList } from "../../rollup-adapter/evm/payload.ts";
import {
  ALICE,
  execute,
  openExecutor,
  removeDirectory,
  signed,
  temporaryDirectory,
} from "../support/evm-rollup.ts";

let directory: string;
let executor: EvmExecutor;

beforeEach(async () => {
  directory = await temporaryDirectory();
  executor = await openExecutor(directory);
});

afterEach(async () => {
  await executor.close();
  await removeDirectory(directory);
});

/** A real transaction with a few bytes changed, cut off or added: close to valid, seldom valid. */
function mutated(raw: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .array(fc.tuple(fc.nat(raw.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .chain((changes) =>
      fc.tuple(fc.constant(changes), fc.nat(raw.length), fc.uint8Array({ maxLength: 3 })),
    )
    .map(([changes, length, more]) => {
      const copy = raw.slice();
      for (const [at, byte] of changes) copy[at] = byte;
      return Uint8Array.from([...copy.slice(0, length % 7 === 0 ? length : undefined), ...more]);
    });
}

describe("arbitrary payloads", () => {
  test("never stop a block, and every one is either included or skipped with a reason", async () => {
    const seed = await signed(ALICE, { nonce: 0, data: "0xdeadbeef" });
    let height = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(mutated(seed), fc.uint8Array({ maxLength: 200 })), { minLength: 1 }),
        async (payloads) => {
          height += 1;
          const answer = await execute(executor, height, payloads);
          expect(answer.included + answer.skipped.length).toBe(payloads.length);
          for (const { reason } of answer.skipped) {
            expect(reason).toMatch(/^[A-Z_]+$/);
            expect(reason).not.toBe("REFUSED_BY_VM");
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("the shape check never throws, and refuses what is nested too deep", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(5), (bytes, depth) => {
        expect(typeof isShallowRlpList(bytes, depth)).toBe("boolean");
      }),
    );
    expect(isShallowRlpList(Uint8Array.of(0xc2, 0xc1, 0xc0), 3)).toBe(true);
    expect(isShallowRlpList(Uint8Array.of(0xc2, 0xc1, 0xc0), 2)).toBe(false);
  });
});
