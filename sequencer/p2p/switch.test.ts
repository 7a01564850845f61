import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { eventually } from "../../test/support/loopback.ts";
import {
  CHAT_CHANNEL,
  connectByHand,
  createChatReactor,
  createTestNode,
  hexes,
  packet,
  type TestNode,
} from "../../test/support/p2p.ts";
import { parseHostPort } from "./address.ts";
import { createNodeKey } from "./node-key.ts";
import type { SwitchOptions } from "./switch.ts";

const running: TestNode[] = [];
afterEach(async () => {
  for (const node of running.splice(0)) await node.network.stop();
});

async function start(
  options: Partial<SwitchOptions> = {},
  ...rest: [key?: TestNode["key"], reactors?: Parameters<typeof createTestNode>[2]]
): Promise<TestNode> {
  const node = createTestNode(options, ...rest);
  running.push(node);
  await node.network.start();
  return node;
}

const areConnected = (...nodes: readonly TestNode[]): boolean =>
  nodes.every((node) => node.network.peers().length === nodes.length - 1);

describe("switch", () => {
  test.each([
    [true, true],
    [true, false],
    [false, false],
  ])("carries messages both ways (Weft frames: %s and %s)", async (first, second) => {
    const a = await start({ usesLargeFrames: first });
    const b = await start({ usesLargeFrames: second, persistentPeers: [a.address()] });
    await eventually(() => areConnected(a, b), "a and b connect");
    const messages = [0, 1, 1_023, 1_024, 1_025, 65_600, 1 << 20].map((n) => randomBytes(n));
    for (const message of messages) {
      expect(a.network.broadcast(0x20, message)).toBe(1);
      expect(b.network.broadcast(0x20, message)).toBe(1);
    }
    for (const node of [a, b]) {
      await eventually(() => node.chat.heard.length === messages.length, "all messages arrive");
      expect(hexes(node.chat)).toEqual(messages.map(toHex));
    }
    const [peer] = a.network.peers();
    expect(peer?.id).toBe(b.key.id);
    expect(peer?.isOutbound).toBe(false);
    expect(peer?.status().bytesReceived).toBeGreaterThan(1 << 20);
  });

  test("nodes that dial each other at once end with one connection each, in use", async () => {
    const keys = [createNodeKey(), createNodeKey(), createNodeKey(), createNodeKey()];
    const nodes = await Promise.all(keys.map((key) => start({}, key)));
    for (const node of nodes) {
      for (const other of nodes) {
        if (other !== node) node.network.addPersistentPeer(other.address());
      }
    }
    await eventually(() => areConnected(...nodes), "full mesh");
    const last = new Map<string, number>();
    const isQuiet = (): boolean => {
      const gone = nodes.reduce((sum, node) => sum + node.chat.gone.length, 0);
      last.set("gone", gone);
      return areConnected(...nodes);
    };
    await eventually(isQuiet, "the mesh settles");
    const text = fromHex("c0ffee");
    await eventually(() => {
      for (const node of nodes) node.network.broadcast(0x20, text);
      return nodes.every((node) => new Set(node.chat.heard.map(({ from }) => from)).size === 3);
    }, "everybody hears everybody");
    expect(areConnected(...nodes)).toBe(true);
  });

  test("announces where it listens with its protocol, as CometBFT does, or what is to be dialed", async () => {
    const a = await start();
    const bound = a.network.listenAddress();
    expect(a.network.nodeInfo().listenAddress).toBe(`tcp://${bound}`);
    const b = await start({ externalAddress: "node.example:26656" });
    expect(b.network.nodeInfo().listenAddress).toBe("node.example:26656");
  });

  test("a persistent peer that restarts is found again", async () => {
    const a = await start();
    const key = createNodeKey();
    const b = await start({}, key);
    const address = b.address();
    const bound = b.network.listenAddress();
    a.network.addPersistentPeer(address);
    await eventually(() => areConnected(a, b), "first connection");
    await b.network.stop();
    await eventually(() => a.network.peers().length === 0, "a sees it go");
    const again = await start({ listenAddress: bound }, key);
    await eventually(() => areConnected(a, again), "second connection");
    expect(a.chat.gone[0]?.reason.code).toBe("P2P_SOCKET_CLOSED");
  });

  test("refuses another id, another network, itself and too many", async () => {
    const a = await start({ inboundPeersMax: 1 });
    const b = await start();
    const wrong = createNodeKey().id;
    const bound = a.network.listenAddress();
    await expect(b.network.dial(`${wrong}@${bound}`)).rejects.toMatchObject({
      code: "P2P_PEER_ID_MISMATCH",
    });
    await expect(a.network.dial(a.address())).rejects.toMatchObject({ code: "P2P_PEER_SELF" });
    const stranger = await start({ network: "other-chain" });
    await expect(stranger.network.dial(a.address())).rejects.toMatchObject({
      code: "P2P_PEER_INCOMPATIBLE",
    });
    await b.network.dial(a.address());
    const late = await start();
    await late.network.dial(a.address());
    await eventually(() => late.chat.gone.length === 1, "the one too many is dropped");
    expect(a.network.peers().map(({ id }) => id)).toEqual([b.key.id]);
  });

  test("a second address is refused unless allowed", async () => {
    const a = await start({ allowsDuplicateIp: false });
    const [b, c] = [await start(), await start()];
    await b.network.dial(a.address());
    await eventually(() => a.network.peers().length === 1, "b is a peer");
    await c.network.dial(a.address());
    await eventually(() => c.chat.gone.length === 1, "c is dropped");
    expect(a.network.peers().map(({ id }) => id)).toEqual([b.key.id]);
  });

  test("a reader that stops is not waited for: queues fill, refuse, and drain later", async () => {
    const a = await start({ usesLargeFrames: false });
    const slow = await connectByHand(a);
    await eventually(() => a.network.peers().length === 1, "the reader is a peer");
    const message = new Uint8Array(256 << 10);
    let sent = 0;
    await eventually(() => {
      if (a.network.broadcast(0x20, message) === 1) {
        sent += 1;
        return false;
      }
      return true;
    }, "the queue refuses");
    const [peer] = a.network.peers();
    const queued = peer?.status().channels[0];
    expect(queued?.sendQueueBytes).toBeLessThanOrEqual(16 << 20);
    expect(peer?.trySend(0x20, message)).toBe(false);
    expect(peer?.trySend(0x21, message)).toBe(false);
    let received = 0;
    slow.stream((_bytes, start, end) => {
      received += end - start;
    });
    await eventually(() => received >= sent * message.length, "all that was taken arrives");
    expect(a.chat.sendable).toContain(0x20);
  });

  test("receive rates hold a fast sender back", async () => {
    const a = await start({ receiveRateBytesPerSecond: 2_000_000 });
    const b = await start();
    await b.network.dial(a.address());
    const began = performance.now();
    for (let i = 0; i < 6; i++) b.network.broadcast(0x20, new Uint8Array(100_000));
    await eventually(() => a.chat.heard.length === 6, "all arrive");
    // 600 kB at 2 MB/s with a burst of 200 kB: no sooner than about 200 ms.
    expect(performance.now() - began).toBeGreaterThan(120);
  });
});

