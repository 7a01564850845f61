import { beforeEach, describe, expect, test } from "vitest";
import { NodeId } from "../../../proto/brands.ts";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { createTestNode, type TestNode } from "../../../test/support/p2p.ts";
import type { HeldBodies } from "../../ports/body-source.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { P2pError } from "../errors.ts";
import {
  BODIES_BYTES_MAX,
  BODIES_BYTES_PER_SECOND,
  BODIES_IDS_MAX,
  BODIES_OWED_PER_PEER_MAX,
  BODIES_TIMEOUT_MS,
} from "../limits.ts";
import type { Peer } from "../reactor.ts";
import { type BodiesReactor, createBodiesReactor } from "./bodies-reactor.ts";
import {
  BODIES_CHANNEL,
  type BodiesMessage,
  decodeBodiesMessage,
  encodeBodiesMessage,
} from "./messages.ts";

const INFO = { ...createTestNode().network.nodeInfo(), channels: Uint8Array.of(BODIES_CHANNEL.id) };

/** An item begins with its id; that is all that these tests know of transactions. */
const item = (at: number, bytes = 40): Uint8Array => new Uint8Array(bytes).fill(at, 0, 32);
const idOf = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length < 32 ? undefined : bytes.slice(0, 32);
const id = (at: number): Uint8Array => new Uint8Array(32).fill(at);

function holding(...items: readonly Uint8Array[]): HeldBodies {
  const byId = new Map(items.map((one) => [String(idOf(one)), one]));
  return { item: (wanted) => byId.get(String(wanted)), idOf };
}

class FakePeer implements Peer {
  readonly id: NodeId;
  readonly isOutbound = true;
  readonly isPersistent = false;
  readonly remoteAddress = "127.0.0.1:1";
  readonly nodeInfo: Peer["nodeInfo"];
  readonly sent: BodiesMessage[] = [];
  isClosed = false;
  isFull = false;
  constructor(at: number, nodeInfo: Peer["nodeInfo"] = INFO) {
    this.id = NodeId(at.toString(16).padStart(40, "0"));
    this.nodeInfo = nodeInfo;
  }
  trySend(channelId: number, bytes: Uint8Array): boolean {
    if (this.isFull) return false;
    if (channelId !== BODIES_CHANNEL.id) throw new Error(`sent on channel ${channelId}`);
    if (bytes.length > BODIES_CHANNEL.receiveMessageBytesMax) throw new Error("sent too much");
    this.sent.push(decodeBodiesMessage(bytes));
    return true;
  }
  sendRoom = (): number => 1;
  close(): void {
    this.isClosed = true;
  }
  status(): ReturnType<Peer["status"]> {
    return { connectedMs: 0, bytesSent: 0, bytesReceived: 0, channels: [] };
  }
  /** Ids of the last request that it was sent. */
  get asked(): readonly number[] {
    const last = this.sent.at(-1);
    return last?.kind === "wanted" ? last.ids.map((one) => one[0] ?? -1) : [];
  }
}

let clock: ManualClock;

function reactorWith(bodies: HeldBodies, ...peers: readonly FakePeer[]): BodiesReactor {
  const reactor = createBodiesReactor({ bodies, clock, logger: NULL_LOGGER });
  for (const peer of peers) reactor.addPeer(peer);
  return reactor;
}

const send = (reactor: BodiesReactor, peer: FakePeer, message: BodiesMessage): void =>
  reactor.receive(BODIES_CHANNEL.id, peer, encodeBodiesMessage(message));

function faultOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    return (error as P2pError).info.code;
  }
  return "none";
}

beforeEach(() => {
  clock = createManualClock();
});

describe("behavior: a node answers what peers ask for", () => {
  test("what it holds of it, in the order asked; nothing of it: an empty answer", () => {
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(item(1), item(2)), peer);
    send(reactor, peer, { kind: "wanted", ids: [id(2), id(9), id(1)] });
    send(reactor, peer, { kind: "wanted", ids: [id(9)] });
    expect(peer.sent).toEqual([
      { kind: "bodies", items: [item(2), item(1)] },
      { kind: "bodies", items: [] },
    ]);
  });

  test("at most 1 MiB at once, but one item whatever its size", () => {
    const half = BODIES_BYTES_MAX / 2;
    const big = [item(1, BODIES_BYTES_MAX), item(2, half), item(3, half), item(4, half)];
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(...big), peer);
    send(reactor, peer, { kind: "wanted", ids: [1, 2].map(id) });
    send(reactor, peer, { kind: "wanted", ids: [2, 3, 4].map(id) });
    const counts = peer.sent.map((sent) => (sent.kind === "bodies" ? sent.items.length : -1));
    expect(counts).toEqual([1, 2]);
  });

  test("at most 4 MiB in a second; beyond it nothing, until time has passed", async () => {
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(item(1, BODIES_BYTES_MAX)), peer);
    const answers = (): number =>
      peer.sent.filter((sent) => sent.kind === "bodies" && sent.items.length > 0).length;
    const times = BODIES_BYTES_PER_SECOND / BODIES_BYTES_MAX + 3;
    for (let at = 0; at < times; at++) send(reactor, peer, { kind: "wanted", ids: [id(1)] });
    expect(answers()).toBe(BODIES_BYTES_PER_SECOND / BODIES_BYTES_MAX);
    expect(peer.sent).toHaveLength(times);
    await clock.advance(1_000);
    send(reactor, peer, { kind: "wanted", ids: [id(1)] });
    expect(answers()).toBe(BODIES_BYTES_PER_SECOND / BODIES_BYTES_MAX + 1);
  });

  test.each<[string, Uint8Array]>([
    ["no message", new Uint8Array(0)],
    ["no id", encodeBodiesMessage({ kind: "wanted", ids: [] })],
    ["a short id", encodeBodiesMessage({ kind: "wanted", ids: [new Uint8Array(31).fill(1)] })],
    [
      "too many ids",
      encodeBodiesMessage({
        kind: "wanted",
        ids: Array.from({ length: BODIES_IDS_MAX + 1 }, () => id(1)),
      }),
    ],
    ["noise", Uint8Array.of(0xff, 0xff, 0x01)],
    ["an answer that nobody asked for", encodeBodiesMessage({ kind: "bodies", items: [item(1)] })],
  ])("%s is the peer's fault", (_, bytes) => {
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(), peer);
    expect(faultOf(() => reactor.receive(BODIES_CHANNEL.id, peer, bytes))).toBe(
      "P2P_MESSAGE_INVALID",
    );
  });
});

