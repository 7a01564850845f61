import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { connectByHand, createTestNode, packet, type TestNode } from "../../../test/support/p2p.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import type { P2pError } from "../errors.ts";
import { createMempoolReactor, type MempoolReactor } from "./mempool-reactor.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import { createNodeKey } from "../node-key.ts";

interface PoolNode extends TestNode {
  readonly mempool: MempoolReactor<{ readonly code: number }>;
  /** Every transaction that the pool was asked about, in order. */
  readonly checked: string[];
  /** Called with each of them, before the pool answers. */
  onCheck: (tx: string) => void;
}

const running: PoolNode[] = [];
afterEach(async () => {
  for (const node of running.splice(0)) {
    node.mempool.stop();
    await node.network.stop();
  }
});

/** Pools refuse what begins with 0xff. `isComet`: without the channel that only Weft nodes have. */
async function startNode(
  options: { readonly isComet?: boolean; readonly relayDelayMs?: number } = {},
): Promise<PoolNode> {
  const checked: string[] = [];
  const pool: Pick<PoolNode, "onCheck"> = { onCheck: () => {} };
  const mempool = createMempoolReactor(
    { relayDelayMs: options.relayDelayMs ?? 500 },
    {
      checkTxs: async (txs) =>
        txs.map((tx) => {
          checked.push(toHex(tx));
          pool.onCheck(toHex(tx));
          return { code: tx[0] === 0xff ? 1 : 0 };
        }),
      clock: createSystemClock(),
      yieldToLoop,
      logger: NULL_LOGGER,
      metrics: NULL_P2P_METRICS,
    },
  );
  const channels = options.isComet === true ? mempool.channels.slice(0, 1) : mempool.channels;
  const node = createTestNode({}, createNodeKey(), [{ ...mempool, channels }]);
  const started = Object.assign(pool, { ...node, mempool, checked });
  running.push(started);
  await node.network.start();
  return started;
}

async function connect(...pairs: readonly (readonly [PoolNode, PoolNode])[]): Promise<void> {
  for (const [a, b] of pairs) await a.network.dial(b.address());
  await eventually(
    () =>
      pairs.every(
        ([a, b]) =>
          a.network.peer(b.key.id) !== undefined && b.network.peer(a.key.id) !== undefined,
      ),
    "connected",
  );
}

async function mesh(
  count: number,
  options: Parameters<typeof startNode>[0] = {},
): Promise<PoolNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(options)));
  const pairs = nodes.flatMap((a, i) => nodes.slice(i + 1).map((b) => [a, b] as const));
  await connect(...pairs);
  return nodes;
}

function tx(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(250));
  bytes[0] = 1;
  return bytes;
}

const inOrder = (texts: Iterable<string>): string[] => [...texts].sort();

