import { describe, expect, it } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { txHash } from "../../../proto/hashes.ts";
import { memoryStore } from "../../../test/support/memory-store.ts";
import { okResult, TestChain } from "../../../test/support/rpc-node.ts";
import type { ExecTxResult } from "../../abci/application.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { INDEX_QUEUE_BLOCKS_MAX } from "../limits.ts";
import { NULL_RPC_METRICS } from "../metrics.ts";
import { parseQuery } from "../query/query.ts";
import { createIndexerService, type IndexerService } from "./indexer-service.ts";
import { openChainIndex, type WritableIndex } from "./level-index.ts";

interface Setup {
  readonly chain: TestChain;
  readonly index: WritableIndex;
  readonly service: IndexerService;
}

async function follow(
  chain: TestChain,
  store: KeyValueStore = memoryStore(),
  isPrunable = false,
  states: Pick<TestChain["states"], "finalizeBlockResponse"> = chain.states,
): Promise<Setup> {
  const { blocks, bus: events } = chain;
  const index = await openChainIndex({ isPrunable }, { store, blocks });
  const service = createIndexerService({
    index,
    blocks,
    states,
    events,
    clock: createSystemClock(),
    logger: NULL_LOGGER,
    metrics: NULL_RPC_METRICS,
  });
  service.start();
  return { chain, index, service };
}

/** A transaction `from>to:amount` that moves something, and says so. */
function transferResult(tx: Uint8Array): ExecTxResult {
  const [, from = "", to = "", amount = ""] =
    /^(.*)>(.*):(.*)$/.exec(Buffer.from(tx).toString()) ?? [];
  const event = (type: string, attributes: Readonly<Record<string, string>>) => ({
    type,
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value, index: true })),
  });
  return okResult({
    code: amount.startsWith("0") ? 1 : 0,
    events: [
      event("transfer", { sender: from, recipient: to, amount }),
      event("transfer", { sender: to, recipient: "fees", amount: "1" }),
      { type: "hidden", attributes: [{ key: "key", value: "value", index: false }] },
    ],
  });
}

const result = transferResult;
const txs = (...texts: readonly string[]) => texts.map(utf8ToBytes);

async function found({ index }: Setup, query: string): Promise<readonly string[]> {
  const positions = await index.searchTxs(parseQuery(query));
  return positions.map(({ height, index: at }) => `${height}/${at}`);
}

