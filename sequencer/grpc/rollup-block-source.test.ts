import { describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import type { BlockSlices } from "../app/block-slices.ts";
import type { TransactionStatus } from "../app/weft-application.ts";
import { bundleStatus } from "./bundle-status.ts";
import { BLOCKS_CACHED_MAX, HISTORY_LOADS_MAX } from "./limits.ts";
import type { GrpcApplication, GrpcBlocks } from "./ports.ts";
import { createRollupBlockSource } from "./rollup-block-source.ts";

const keys = testKeys(1);
const [built] = buildChain(keys, 1, testGenesis(keys), () => [new Uint8Array(1 << 20)]);
if (built === undefined) throw new Error("one block was asked for");

/** A node whose blocks are all the same one, of 1 MiB; counts what is read. */
function createCountingSource() {
  const counts = { reads: 0, atOnce: 0, atOnceMost: 0 };
  const blocks: Partial<GrpcBlocks> = {
    base: () => Height(1),
    height: () => Height(2_000),
    block: async () => {
      counts.reads += 1;
      counts.atOnce += 1;
      counts.atOnceMost = Math.max(counts.atOnceMost, counts.atOnce);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      counts.atOnce -= 1;
      return built?.block;
    },
    seenCommit: () => Promise.resolve(built?.seenCommit),
    hashedValidators: () => Promise.resolve(built?.stateBefore.validators),
    results: () => Promise.resolve(built?.response),
  };
  const slices: Partial<BlockSlices> = {
    sealedBytes: 0,
    slice: () => ({ kind: "absence", neighbours: [] }),
  };
  const application: Partial<GrpcApplication> = {
    blockSlices: () => Promise.resolve(slices as BlockSlices),
  };
  // Only what the source uses.
  const source = createRollupBlockSource(blocks as GrpcBlocks, application as GrpcApplication);
  const ask = (height: number) => source.build(Height(height), new Uint8Array(32));
  return { counts, ask, blocks: blocks as GrpcBlocks, source };
}

describe("rollup block source", () => {
  it("behavior: readers at many heights have a few blocks read at a time", async () => {
    const { counts, ask } = createCountingSource();
    await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i + 1)));
    expect(counts.reads).toBe(40);
    expect(counts.atOnceMost).toBe(HISTORY_LOADS_MAX);
  });

  it("behavior: whoever asks for statuses has a block read once", async () => {
    const { counts, blocks, source } = createCountingSource();
    const read: Partial<GrpcApplication["read"]> = { rollup: () => undefined };
    const application = {
      read: read as GrpcApplication["read"],
      transactionStatus: (): TransactionStatus => ({
        state: "committed",
        height: Height(1),
        index: 1, // it holds one item: what cannot be told of is read as well
        code: 0,
        reason: "",
        hash: new Uint8Array(32),
      }),
    };
    const deps = { application, blocks: { ...blocks, height: () => Height(1) }, source };
    const ask = () => bundleStatus(new Uint8Array(32), deps);
    await Promise.all(Array.from({ length: 40 }, ask));
    expect(counts.reads).toBe(1);
  });

  it("behavior: what is pushed out while it is read leaves the cache as it should be", async () => {
    const { counts, ask } = createCountingSource();
    await Promise.all(Array.from({ length: 3 * BLOCKS_CACHED_MAX }, (_, i) => ask(i + 1)));
    await ask(1_000);
    const { reads } = counts;
    await ask(1_000);
    expect(counts.reads).toBe(reads);
  });
});
