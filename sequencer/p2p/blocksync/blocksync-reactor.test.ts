import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height, NodeId } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { encodeBlock } from "../../../proto/codec/block.ts";
import { decodeBlockSyncMessage, encodeBlockResponse } from "../../../proto/codec/sync-messages.ts";
import { BLOCK_SIZE_BYTES_MAX, VOTES_MAX } from "../../../proto/limits.ts";
import { BlockIdFlag, type Block, type CommitSig } from "../../../proto/types.ts";
import { buildChain, testKeys } from "../../../test/support/chain-builder.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { createTestNode, type TestNode } from "../../../test/support/p2p.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import {
  BLOCK_SYNC_CHANNEL,
  type BlockSyncReactor,
  type BlockSyncSink,
  createBlockSyncReactor,
  type ServedBlocks,
} from "./blocksync-reactor.ts";
import { P2pError } from "../errors.ts";
import { BLOCK_REQUESTS_PER_PEER_MAX } from "../limits.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import type { Peer } from "../reactor.ts";

const CHAIN = buildChain(testKeys(2), 3);
const ID = NodeId("aa".repeat(20));

/** A peer that keeps what it is sent. */
class FakePeer implements Peer {
  readonly id = ID;
  readonly isOutbound = true;
  readonly isPersistent = false;
  readonly remoteAddress = "127.0.0.1:1";
  readonly sent: string[] = [];
  readonly nodeInfo: Peer["nodeInfo"];
  isClosed = false;
  queuedBytes = 0;
  constructor(nodeInfo: Peer["nodeInfo"]) {
    this.nodeInfo = nodeInfo;
  }
  refusals = 0;
  trySend(channelId: number, message: Uint8Array): boolean {
    if (this.refusals > 0) {
      this.refusals -= 1;
      return false;
    }
    if (channelId !== 0x40) throw new Error(`sent on channel ${channelId}`);
    this.sent.push(toHex(message));
    return true;
  }
  sendRoom = (): number => 1;
  close(): void {
    this.isClosed = true;
  }
  status(): ReturnType<Peer["status"]> {
    const sendQueueBytes = this.queuedBytes;
    const queue = { id: 0x40, priority: 5, sendQueueMessagesMax: 1, sendQueueMessages: 0 };
    return {
      connectedMs: 0,
      bytesSent: 0,
      bytesReceived: 77,
      channels: [{ ...queue, sendQueueBytes, recentlySentBytes: 0 }],
    };
  }
}

const told: string[] = [];
const sink: BlockSyncSink = {
  peerRemoved: (id) => told.push(`gone ${id}`),
  statusReceived: (_, base, height) => told.push(`status ${base} ${height}`),
  blockReceived: (_, block, extended, size) =>
    told.push(
      `block ${block.header.height} ${extended === undefined ? "plain" : "extended"} ${size}`,
    ),
  noBlockReceived: (_, height) => told.push(`none ${height}`),
};

let [base, top] = [1, 3];
const blocks: ServedBlocks = {
  base: () => Height(base),
  height: () => Height(top),
  async blockBytes(height) {
    const built = CHAIN[height - 1];
    return built === undefined ? undefined : encodeBlock(built.block);
  },
  extendedCommit: () => Promise.resolve(undefined),
};
const nodes: TestNode[] = [];
let reactor: BlockSyncReactor;
let peer: FakePeer;

beforeEach(() => {
  [base, top] = [1, 3];
  told.length = 0;
  reactor = createReactor(blocks);
  reactor.attach(sink);
  const { network } = createTestNode({}, undefined, [reactor]);
  peer = new FakePeer(network.nodeInfo());
  reactor.addPeer(peer);
});
afterEach(async () => {
  reactor.stop();
  for (const node of nodes.splice(0)) await node.network.stop();
});

function createReactor(served: ServedBlocks): BlockSyncReactor {
  return createBlockSyncReactor({
    blocks: served,
    clock: createSystemClock(),
    logger: NULL_LOGGER,
    metrics: NULL_P2P_METRICS,
  });
}

const receive = (hex: string): void => reactor.receive(0x40, peer, fromHex(hex));
const lastSent = (): string => peer.sent.at(-1) ?? "";

function block(index: number): Block {
  const built = CHAIN[index];
  if (built === undefined) throw new Error("there is no such block");
  return built.block;
}
const response = (of: Block): string => toHex(encodeBlockResponse(encodeBlock(of), undefined));