describe("hostile peers", () => {
  /** Two honest peers that must not notice, around the node under attack. */
  async function besieged(options: Partial<SwitchOptions> = {}): Promise<TestNode[]> {
    const victim = await start(options);
    const friend = await start({ persistentPeers: [victim.address()] });
    await eventually(() => areConnected(victim, friend), "the friend connects");
    return [victim, friend];
  }
  async function expectUnaffected(victim: TestNode, friend: TestNode): Promise<void> {
    const before = victim.chat.heard.length;
    friend.network.broadcast(0x20, fromHex("ab"));
    await eventually(() => victim.chat.heard.length > before, "the friend is still heard");
    expect(victim.chat.gone.filter(({ peer }) => peer.id === friend.key.id)).toEqual([]);
  }

  test.each<[string, string, (channel: number) => Uint8Array]>([
    ["an unknown channel", "P2P_CHANNEL_UNKNOWN", () => packet(0x55, fromHex("01"))],
    ["garbage packets", "P2P_PACKET_MALFORMED", () => new Uint8Array(64).fill(0xff)],
    ["an oversized packet", "P2P_PACKET_MALFORMED", () => fromHex("8c10")],
  ])("%s ends the connection and nothing else", async (_name, code, bytes) => {
    const [victim, friend] = await besieged();
    if (victim === undefined || friend === undefined) throw new Error("two nodes");
    const enemy = await connectByHand(victim);
    enemy.stream(() => {});
    enemy.send(bytes(0x20));
    await eventually(() => victim.chat.gone.length > 0, "the enemy is dropped");
    expect(victim.chat.gone[0]?.reason.code).toBe(code);
    await expectUnaffected(victim, friend);
  });

  test("a message that never ends is cut off at its cap and holds no more than the cap", async () => {
    const [victim, friend] = await besieged();
    if (victim === undefined || friend === undefined) throw new Error("two nodes");
    const enemy = await connectByHand(victim);
    enemy.stream(() => {});
    const chunk = packet(0x20, new Uint8Array(1_024), false);
    await eventually(() => {
      for (let i = 0; i < 100 && enemy.writer.hasRoom(chunk.length); i++) {
        enemy.writer.write(chunk, 0, chunk.length);
      }
      enemy.writer.flush();
      return victim.chat.gone.length > 0;
    }, "the enemy is dropped");
    expect(victim.chat.gone[0]?.reason.code).toBe("P2P_MESSAGE_TOO_LARGE");
    await expectUnaffected(victim, friend);
  });

  test("a flood of pings is answered without growing", async () => {
    const [victim, friend] = await besieged();
    if (victim === undefined || friend === undefined) throw new Error("two nodes");
    const enemy = await connectByHand(victim);
    let answered = 0;
    enemy.stream((_bytes, start, end) => {
      answered += end - start;
    });
    const pings = new Uint8Array(3 * 300);
    for (let i = 0; i < pings.length; i += 3) pings.set(fromHex("020a00"), i);
    for (let i = 0; i < 50; i++) enemy.send(pings);
    await eventually(() => answered >= 3, "a pong");
    await expectUnaffected(victim, friend);
    expect(answered).toBeLessThan(50 * pings.length);
  });

  test("a peer that sends no pong is dropped", async () => {
    const victim = await start({ pingIntervalMs: 20, pongTimeoutMs: 50 });
    const mute = await connectByHand(victim);
    mute.stream(() => {});
    await eventually(() => victim.chat.gone.length === 1, "the mute peer is dropped");
    expect(victim.chat.gone[0]?.reason.code).toBe("P2P_PONG_TIMEOUT");
  });

  test("an honest peer answers pings for as long as it lives", async () => {
    const a = await start({ pingIntervalMs: 10, pongTimeoutMs: 2_000 });
    const b = await start({ pingIntervalMs: 10, pongTimeoutMs: 2_000 });
    await b.network.dial(a.address());
    await eventually(() => a.network.peers().length === 1, "connected");
    const [peer] = a.network.peers();
    const before = peer?.status().bytesReceived ?? 0;
    await eventually(() => (peer?.status().bytesReceived ?? 0) > before + 2_000, "pongs");
    expect(areConnected(a, b)).toBe(true);
  });

  test("slow and garbled handshakes time out, hold few places, and leave memory flat", async () => {
    const [victim, friend] = await besieged({ handshakeTimeoutMs: 300 });
    if (victim === undefined || friend === undefined) throw new Error("two nodes");
    const { host, port } = parseHostPort(victim.network.listenAddress() ?? "");
    let closed = 0;
    let opened = 0;
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 60; i++) {
      const socket = connect(port, host);
      opened += 1;
      socket.on("error", () => {});
      socket.resume();
      socket.on("close", () => {
        closed += 1;
      });
      if (i % 3 === 0) socket.write(randomBytes(2_000));
      else if (i % 3 === 1) socket.write(fromHex("220a"));
      else socket.write(Buffer.concat([fromHex("220a20"), createNodeKey().publicKey]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => closed === opened, "every hostile socket is closed");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    await expectUnaffected(victim, friend);
  });

  test("who says nothing does not keep all places of the handshake", async () => {
    const clock = createManualClock();
    const victim = createTestNode({}, createNodeKey(), undefined, clock);
    running.push(victim);
    await victim.network.start();
    const { host, port } = parseHostPort(victim.network.listenAddress() ?? "");
    const closed = new Set<number>();
    const knock = (n: number, localAddress: string): void => {
      const socket = connect({ port, host, localAddress });
      socket.on("error", () => socket.destroy());
      socket.resume();
      socket.on("close", () => closed.add(n));
    };
    // Four hosts with all that one host may have.
    for (let n = 0; n < 64; n++) knock(n, `127.0.0.${2 + (n >> 4)}`);
    knock(64, "127.0.0.9");
    await eventually(() => closed.has(64), "there is no place for another");
    expect([...closed]).toEqual([64]);
    await clock.advance(3_000);
    knock(65, "127.0.0.9");
    await eventually(() => closed.size === 3, "the oldest goes");
    const friend = await start({ persistentPeers: [victim.address()] });
    await eventually(() => areConnected(victim, friend), "and somebody else comes in");
  });

  test("a reactor that refuses a message ends that peer with its reason", async () => {
    const chat = createChatReactor();
    const strict = {
      ...chat,
      receive: () => {
        throw new RangeError("not a chat message");
      },
    };
    const victim = await start({}, createNodeKey(), [strict]);
    const enemy = await start();
    await enemy.network.dial(victim.address());
    enemy.network.broadcast(CHAT_CHANNEL.id, fromHex("00"));
    await eventually(() => chat.gone.length === 1, "the enemy is dropped");
    expect(chat.gone[0]?.reason).toMatchObject({ code: "P2P_MESSAGE_INVALID" });
    expect(chat.gone[0]?.reason.message).toMatch(/not a chat message/);
  });
});
