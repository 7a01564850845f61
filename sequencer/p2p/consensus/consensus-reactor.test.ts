import { afterEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../../proto/codec/consensus-messages.ts";
import { RoundStep } from "../../../proto/messages.ts";
import { sha256Latin1 } from "../../../proto/hash.ts";
import { ZERO_TIME } from "../../../proto/types.ts";
import {
  type CoreNode,
  type CoreNodeOptions,
  createCoreNode,
  createTestValidators,
} from "../../../test/support/core-node.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { connectByHand, createTestNode, packet } from "../../../test/support/p2p.ts";
import { P2pError } from "../errors.ts";
import type { HeldTx, HeldTxs } from "./consensus-port.ts";
import { createNodeKey } from "../node-key.ts";
import type { Reactor } from "../reactor.ts";
import {
  DATA_CHANNEL,
  STATE_CHANNEL,
  VOTE_CHANNEL,
  VOTE_SET_BITS_CHANNEL,
} from "./consensus-channels.ts";

const running: CoreNode[] = [];
afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
});

/** Nodes of all validators of a set, not yet connected. */
async function startNodes(
  count: number,
  options: Partial<CoreNodeOptions> = {},
): Promise<CoreNode[]> {
  const validators = createTestValidators(count);
  const nodes: CoreNode[] = [];
  for (let i = 0; i < count; i++) {
    nodes.push(await startNode({ validators, validatorIndex: i, ...options }));
  }
  return nodes;
}

async function startNode(
  options: Omit<CoreNodeOptions, "key"> & { key?: CoreNodeOptions["key"] },
): Promise<CoreNode> {
  const node = createCoreNode({ key: createNodeKey(), ...options });
  running.push(node);
  await node.start();
  return node;
}

function connectAll(nodes: readonly CoreNode[]): void {
  nodes.forEach((node, i) => {
    for (const other of nodes.slice(i + 1)) node.network.addPersistentPeer(other.address());
  });
}

/** Number of different hashes among `nodes`, summed over the heights up to `height`. */
function distinctBlocks(nodes: readonly CoreNode[], height: number): number {
  let count = 0;
  for (let h = 0; h < height; h++) {
    const hashes = nodes.map(({ store }) => store.blocks[h]?.meta.blockId.hash ?? EMPTY_BYTES);
    count += new Set(hashes.map(toHex)).size;
  }
  return count;
}