describe("mempool reactor", () => {
  test("in a full mesh each transaction crosses each link from its first node once", async () => {
    const nodes = await mesh(4);
    const all: string[] = [];
    for (const node of nodes) {
      for (let i = 0; i < 300; i++) {
        const bytes = tx();
        all.push(toHex(bytes));
        await node.mempool.submit(bytes);
      }
    }
    await eventually(() => nodes.every(({ checked }) => checked.length >= all.length), "all");
    const bytesOf = (node: PoolNode): number =>
      node.network.peers().reduce((sum, peer) => sum + peer.status().bytesReceived, 0);
    // Three more nodes' transactions, once each; a relayed copy would double this.
    for (const node of nodes) {
      expect(inOrder(node.checked)).toEqual(inOrder(all));
      expect(bytesOf(node)).toBeLessThan(900 * 250 * 1.3);
    }
  });

  test("reaches nodes in a line at once, without waiting for the relay delay", async () => {
    const nodes = await Promise.all([1, 2, 3, 4].map(() => startNode({ relayDelayMs: 60_000 })));
    const [a, b, c, d] = nodes;
    if (!a || !b || !c || !d) throw new Error("four nodes");
    await connect([a, b], [b, c], [c, d]);
    const bytes = tx();
    await a.mempool.submit(bytes);
    await eventually(() => d.checked.length === 1, "the far end has it");
    expect(nodes.map(({ checked }) => checked)).toEqual(nodes.map(() => [toHex(bytes)]));
  });

  test("between peers that say nothing of theirs it is relayed after the delay", async () => {
    const nodes = await Promise.all(
      [1, 2, 3].map(() => startNode({ isComet: true, relayDelayMs: 30 })),
    );
    const [a, b, c] = nodes;
    if (!a || !b || !c) throw new Error("three nodes");
    await connect([a, b], [b, c]);
    await a.mempool.submit(tx());
    await eventually(() => c.checked.length === 1, "the far end has it");
    expect(a.checked).toHaveLength(1);
  });

  test("what a block has is not relayed any more", async () => {
    const nodes = await Promise.all(
      [1, 2, 3].map(() => startNode({ isComet: true, relayDelayMs: 200 })),
    );
    const [a, b, c] = nodes;
    if (!a || !b || !c) throw new Error("three nodes");
    await connect([a, b], [b, c]);
    const [first, second] = [tx(), tx()];
    await a.mempool.submit(first);
    await a.mempool.submit(second);
    await eventually(() => b.checked.length === 2, "the middle has both");
    b.mempool.committed([first], [{ code: 0 }]);
    await eventually(() => c.checked.length === 1, "the far end has one");
    expect(c.checked).toEqual([toHex(second)]);
  });

  test("what the pool refuses goes nowhere, and is asked about again when it comes again", async () => {
    const [a, b] = await mesh(2);
    if (!a || !b) throw new Error("two nodes");
    const refused = new Uint8Array([0xff, 1]);
    expect((await a.mempool.submit(refused)).code).toBe(1);
    const good = tx();
    await a.mempool.submit(good);
    await eventually(() => b.checked.length === 1, "b has the good one");
    expect(b.checked).toEqual([toHex(good)]);
    await a.mempool.submit(refused);
    expect(a.checked.filter((text) => text === "ff01")).toHaveLength(2);
    await expect(a.mempool.submit(new Uint8Array(0))).rejects.toMatchObject({
      code: "P2P_TX_INVALID",
    });
  });

  test("what left the pool without a block, or failed in one, is taken and sent again; what a block has is not", async () => {
    const [a, b] = await mesh(2);
    if (!a || !b) throw new Error("two nodes");
    const [dropped, failed, applied] = [tx(), tx(), tx()];
    const all = [dropped, failed, applied];
    for (const bytes of all) await a.mempool.submit(bytes);
    await eventually(() => b.checked.length === 3, "b was asked about all");
    for (const { mempool } of [a, b]) {
      mempool.dropped(dropped);
      mempool.committed([failed, applied], [{ code: 7 }, { code: 0 }]);
    }
    for (const bytes of all) await a.mempool.submit(bytes);
    const last = tx();
    await a.mempool.submit(last);
    await eventually(() => b.checked.includes(toHex(last)), "b was asked about the last");
    expect(b.checked.slice(3)).toEqual([dropped, failed, last].map(toHex));
  });

  test("what leaves the pool while its check is under way is not passed on, and is taken when it comes again", async () => {
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => startNode({ relayDelayMs: 30 })));
    if (!a || !b || !c) throw new Error("three nodes");
    await connect([a, b], [b, c]);
    const [driven, other] = [tx(), tx()];
    // As one that pays more, in the same message, drives it out.
    b.onCheck = (text) => {
      if (text === toHex(driven)) b.mempool.dropped(driven);
    };
    await a.mempool.submit(driven);
    await eventually(() => b.checked.length === 1, "b was asked");
    await a.mempool.submit(other);
    await eventually(() => c.checked.length === 1, "c has the other one");
    expect(c.checked).toEqual([toHex(other)]);
    b.onCheck = () => {};
    a.mempool.dropped(driven);
    await a.mempool.submit(driven);
    await eventually(() => c.checked.length === 2, "c has both");
    expect(b.checked).toEqual([driven, other, driven].map(toHex));
  });

  test("a flood of submissions in one turn waits in the pool's line, in order, not in ours", async () => {
    const a = await startNode();
    const texts: string[] = [];
    const answers: Promise<unknown>[] = [];
    for (let i = 0; i < 1_000; i++) {
      const bytes = tx();
      texts.push(toHex(bytes));
      answers.push(a.mempool.submit(bytes));
      expect(texts.length - a.checked.length).toBeLessThan(256);
    }
    await Promise.all(answers);
    expect(a.checked).toEqual(texts);
  });

  test("a peer that connects later is sent what is still pending", async () => {
    const [a, late] = [await startNode(), await startNode()];
    const texts: string[] = [];
    for (let i = 0; i < 1_000; i++) {
      const bytes = tx();
      texts.push(toHex(bytes));
      await a.mempool.submit(bytes);
    }
    await connect([late, a]);
    await eventually(() => late.checked.length === 1_000, "all arrive");
    expect(late.checked).toEqual(texts);
  });

  test("carries a transaction of the largest size, alone", async () => {
    const [a, b] = await mesh(2);
    if (!a || !b) throw new Error("two nodes");
    const large = new Uint8Array(1 << 20).fill(1);
    await a.mempool.submit(large);
    await a.mempool.submit(tx());
    await eventually(() => b.checked.length === 2, "both arrive");
    expect(b.checked[0]?.length).toBe(2 << 20);
  });

  test.each([
    ["no transaction", 0x30, "0a00"],
    ["an empty transaction", 0x30, "0a020a00"],
    ["no message", 0x30, "ff"],
    ["an id of 3 bytes", 0x71, "0a03010203"],
  ])("%s ends the connection", async (_name, channelId, hex) => {
    const node = await startNode();
    const enemy = await connectByHand(node, { channels: fromHex("3071") });
    const closed = new Promise<P2pError>((resolve) => enemy.onClose(resolve));
    enemy.stream(() => {});
    enemy.send(packet(channelId, fromHex(hex)));
    expect((await closed).code).toBe("P2P_SOCKET_CLOSED");
    expect(node.checked).toEqual([]);
  });
});