describe("index", () => {
  it("behavior: finds transactions by hash, height and events, in order", async () => {
    const setup = await follow(await TestChain.create());
    const { chain, service, index } = setup;
    await chain.commitBlock(txs("a>b:5", "b>a:10", "c>a:7stake"), { result });
    await chain.commitBlock([]);
    await chain.commitBlock(txs("a>c:9"), { result });
    await service.caughtUp(Height(3));
    expect(index.indexedHeight()).toBe(3);
    expect(await index.txByHash(txHash(utf8ToBytes("b>a:10")))).toEqual({ height: 1, index: 1 });
    expect(await index.txByHash(new Uint8Array(32))).toBeUndefined();
    expect(await found(setup, "tx.height > 0")).toEqual(["1/0", "1/1", "1/2", "3/0"]);
    expect(await found(setup, "tx.height = 3")).toEqual(["3/0"]);
    expect(await found(setup, "tx.height = '3'")).toEqual(["3/0"]);
    expect(await found(setup, "tx.height = '3' AND transfer.sender = 'a'")).toEqual(["3/0"]);
    expect(await found(setup, "tx.height = '3 '")).toEqual([]);
    expect(await index.searchBlocks(parseQuery("block.height = '2'"))).toEqual([2]);
    expect(await found(setup, "tx.height >= 1.5 AND tx.height < 4")).toEqual(["3/0"]);
    expect(await found(setup, "transfer.sender = 'a'")).toEqual(["1/0", "1/1", "1/2", "3/0"]);
    expect(await found(setup, "transfer.sender = 'a' AND tx.height > 1")).toEqual(["3/0"]);
    expect(await found(setup, "transfer.amount > 6 AND transfer.amount < 10")).toEqual([
      "1/2",
      "3/0",
    ]);
    expect(
      await found(setup, "transfer.recipient CONTAINS 'ee' AND transfer.sender = 'c'"),
    ).toEqual(["3/0"]);
    expect(await found(setup, "transfer.amount EXISTS AND tm.event = 'Tx'")).toHaveLength(4);
    expect(await found(setup, "tm.event = 'NewBlock' AND tx.height = 1")).toEqual([]);
    expect(await found(setup, "hidden.key = 'value'")).toEqual([]);
    const hash = Buffer.from(txHash(utf8ToBytes("a>c:9"))).toString("hex");
    expect(await found(setup, `tx.hash = '${hash}'`)).toEqual(["3/0"]);
    await service.stop();
  });

  it("behavior: conditions must meet in one event, bounds in one value", async () => {
    const setup = await follow(await TestChain.create());
    await setup.chain.commitBlock(txs("a>b:20"), { result });
    await setup.service.caughtUp(Height(1));
    expect(await found(setup, "transfer.sender = 'a' AND transfer.recipient = 'b'")).toEqual([
      "1/0",
    ]);
    expect(await found(setup, "transfer.sender = 'a' AND transfer.recipient = 'fees'")).toEqual([]);
    expect(await found(setup, "transfer.amount > 5 AND transfer.amount < 10")).toEqual([]);
    await setup.service.stop();
  });

  it("behavior: finds blocks by what FinalizeBlock announced", async () => {
    const { chain, index, service } = await follow(await TestChain.create());
    for (const epoch of ["1", "1", "2"]) {
      const attributes = [{ key: "number", value: epoch, index: true }];
      await chain.commitBlock([], { events: [{ type: "epoch", attributes }] });
    }
    await service.caughtUp(Height(3));
    const blocks = (query: string) => index.searchBlocks(parseQuery(query));
    expect(await blocks("epoch.number = '1'")).toEqual([1, 2]);
    expect(await blocks("epoch.number >= 1 AND block.height > 1")).toEqual([2, 3]);
    expect(await blocks("block.height <= 2")).toEqual([1, 2]);
    expect(await blocks("block.height = 9")).toEqual([]);
    expect(await blocks("tm.event = 'NewBlock' AND epoch.number EXISTS")).toEqual([1, 2, 3]);
    await service.stop();
  });

  it("behavior: goes on after a restart from where it stopped", async () => {
    const chain = await TestChain.create();
    const store = memoryStore();
    const first = await follow(chain, store);
    await chain.commitBlock(txs("a>b:1"), { result });
    await first.service.caughtUp(Height(1));
    await first.service.stop();
    for (let i = 2; i <= 5; i++) await chain.commitBlock(txs(`a>b:${i}`), { result });
    const second = await follow(chain, store);
    expect(second.index.indexedHeight()).toBe(1);
    await second.service.caughtUp(Height(5));
    expect(await found(second, "transfer.recipient = 'b'")).toEqual(
      [1, 2, 3, 4, 5].map((height) => `${height}/0`),
    );
    await second.service.stop();
  });

  it("behavior: what its queue cannot hold it reads back from the stores", async () => {
    const setup = await follow(await TestChain.create());
    const slow = Array.from({ length: INDEX_QUEUE_BLOCKS_MAX + 20 }, (_, i) => i + 1);
    for (const i of slow) await setup.chain.commitBlock(txs(`a>b:${i}`), { result });
    await setup.service.caughtUp(Height(slow.length));
    expect(await found(setup, "transfer.sender = 'a'")).toHaveLength(slow.length);
    await setup.service.stop();
  });

  it("behavior: results that come while they are read are not taken for lost, though another block came too", async () => {
    const chain = await TestChain.create();
    await chain.commitBlock(txs("a>b:1"), { result });
    let reads = 0;
    const setup = await follow(chain, memoryStore(), false, {
      async finalizeBlockResponse(height) {
        reads += 1;
        if (reads > 1) return chain.states.finalizeBlockResponse(height);
        await chain.commitBlock(txs("a>b:2"), { result });
        return undefined;
      },
    });
    await setup.service.caughtUp(Height(2));
    expect(await found(setup, "transfer.recipient = 'b'")).toEqual(["1/0", "2/0"]);
    await setup.service.stop();
  });

  it("behavior: a height whose results are lost is left out, later ones are indexed", async () => {
    const chain = await TestChain.create();
    for (let i = 1; i <= 3; i++) await chain.commitBlock(txs(`a>b:${i}`), { result });
    const setup = await follow(chain, memoryStore(), false, {
      finalizeBlockResponse: async (height) =>
        height === 2 ? undefined : chain.states.finalizeBlockResponse(height),
    });
    await setup.service.caughtUp(Height(3));
    expect(await found(setup, "tx.height > 0")).toEqual(["1/0", "3/0"]);
    await setup.service.stop();
  });

  it("behavior: a later failure of the same bytes does not hide an earlier success", async () => {
    const chain = await TestChain.create();
    const { index, service } = await follow(chain);
    const same = txs("same");
    await chain.commitBlock(same, { result: () => okResult() });
    await chain.commitBlock(same, { result: () => okResult({ code: 1 }) });
    await service.caughtUp(Height(2));
    expect(await index.txByHash(txHash(utf8ToBytes("same")))).toEqual({ height: 1, index: 0 });
    await chain.commitBlock(same, { result: () => okResult() });
    await service.caughtUp(Height(3));
    expect(await index.txByHash(txHash(utf8ToBytes("same")))).toEqual({ height: 3, index: 0 });
    await service.stop();
  });

  it("behavior: pruned heights are not found, and their entries go when they can", async () => {
    for (const isPrunable of [true, false]) {
      const chain = await TestChain.create();
      const store = memoryStore();
      const setup = await follow(chain, store, isPrunable);
      for (let i = 1; i <= 4; i++) await chain.commitBlock(txs(`a>b:${i}`), { result });
      await setup.service.caughtUp(Height(4));
      await chain.blocks.prune(Height(3));
      expect(await found(setup, "transfer.sender = 'a'")).toEqual(["3/0", "4/0"]);
      expect(await found(setup, "tx.height > 0")).toEqual(["3/0", "4/0"]);
      expect(await setup.index.txByHash(txHash(utf8ToBytes("a>b:1")))).toBeUndefined();
      const before = await countEntries(store);
      await chain.commitBlock([], { result });
      await setup.service.caughtUp(Height(5));
      await setup.service.stop();
      const after = await countEntries(store);
      // Six attributes, the hash, the height and the journal of each of two heights, less height 5.
      expect(after - before).toBe(isPrunable ? 2 - 2 * 9 : 1);
      expect(await found(setup, "transfer.sender = 'a'")).toEqual(["3/0", "4/0"]);
    }
  });

  it("behavior: attributes that pass for reserved ones, or are too long, are left out", async () => {
    const setup = await follow(await TestChain.create());
    const attributes = (key: string, value: string) => [{ key, value, index: true }];
    await setup.chain.commitBlock(txs("x"), {
      result: () =>
        okResult({
          events: [
            { type: "tx", attributes: attributes("hash", "AB") },
            { type: "tx", attributes: attributes("height", "77") },
            { type: "long", attributes: attributes("value", "v".repeat(5_000)) },
            { type: "", attributes: attributes("x", "y") },
          ],
        }),
    });
    await setup.service.caughtUp(Height(1));
    expect(await found(setup, "tx.height = 77")).toEqual([]);
    expect(await found(setup, "long.value EXISTS")).toEqual([]);
    expect(await found(setup, "tx.hash = 'AB'")).toEqual([]);
    await setup.service.stop();
  });
});

async function countEntries(store: KeyValueStore): Promise<number> {
  let count = 0;
  const all = { from: new Uint8Array([0]), to: new Uint8Array([0xff]) };
  for await (const _ of store.entries(all)) count++;
  return count;
}
