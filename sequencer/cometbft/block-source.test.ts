import { describe, expect, it } from "vitest";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { Height } from "../../proto/brands.ts";
import { headerHash } from "../../proto/hashes.ts";
import type { CometChain } from "./chain-reader.ts";
import { createCometBlockSource } from "./block-source.ts";
import { FOLLOW_RETRY_MS, RECENT_BLOCKS_MAX } from "./limits.ts";
import { NULL_LOGGER } from "../ports/logger.ts";

const keys = testKeys(1);
const HEIGHTS = RECENT_BLOCKS_MAX + 4;
const chain = buildChain(keys, HEIGHTS, testGenesis(keys), (height) => [Uint8Array.of(height)]);
const at = (height: number) => {
  const built = chain[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return built;
};
const applied = (height: number) => {
  const { block, response } = at(height);
  return {
    height: Height(height),
    time: block.header.time,
    hash: headerHash(block.header),
    txs: block.txs,
    results: response,
    appHash: response.appHash,
    lastCommitRound: block.lastCommit.round,
    isFirst: height === 1,
    retainHeight: Height(0),
  };
};

/** CometBFT's RPC over the chain; counts what is asked. */
function createFixture() {
  const asked: string[] = [];
  let fails = false;
  const rpc: Partial<CometChain> = {
    async signedHeader(height) {
      asked.push(`commit ${height}`);
      if (fails) throw new Error("connection refused");
      return { header: at(height).block.header, commit: at(height).seenCommit };
    },
    async block(height) {
      asked.push(`block ${height}`);
      return at(height).block;
    },
    async results(height) {
      asked.push(`results ${height}`);
      return at(height).response;
    },
    async validators(height) {
      asked.push(`validators ${height}`);
      return at(Math.min(height, HEIGHTS)).stateBefore.validators;
    },
  };
  const clock = createManualClock();
  // Only what the source asks for.
  const source = createCometBlockSource({ chain: rpc as CometChain, clock, logger: NULL_LOGGER });
  const told: number[] = [];
  source.onBlock((height) => told.push(height));
  const settled = () =>
    new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  return { source, asked, told, clock, settled, fail: (does: boolean) => (fails = does) };
}

describe("CometBFT as a source of blocks", () => {
  it("behavior: a block is announced when its header can be read, and costs one call", async () => {
    const { source, asked, told, settled } = createFixture();
    source.up(Height(1), Height(0));
    source.applied(applied(1));
    expect(source.height()).toBe(0);
    await settled();
    expect([source.height(), told]).toEqual([1, [1]]);
    expect((await source.block(Height(1)))?.txs).toBe(at(1).block.txs);
    expect(await source.seenCommit(Height(1))).toEqual(at(1).seenCommit);
    expect(await source.results(Height(1))).toBe(at(1).response);
    expect(asked).toEqual(["commit 1"]);
  });

  it("behavior: blocks that come faster than headers are announced together, none is lost", async () => {
    const { source, told, settled } = createFixture();
    source.up(Height(1), Height(0));
    for (let height = 1; height <= HEIGHTS; height++) source.applied(applied(height));
    await settled();
    await settled();
    expect([source.height(), told.at(-1)]).toEqual([HEIGHTS, HEIGHTS]);
    for (let height = 1; height <= HEIGHTS; height++) {
      const block = await source.block(Height(height));
      expect(block?.txs, `block ${height}`).toEqual(at(height).block.txs);
    }
  });

  it("behavior: while CometBFT is away nothing is announced, and all is when it is back", async () => {
    const { source, told, clock, settled, fail } = createFixture();
    fail(true);
    source.up(Height(1), Height(0));
    source.applied(applied(1));
    await settled();
    expect(told).toEqual([]);
    source.down();
    source.applied(applied(2));
    fail(false);
    await clock.advance(FOLLOW_RETRY_MS);
    await settled();
    expect(told).toEqual([]);
    source.up(Height(1), Height(1));
    await settled();
    expect(told).toEqual([1, 2]);
  });

  it("error: a header that is not of the block that the application was given is not passed on", async () => {
    const { source, told, settled } = createFixture();
    source.up(Height(1), Height(0));
    source.applied({ ...applied(1), hash: headerHash(at(2).block.header) });
    await settled();
    expect(told).toEqual([]);
    await expect(source.block(Height(1))).rejects.toThrow("the application was given");
  });

  it("behavior: a validator set is read once for as long as it stays the same", async () => {
    const { source, asked, settled } = createFixture();
    source.up(Height(1), Height(0));
    for (let height = 1; height <= 3; height++) source.applied(applied(height));
    await settled();
    await settled();
    for (const height of [1, 2, 3, 4]) await source.hashedValidators(Height(height));
    expect(asked.filter((call) => call.startsWith("validators"))).toHaveLength(1);
  });

  it("behavior: whose turn it is to propose is told of each height by itself", async () => {
    const { source, settled } = createFixture();
    source.up(Height(1), Height(0));
    for (let height = 1; height <= 3; height++) source.applied(applied(height));
    await settled();
    for (const height of [2, 3]) {
      await source.hashedValidators(Height(height));
      const { validators } = at(height).stateBefore;
      expect(await source.validators(Height(height))).toEqual(validators);
    }
  });
});
