import { expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import type { BlockMeta, Timestamp } from "../../proto/types.ts";
import { buildChain, testKeys } from "../../test/support/chain-builder.ts";
import { RETENTION_STEP_BLOCKS } from "./limits.ts";
import { createRetention } from "./retention.ts";

const [one] = buildChain(testKeys(1), 1);
if (one === undefined) throw new Error("one block was asked for");
const { header } = one.block;

/** Blocks one second apart, from `base` on. */
function retention(retainBlocks: number, base = 1) {
  const metas: Pick<BlockMeta, "header">[] = [];
  for (let height = 0; height <= 1_000; height++)
    metas.push({ header: { ...header, time: at(height) } });
  return createRetention(
    {
      retainBlocks,
      evidence: { maxAgeBlocks: 20n, maxAgeDurationNanos: 50_000_000_000n, maxBytes: 0n },
    },
    {
      base: () => Height(base),
      // Only the header's time is looked at.
      meta: (height) => Promise.resolve(metas[height] as BlockMeta),
    },
  );
}
const at = (seconds: number): Timestamp => ({ seconds: BigInt(seconds), nanos: 0 });

test("0 keeps all", async () => {
  expect(await retention(0)(Height(1_000), at(1_000))).toBe(0);
});

test("keeps as many blocks as asked, and gives up a few at a time", async () => {
  expect(await retention(100)(Height(101), at(101))).toBe(2);
  expect(await retention(100)(Height(100), at(100))).toBe(0);
  expect(await retention(100)(Height(1_000), at(1_000))).toBe(1 + RETENTION_STEP_BLOCKS);
});

test("keeps what evidence may name, by blocks and by time", async () => {
  // 20 blocks of age, although one was asked for; and 50 s, which are more.
  expect(await retention(1, 1)(Height(22), at(1_000))).toBe(2);
  expect(await retention(1, 1)(Height(21), at(1_000))).toBe(0);
  expect(await retention(1, 1)(Height(22), at(51))).toBe(0);
  expect(await retention(1, 1)(Height(22), at(52))).toBe(2);
});