describe("the wire", () => {
  test("the channel is CometBFT's", () => {
    expect(BLOCK_SYNC_CHANNEL).toMatchObject({ id: 0x40, priority: 5 });
    expect(BLOCK_SYNC_CHANNEL.receiveMessageBytesMax).toBe(BLOCK_SIZE_BYTES_MAX + 5);
  });

  test("a new peer is told base and height, and again when it asks", () => {
    expect(peer.sent).toEqual(["2a0408031001"]);
    top = 4;
    receive("2200");
    expect(lastSent()).toBe("2a0408041001");
  });

  test("reported base and height never fall", () => {
    [base, top] = [2, 2];
    receive("2200");
    expect(lastSent()).toBe("2a0408031002");
    [base, top] = [1, 2];
    receive("2200");
    expect(lastSent()).toBe("2a0408031002");
  });

  test("requests are what CometBFT sends", () => {
    expect(reactor.requestStatus(ID)).toBe(true);
    expect(lastSent()).toBe("2200");
    expect(reactor.requestBlock(ID, Height(1))).toBe(true);
    // It is owed: one request, one answer.
    expect(reactor.requestBlock(ID, Height(1))).toBe(true);
    expect(lastSent()).toBe("0a020801");
  });

  test("a stored block is served as its bytes, any other height as NoBlockResponse", async () => {
    receive("0a020802");
    await eventually(() => peer.sent.length === 2, "block 2 is served");
    expect(lastSent()).toBe(response(block(1)));
    receive("0a020809");
    await eventually(() => peer.sent.length === 3, "the answer for block 9");
    expect(lastSent()).toBe("12020809");
    receive("0a00");
    await eventually(() => peer.sent.length === 4, "the answer for block 0");
    expect(lastSent()).toBe("1200");
  });

  test("an extended commit goes with the block where there is one", async () => {
    const commit = {
      height: Height(1),
      round: block(1).lastCommit.round,
      blockId: block(1).lastCommit.blockId,
      extendedSignatures: [],
    };
    reactor = createReactor({ ...blocks, extendedCommit: () => Promise.resolve(commit) });
    reactor.addPeer(peer);
    receive("0a020801");
    await eventually(() => peer.sent.length === 3, "block 1 is served");
    const message = decodeBlockSyncMessage(fromHex(lastSent()));
    expect(message).toMatchObject({ kind: "blockResponse", extendedCommit: commit });
  });
});

describe("answers", () => {
  test("reach the listener", () => {
    receive("2a0408091002");
    reactor.requestBlock(ID, Height(2));
    reactor.requestBlock(ID, Height(3));
    receive(response(block(1)));
    receive("12020803");
    const size = response(block(1)).length / 2;
    expect(told).toEqual(["status 2 9", `block 2 plain ${size}`, "none 3"]);
    reactor.removePeer(peer, new P2pError("P2P_SOCKET_CLOSED", "gone"));
    expect(told.at(-1)).toBe(`gone ${ID}`);
  });

  test.each([
    ["nothing was asked for", 0],
    ["another block was asked for", 1],
  ])("a block that was not asked for disconnects (%s)", (_, asked) => {
    if (asked !== 0) reactor.requestBlock(ID, Height(asked));
    expect(() => receive(response(block(1)))).toThrow(/expected (a block|blocks) that w/);
    expect(told).toEqual([]);
  });

  test("the same block twice disconnects", () => {
    reactor.requestBlock(ID, Height(2));
    receive(response(block(1)));
    expect(() => receive(response(block(1)))).toThrow(/requested/);
  });

  test("a NoBlockResponse that was not asked for is ignored", () => {
    receive("12020803");
    expect(told).toEqual([]);
  });

  test("a commit of more than 10 000 signatures disconnects", () => {
    const absent: CommitSig = {
      blockIdFlag: BlockIdFlag.ABSENT,
      validatorAddress: new Uint8Array(0),
      timestamp: { seconds: -62_135_596_800n, nanos: 0 },
      signature: new Uint8Array(0),
    };
    const signatures = Array.from({ length: VOTES_MAX + 1 }, () => absent);
    const large = { ...block(1), lastCommit: { ...block(1).lastCommit, signatures } };
    reactor.requestBlock(ID, Height(2));
    expect(() => receive(response(large))).toThrow(expect.objectContaining({ name: "P2pError" }));
    expect(told).toEqual([]);
  });

  test("what does not decode disconnects", () => {
    expect(() => receive("ff")).toThrow(expect.objectContaining({ name: "P2pError" }));
  });
});

describe("serving is bounded", () => {
  test("a peer with too many requests is dropped", () => {
    peer.queuedBytes = 1 << 30;
    for (let i = 0; i < BLOCK_REQUESTS_PER_PEER_MAX; i++) receive("0a020802");
    expect(() => receive("0a020802")).toThrow(/at once/);
  });

  test("no block is read while enough bytes wait for the peer; it goes on when they left", async () => {
    let reads = 0;
    reactor = createReactor({
      ...blocks,
      blockBytes: (height) => {
        reads += 1;
        return blocks.blockBytes(height);
      },
    });
    reactor.addPeer(peer);
    peer.queuedBytes = 3 << 20;
    receive("0a020802");
    receive("0a020803");
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads).toBe(0);
    peer.queuedBytes = 0;
    await eventually(() => reads === 2, "both blocks are served");
    expect(lastSent()).toBe(response(block(2)));
  });
});

test("a block that the queue refuses is sent later, and read once", async () => {
  let reads = 0;
  reactor = createReactor({
    ...blocks,
    blockBytes: (height) => {
      reads += 1;
      return blocks.blockBytes(height);
    },
  });
  reactor.addPeer(peer);
  peer.refusals = 3;
  receive("0a020802");
  receive("0a020803");
  await eventually(() => lastSent() === response(block(2)), "both blocks are served");
  expect(peer.sent.slice(-2)).toEqual([response(block(1)), response(block(2))]);
  expect(reads).toBe(2);
});

test("two nodes exchange status and blocks over sockets", async () => {
  const server = createTestNode({}, undefined, [createReactor(blocks)]);
  const asking = createReactor({ ...blocks, base: () => Height(0), height: () => Height(0) });
  asking.attach(sink);
  const client = createTestNode({}, undefined, [asking]);
  nodes.push(server, client);
  await server.network.start();
  await client.network.start();
  await client.network.dial(server.address());
  await eventually(() => told.includes("status 1 3"), "the server's status");
  expect(asking.peers()).toEqual([server.key.id]);
  expect(asking.requestBlock(server.key.id, Height(3))).toBe(true);
  await eventually(() => told.some((line) => line.startsWith("block 3 plain")), "block 3");
  expect(asking.bytesReceived(server.key.id)).toBeGreaterThan(100);
});