describe("behavior: a node asks for what it lacks", () => {
  test("two peers at once, and others when they do not answer in time", async () => {
    const peers = [1, 2, 3].map((at) => new FakePeer(at));
    const reactor = reactorWith(holding(), ...peers);
    const [first, second, third] = peers;
    const found = reactor.get([id(1), id(2)]);
    expect(peers.map(({ asked }) => asked)).toEqual([[1, 2], [1, 2], []]);
    if (first === undefined || second === undefined || third === undefined) return;
    send(reactor, first, { kind: "bodies", items: [item(2)] });
    await clock.advance(BODIES_TIMEOUT_MS);
    expect(third.asked).toEqual([1]);
    // Late, and still of use.
    send(reactor, second, { kind: "bodies", items: [item(1)] });
    send(reactor, third, { kind: "bodies", items: [] });
    expect(await found).toEqual([item(2), item(1)]);
  });

  test("nobody has it: the answer is what there is, and it may be asked for again", async () => {
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(), peer);
    const found = reactor.get([id(1)]);
    send(reactor, peer, { kind: "bodies", items: [] });
    expect(await found).toEqual([]);
    const again = reactor.get([id(1)]);
    expect(peer.sent).toHaveLength(2);
    // What is asked for already is not asked for twice.
    expect(await reactor.get([id(1)])).toEqual([]);
    reactor.removePeer(peer, new Error("gone") as P2pError);
    expect(await again).toEqual([]);
    expect(await reactor.get([id(1)])).toEqual([]);
  });

  test("what was not asked for is the peer's fault, and nobody waits for it", async () => {
    const peer = new FakePeer(1);
    const reactor = reactorWith(holding(), peer);
    const found = reactor.get([id(1)]);
    const wrong = () => send(reactor, peer, { kind: "bodies", items: [item(2)] });
    expect(faultOf(wrong)).toBe("P2P_MESSAGE_INVALID");
    expect(await found).toEqual([]);
  });

  test("peers without the channel are left alone, and who owes answers is not asked more", async () => {
    const plain = new FakePeer(1, { ...INFO, channels: Uint8Array.of(0x30) });
    const slow = new FakePeer(2);
    const reactor = reactorWith(holding(), plain, slow);
    for (let at = 1; at <= BODIES_OWED_PER_PEER_MAX + 2; at++) {
      const found = reactor.get([id(at)]);
      await clock.advance(BODIES_TIMEOUT_MS);
      expect(await found).toEqual([]);
    }
    expect(plain.sent).toEqual([]);
    expect(slow.sent).toHaveLength(BODIES_OWED_PER_PEER_MAX);
  });
});

describe("behavior: over a connection", () => {
  test("items come as they are, up to the largest; who lies about them is disconnected", async () => {
    const start = async (bodies: HeldBodies, to?: TestNode) => {
      const reactor = createBodiesReactor({
        bodies,
        clock: createSystemClock(),
        logger: NULL_LOGGER,
      });
      const persistentPeers = to === undefined ? [] : [to.address()];
      const node = createTestNode({ persistentPeers }, undefined, [reactor]);
      await node.network.start();
      return { node, reactor };
    };
    const items = [item(1), item(2, BODIES_BYTES_MAX), item(3, 100_000)];
    const honest = await start(holding(...items));
    const asking = await start(holding(), honest.node);
    try {
      await eventually(() => asking.node.network.peers().length === 1, "they connect");
      const [one, two, three] = items;
      if (two === undefined) throw new Error("the largest is missing");
      expect(await asking.reactor.get([1, 9, 3].map(id))).toEqual([one, three]);
      const [largest] = await asking.reactor.get([id(2)]);
      expect(largest !== undefined && Buffer.compare(largest, two)).toBe(0);
      expect(await honest.reactor.get([id(1)])).toEqual([]);

      const liar = await start({ item: () => item(7), idOf }, asking.node);
      await eventually(() => asking.node.network.peers().length === 2, "the third connects");
      // Both are asked at once, and the honest one has it.
      await eventually(() => liar.node.network.peers().length === 1, "both sides know");
      expect(await asking.reactor.get([id(1)])).toEqual([one]);
      await eventually(() => asking.node.network.peers().length === 1, "the liar is gone");
      await liar.node.network.stop();
    } finally {
      await asking.node.network.stop();
      await honest.node.network.stop();
    }
  });
});