describe("consensus reactor", () => {
  test("four validators decide block after block in round 0", async () => {
    const nodes = await startNodes(4, { stopAtHeight: 50 });
    connectAll(nodes);
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= 50), "50 blocks");
    expect(distinctBlocks(nodes, 50)).toBe(50);
    const rounds = nodes[0]?.store.blocks.slice(5).map(({ commit }) => commit.round) ?? [];
    expect(Math.max(...rounds)).toBe(0);
  });

  test("blocks of many parts cross each link about once", async () => {
    const nodes = await startNodes(4, { stopAtHeight: 20, blockBytes: 1_000_000 });
    connectAll(nodes);
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= 20), "20 blocks");
    expect(distinctBlocks(nodes, 20)).toBe(20);
    // 16 parts a block from its proposer to three others: 960 in all without a duplicate, about
    // three times as many if everybody relayed. On a busy machine some relays come due.
    const parts = nodes.reduce((sum, { received }) => sum + received.part, 0);
    expect(parts).toBeGreaterThanOrEqual(960);
    expect(parts).toBeLessThan(1_920);
    // Six votes of others a height and node.
    const votes = nodes.reduce((sum, { received }) => sum + received.vote, 0);
    expect(votes).toBeLessThan(20 * 4 * 6 * 2);
  });

  /** Ten transactions of 28 kB for each height, the same on every node that makes a block of it. */
  const batchesOf = (height: number): Uint8Array[] =>
    Array.from({ length: 10 }, (_, i) =>
      Uint8Array.from({ length: 28_000 }, (_, at) => (height * 31 + i * 17 + at * 7) & 255),
    );
  /** The batches of the first heights, as a pool that has had them for a while; `lacks`: not those of this height. */
  function heldBatches(lacks: (height: number) => boolean = () => false): HeldTxs {
    const held = new Map<string, HeldTx>();
    for (let height = 1; height <= 12; height++) {
      if (lacks(height)) continue;
      for (const tx of batchesOf(height)) held.set(sha256Latin1(tx), { tx, atMs: -1_000_000 });
    }
    return { held: (key) => held.get(key) };
  }

  /** Four nodes, of which the last lacks what `lacks` says, decide ten blocks; how many compact parts fared how. */
  async function decideCompactly(
    lacks: (height: number) => boolean,
  ): Promise<{ readonly outcomes: Record<string, number>; readonly parts: number }> {
    const validators = createTestValidators(4);
    const outcomes: Record<string, number> = { sent: 0, wanted: 0, rebuilt: 0, incomplete: 0 };
    const nodes: CoreNode[] = [];
    for (let validatorIndex = 0; validatorIndex < 4; validatorIndex++) {
      const inc = (labels?: { readonly outcome: string }): void => {
        const outcome = labels?.outcome ?? "";
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      };
      nodes.push(
        await startNode({
          validators,
          validatorIndex,
          stopAtHeight: 10,
          blockTxs: batchesOf,
          txs: heldBatches(validatorIndex === 3 ? lacks : undefined),
          metrics: { compactParts: { inc } },
        }),
      );
    }
    connectAll(nodes);
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= 10), "10 blocks");
    expect(distinctBlocks(nodes, 10)).toBe(10);
    const rounds = nodes[0]?.store.blocks.slice(5).map(({ commit }) => commit.round) ?? [];
    expect(Math.max(...rounds)).toBe(0);
    return { outcomes, parts: nodes.reduce((sum, { received }) => sum + received.part, 0) };
  }

  test("peers that hold a block's transactions are sent their names", async () => {
    const { outcomes, parts } = await decideCompactly(() => false);
    // Five parts to three peers; a node that was not connected yet, or is behind, gets whole ones.
    expect(outcomes["sent"]).toBeGreaterThan(30);
    expect(outcomes["rebuilt"]).toBeGreaterThan(30);
    expect(outcomes).toMatchObject({ wanted: 0, incomplete: 0 });
    expect(parts).toBeGreaterThanOrEqual(150);
  });

  test("one that lacks some asks for the parts with them, and gets them at once", async () => {
    const { outcomes } = await decideCompactly((height) => height % 2 === 0);
    expect(outcomes["incomplete"]).toBeGreaterThan(0);
    expect(outcomes["wanted"]).toBeGreaterThan(0);
    expect(outcomes["wanted"]).toBeLessThanOrEqual(outcomes["incomplete"] ?? 0);
  });

  test("nodes in a line reach each other through relays", async () => {
    const nodes = await startNodes(4, { stopAtHeight: 3, blockBytes: 100_000 });
    nodes.slice(1).forEach((node, i) => node.network.addPersistentPeer(nodes[i]?.address() ?? ""));
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= 3), "3 blocks");
    expect(distinctBlocks(nodes, 3)).toBe(3);
  });

  test("works without Weft frames, as with CometBFT peers", async () => {
    const nodes = await startNodes(4, {
      stopAtHeight: 10,
      blockBytes: 200_000,
      network: { usesLargeFrames: false },
    });
    connectAll(nodes);
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= 10), "10 blocks");
    expect(distinctBlocks(nodes, 10)).toBe(10);
  });

  test("a node that starts hundreds of blocks late catches up at hundreds a second", async () => {
    const validators = createTestValidators(3);
    const three = await Promise.all(
      [0, 1, 2].map((validatorIndex) =>
        startNode({ validators, validatorIndex, stopAtHeight: 200 }),
      ),
    );
    connectAll(three);
    await eventually(() => three.every(({ store }) => store.blocks.length >= 200), "200 blocks");
    const began = performance.now();
    const late = await startNode({ validators, validatorIndex: undefined });
    for (const node of three) late.network.addPersistentPeer(node.address());
    await eventually(() => late.store.blocks.length >= 199, "the late node has 199 blocks");
    const perSecond = 199_000 / (performance.now() - began);
    expect(distinctBlocks([...three, late], 199)).toBe(199);
    // Several hundred on an idle machine; this one may be busy.
    expect(perSecond).toBeGreaterThan(50);
  });

  test("a node that was cut off for a while joins again where the others are", async () => {
    const nodes = await startNodes(4, { timeoutCommitMs: 20, timeoutProposeMs: 300 });
    connectAll(nodes);
    const [first, , , cut] = nodes;
    if (first === undefined || cut === undefined) throw new Error("four nodes");
    await eventually(() => cut.store.blocks.length >= 5, "5 blocks");
    for (const peer of cut.network.peers()) {
      peer.close(new P2pError("P2P_STOPPED", "cut off by the test"));
    }
    const height = first.store.blocks.length;
    await eventually(() => nodes.every(({ store }) => store.blocks.length >= height + 20), "on");
    expect(distinctBlocks(nodes, height + 20)).toBe(height + 20);
  });

  test.each([
    ["NewRoundStep of step 0", 0x20, "0a0a08011001180020012801"],
    ["NewRoundStep with a last commit before the first height", 0x20, "0a06080118012801"],
    ["NewRoundStep of height 0", 0x20, "0a0418012801"],
    ["NewValidBlock without parts", 0x20, "12020801"],
    ["VoteSetMaj23 with a hash of 3 bytes", 0x20, "420d0801180122070a030102031200"],
    ["a proposal without fields", 0x21, "1a040a020820"],
    ["bytes that are no message", 0x22, "ffffffff"],
  ])("%s ends the connection", async (_name, channelId, hex) => {
    const [node] = await startNodes(1, { stopAtHeight: 1 });
    if (node === undefined) throw new Error("one node");
    const enemy = await connectByHand(node, { channels: fromHex("20212223") });
    const closed = new Promise<P2pError>((resolve) => enemy.onClose(resolve));
    enemy.stream(() => {});
    enemy.send(packet(channelId, fromHex(hex)));
    expect((await closed).code).toBe("P2P_SOCKET_CLOSED");
    await eventually(() => node.network.peers().length === 0, "nobody is left");
  });

  test("a proposal is held to the block size of its own height", async () => {
    const [node] = await startNodes(1, { stopAtHeight: 1 });
    if (node === undefined) throw new Error("one node");
    await eventually(() => node.store.blocks.length === 1, "a block");
    const enemy = await connectByHand(node, { channels: fromHex("20212223") });
    const closed = new Promise<P2pError>((resolve) => enemy.onClose(resolve));
    enemy.stream(() => {});
    const large = (height: number): Uint8Array =>
      encodeConsensusMessage({
        kind: "proposal",
        proposal: {
          height: Height(height),
          round: Round(0),
          polRound: Round(-1),
          blockId: {
            hash: new Uint8Array(32),
            partSetHeader: { total: 1_000, hash: new Uint8Array(32) },
          },
          timestamp: ZERO_TIME,
          signature: new Uint8Array(64),
        },
      });
    const { proposal } = node.received;
    // Blocks may have been larger before, and may be later.
    for (const height of [1, 3]) enemy.send(packet(0x21, large(height)));
    await eventually(() => node.received.proposal === proposal + 2, "they reach the core");
    enemy.send(packet(0x21, large(2)));
    expect((await closed).code).toBe("P2P_SOCKET_CLOSED");
  });

  test("a peer that joins after it saw a commit gets the block, however fast the chain moves on", async () => {
    const [node] = await startNodes(1, { timeoutCommitMs: 10 });
    if (node === undefined) throw new Error("one node");
    const parts: number[] = [];
    const reactor: Reactor = {
      name: "behind",
      channels: [STATE_CHANNEL, DATA_CHANNEL, VOTE_CHANNEL, VOTE_SET_BITS_CHANNEL],
      // It does not say which block it waits for: it said so before, to a connection that is gone.
      addPeer: (peer) =>
        peer.trySend(
          STATE_CHANNEL.id,
          encodeConsensusMessage({
            kind: "newRoundStep",
            height: Height(1),
            round: Round(0),
            step: RoundStep.COMMIT,
            secondsSinceStartTime: 0,
            lastCommitRound: Round(-1),
          }),
        ),
      removePeer: () => {},
      receive: (channelId, _peer, bytes) => {
        if (channelId !== DATA_CHANNEL.id) return;
        const message = decodeConsensusMessage(bytes);
        if (message.kind === "blockPart") parts.push(message.height);
      },
    };
    const behind = createTestNode({}, createNodeKey(), [reactor]);
    await behind.network.start();
    try {
      behind.network.addPersistentPeer(node.address());
      // A part of height 2 may come first: a proposal is sent one height early.
      await eventually(() => parts.includes(1), "a part of the block it waits for");
      expect(parts).toContain(1);
    } finally {
      await behind.network.stop();
    }
  });
});
