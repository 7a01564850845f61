/** Every method of CosmJS's published client for CometBFT 0.38, over both transports. */
import { Comet38Client, connectComet } from "@cosmjs/tendermint-rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { txHash } from "../../proto/hashes.ts";
import { verifyMerkleProof } from "../../proto/merkle.ts";
import { eventually } from "../../test/support/loopback.ts";
import { startTestNode, type TestNode } from "../../test/support/rpc-node.ts";

/** A stream of CosmJS, as far as it is used here. */
interface EventStream<T> {
  subscribe(listener: { next(value: T): void; error(error: unknown): void; complete(): void }): {
    unsubscribe(): void;
  };
}

let node: TestNode;
let client: Comet38Client;

describe.each(["http", "ws"])("CosmJS over %s", (transport) => {
  beforeEach(async () => {
    node = await startTestNode();
    for (let i = 1; i <= 35; i++) {
      const events = [
        { type: "block", attributes: [{ key: "parity", value: `${i % 2}`, index: true }] },
      ];
      const txs = i === 3 ? ["one=1", "two=2", "three=3"].map(utf8ToBytes) : [];
      await node.chain.commitBlock(txs, { events });
    }
    await node.indexer.caughtUp(Height(35));
    client = await Comet38Client.connect(`${transport}://${node.host}:${node.port}`);
  });
  afterEach(async () => {
    client.disconnect();
    await node.stop();
  });

  it("reads health and status", async () => {
    expect(await client.health()).toBeNull();
    const status = await client.status();
    expect(status.syncInfo).toMatchObject({ latestBlockHeight: 35, catchingUp: false });
    expect(status.nodeInfo.network).toBe("weft-test");
    expect(status.validatorInfo.votingPower).toBe(10n);
    expect(toHex(status.validatorInfo.address)).toHaveLength(40);
  });

  it("reads the application", async () => {
    expect(await client.abciInfo()).toMatchObject({ data: '{"size":3}', lastBlockHeight: 35 });
    const answer = await client.abciQuery({
      path: "/store",
      data: utf8ToBytes("two"),
      prove: false,
    });
    expect(Buffer.from(answer.value).toString()).toBe("2");
    expect(answer).toMatchObject({ code: 0, height: 35, log: "exists" });
  });

  it("reads blocks, their headers, results and commits", async () => {
    const { block, blockId } = await client.block(3);
    const stored = await node.chain.blocks.meta(Height(3));
    expect(toHex(blockId.hash)).toBe(toHex(stored?.blockId.hash ?? new Uint8Array(0)));
    expect(block.txs.map((tx) => Buffer.from(tx).toString())).toEqual([
      "one=1",
      "two=2",
      "three=3",
    ]);
    expect(block.lastCommit?.signatures).toHaveLength(4);
    expect((await client.block(1)).block.lastCommit).toBeNull();
    expect((await client.block()).block.header.height).toBe(35);
    const results = await client.blockResults(3);
    expect(results.results).toHaveLength(3);
    expect(results.results[0]?.events[0]?.attributes).toHaveLength(4);
    expect(results.finalizeBlockEvents[0]?.type).toBe("block");
    const chain = await client.blockchain(1, 3);
    expect(chain.lastHeight).toBe(35);
    expect(chain.blockMetas.map(({ header }) => header.height)).toEqual([3, 2, 1]);
    expect(chain.blockMetas[0]?.numTxs).toBe(3);
    expect((await client.commit(34)).canonical).toBe(true);
    const last = await client.commit();
    expect([last.canonical, last.commit.height]).toEqual([false, 35]);
    expect((await client.genesis()).appState).toEqual({ big: expect.any(Number) });
    await expect(client.block(36)).rejects.toThrow(
      "height 36 must be less than or equal to the current blockchain height 35",
    );
  });

  it("searches blocks and transactions, page by page", async () => {
    const even = await client.blockSearchAll({
      query: "block.parity = '0' AND block.height > 2",
      per_page: 5,
    });
    expect(even.blocks.map(({ block }) => block.header.height)).toEqual(
      Array.from({ length: 16 }, (_, i) => 4 + 2 * i),
    );
    const one = await client.blockSearch({ query: "block.height = 7" });
    expect([one.totalCount, one.blocks[0]?.block.header.height]).toEqual([1, 7]);
    const txs = await client.txSearchAll({ query: "tx.height = 3", per_page: 2, prove: true });
    expect(txs.txs.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const tx of txs.txs) {
      const { proof } = tx;
      if (proof === undefined) throw new Error("a proof was asked for");
      const { total, index, leafHash, aunts } = proof.proof;
      expect(
        verifyMerkleProof({ total, index, leafHash, aunts }, proof.rootHash, txHash(tx.tx)),
      ).toBe(true);
      const { block } = await client.block(tx.height);
      expect(toHex(proof.rootHash)).toBe(toHex(block.header.dataHash));
    }
    const found = await client.txSearch({
      query: "app.key = 'two' AND app.creator CONTAINS 'Netowoko'",
    });
    expect(found.txs.map((tx) => Buffer.from(tx.tx).toString())).toEqual(["two=2"]);
    // The conditions hold, but of two different events of the transaction.
    expect(
      (await client.txSearch({ query: "app.key = 'two' AND app.creator = 'Cosmoshi'" })).totalCount,
    ).toBe(0);
    const hash = txHash(utf8ToBytes("three=3"));
    expect(await client.tx({ hash })).toMatchObject({ height: 3, index: 2, result: { code: 0 } });
    await expect(client.tx({ hash: new Uint8Array(32) })).rejects.toThrow("not found");
  });

  it("reads validators", async () => {
    const { validators, total, blockHeight } = await client.validatorsAll();
    expect([validators.length, total, blockHeight]).toEqual([4, 4, 36]);
    const page = await client.validators({ height: 1, page: 2, per_page: 3 });
    expect([page.count, page.total, page.validators.length]).toEqual([1, 4, 1]);
  });

  it("sends transactions in every way", async () => {
    const sync = await client.broadcastTxSync({ tx: utf8ToBytes("a=1") });
    expect([sync.code, toHex(sync.hash)]).toEqual([0, toHex(txHash(utf8ToBytes("a=1")))]);
    const refused = await client.broadcastTxSync({ tx: utf8ToBytes("nonsense") });
    expect(refused.code).toBe(2);
    const commit = await client.broadcastTxCommit({ tx: utf8ToBytes("b=2") });
    expect(commit.txResult?.code).toBe(0);
    expect(commit.height).toBeGreaterThan(35);
    const asynchronous = await client.broadcastTxAsync({ tx: utf8ToBytes("c=3") });
    expect(toHex(asynchronous.hash)).toBe(toHex(txHash(utf8ToBytes("c=3"))));
    await eventually(() => node.chain.values.has("c"), "the transaction sent without waiting");
    node.mempool.commits = false;
    await client.broadcastTxSync({ tx: utf8ToBytes("d=4") });
    expect(await client.numUnconfirmedTxs()).toEqual({ total: 1, totalBytes: 3 });
  });
});

it("CosmJS takes us for a node of CometBFT 0.38", async () => {
  const other = await startTestNode();
  for (let i = 0; i < 2; i++) await other.chain.commitBlock([]);
  const found = await connectComet(other.url);
  expect(found).toBeInstanceOf(Comet38Client);
  found.disconnect();
  await other.stop();
});

it("CosmJS subscribes to blocks, headers and transactions", async () => {
  const other = await startTestNode();
  const listener = await Comet38Client.connect(`ws://${other.host}:${other.port}`);
  const heights: number[] = [];
  const headers: number[] = [];
  const txs: string[] = [];
  const onError = (error: unknown) => {
    throw error;
  };
  const listen = <T>(stream: EventStream<T>, next: (value: T) => void) =>
    stream.subscribe({ next, error: onError, complete: () => {} });
  const subscriptions = [
    listen(listener.subscribeNewBlock(), ({ header }) => heights.push(header.height)),
    listen(listener.subscribeNewBlockHeader(), ({ height }) => headers.push(height)),
    listen(listener.subscribeTx("app.key = 'y'"), ({ tx }) => txs.push(Buffer.from(tx).toString())),
  ];
  // Its own calls come after the subscriptions on the same connection.
  await listener.health();
  await other.chain.commitBlock([utf8ToBytes("x=1"), utf8ToBytes("y=2")]);
  await other.chain.commitBlock([utf8ToBytes("y=3")]);
  await eventually(() => txs.length === 2 && heights.length === 2, "the events");
  expect([heights, headers, txs]).toEqual([
    [1, 2],
    [1, 2],
    ["y=2", "y=3"],
  ]);
  for (const subscription of subscriptions) subscription.unsubscribe();
  listener.disconnect();
  await other.stop();
});
