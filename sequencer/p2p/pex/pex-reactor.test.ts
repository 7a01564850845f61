/** The rules of peer exchange, in simulated time and without sockets. */
import { describe, expect, test } from "vitest";
import { NodeId } from "../../../proto/brands.ts";
import { decodePexMessage, encodePexMessage } from "../../../proto/codec/p2p-messages.ts";
import type { NodeInfo } from "../../../proto/messages.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { seededRandom } from "../../../test/support/seeded-random.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { type PeerAddress, parsePeerAddress } from "../address.ts";
import { P2pError } from "../errors.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import type { Peer } from "../reactor.ts";
import { createAddressBook } from "./address-book.ts";
import {
  BOOK_DIAL_ATTEMPTS_MAX,
  ENSURE_PEERS_INTERVAL_MS,
  PEX_REQUEST_INTERVAL_MS,
} from "./limits.ts";
import { netAddress, type NetAddress } from "./net-address.ts";
import { createPexReactor, PEX_CHANNEL } from "./pex-reactor.ts";

const idOf = (n: number): NodeId => NodeId(n.toString(16).padStart(40, "0"));
const REQUEST = encodePexMessage({ kind: "pexRequest" });

function far(n: number): NetAddress {
  const address = netAddress(idOf(n), `${50 + (n >> 8)}.${n & 255}.1.1`, 26_656);
  if (address === undefined) throw new Error("no address");
  return address;
}
function answer(...addresses: readonly NetAddress[]): Uint8Array {
  return encodePexMessage({
    kind: "pexAddresses",
    addresses: addresses.map(({ id, host, port }) => ({ id, ip: host, port })),
  });
}

interface FakePeer extends Peer {
  readonly sent: Uint8Array[];
  readonly closed: P2pError[];
}

function setup(options: { isSeed?: boolean; seeds?: readonly PeerAddress[]; room?: number } = {}) {
  const clock = createManualClock();
  const random = seededRandom(7);
  const book = createAddressBook(
    { isStrict: true, ownId: idOf(0xffff), privateIds: [idOf(0x99)], key: "k" },
    { nowMs: () => clock.monotonicMs() + 1, random, isBanned: () => false },
  );
  const peers = new Map<NodeId, FakePeer>();
  const dials: { id: NodeId; atMs: number }[] = [];
  const unreachable = new Map<NodeId, "P2P_DIAL_FAILED" | "P2P_PEER_ID_MISMATCH">();
  const saves: number[] = [];
  const reactor = createPexReactor(
    { isSeed: options.isSeed ?? false, seeds: options.seeds ?? [] },
    {
      book,
      clock,
      random,
      logger: NULL_LOGGER,
      metrics: NULL_P2P_METRICS,
      save: async () => void saves.push(clock.monotonicMs()),
    },
  );
  const connect = (address: NetAddress, isOutbound: boolean): FakePeer => {
    const sent: Uint8Array[] = [];
    const closed: P2pError[] = [];
    const nodeInfo: NodeInfo = {
      protocolVersion: { p2p: 8n, block: 11n, app: 1n },
      nodeId: address.id,
      listenAddress: `tcp://0.0.0.0:${address.port}`,
      network: "test",
      version: "0.38.25",
      channels: Uint8Array.of(0),
      moniker: "m",
      other: { txIndex: "on", rpcAddress: "" },
    };
    const peer: FakePeer = {
      id: address.id,
      nodeInfo,
      isOutbound,
      isPersistent: false,
      remoteAddress: `${address.host}:${isOutbound ? address.port : 40_000}`,
      isClosed: false,
      trySend: (_channel, message) => sent.push(message) > 0,
      sendRoom: () => 10,
      close(reason) {
        closed.push(reason);
        peers.delete(address.id);
        reactor.removePeer(peer, reason);
      },
      status: () => ({ connectedMs: 0, bytesSent: 0, bytesReceived: 0, channels: [] }),
      sent,
      closed,
    };
    peers.set(address.id, peer);
    reactor.addPeer(peer);
    return peer;
  };
  reactor.attach({
    peers: () => [...peers.values()],
    async dialAddress(address) {
      dials.push({ id: address.id, atMs: clock.monotonicMs() });
      const code = unreachable.get(address.id);
      if (code !== undefined) throw new P2pError(code, "unreachable");
      connect(address, true);
    },
    isConnectedOrDialing: (id) => peers.has(id),
    outboundRoom: () =>
      (options.room ?? 10) - [...peers.values()].filter(({ isOutbound }) => isOutbound).length,
  });
  const receive = (peer: FakePeer, message: Uint8Array): void =>
    reactor.receive(PEX_CHANNEL.id, peer, message);
  return { clock, book, peers, dials, unreachable, saves, reactor, connect, receive };
}

const codeOf = (act: () => void): string => {
  try {
    act();
    return "";
  } catch (error) {
    return error instanceof P2pError ? error.info.code : String(error);
  }
};

describe("requests of peers", () => {
  test("are answered from the book, never with private ids", async () => {
    const { book, connect, receive } = setup();
    for (let i = 1; i <= 10; i++) book.add(far(i), far(i));
    expect(book.add(far(0x99), far(1))).toBe("private");
    const peer = connect(far(20), false);
    receive(peer, REQUEST);
    const told = decodePexMessage(peer.sent[0] ?? new Uint8Array(0));
    expect(told.kind === "pexAddresses" && told.addresses.length).toBe(11);
  });

  test("come at most once per interval, after two free ones; then the peer is blamed", async () => {
    const { clock, connect, receive } = setup();
    const peer = connect(far(20), false);
    receive(peer, REQUEST);
    receive(peer, REQUEST);
    expect(codeOf(() => receive(peer, REQUEST))).toBe("P2P_PEX_TOO_OFTEN");
    const patient = connect(far(21), false);
    for (let i = 0; i < 5; i++) {
      await clock.advance(PEX_REQUEST_INTERVAL_MS);
      expect(codeOf(() => receive(patient, REQUEST))).toBe("");
    }
    await clock.advance(PEX_REQUEST_INTERVAL_MS - 1);
    expect(codeOf(() => receive(patient, REQUEST))).toBe("P2P_PEX_TOO_OFTEN");
  });

  test("garbage and more than 250 addresses are refused", () => {
    const { connect, receive } = setup();
    const peer = connect(far(20), true);
    expect(codeOf(() => receive(peer, Uint8Array.of(0xff, 0xff)))).toBe("P2P_MESSAGE_INVALID");
    const many = Array.from({ length: 251 }, (_, i) => far(i + 1));
    expect(codeOf(() => receive(peer, answer(...many)))).toBe("P2P_MESSAGE_INVALID");
  });
});

describe("addresses from peers", () => {
  test("are taken when asked for, and only then", () => {
    const { book, connect, receive } = setup();
    const peer = connect(far(20), true);
    expect(peer.sent).toEqual([REQUEST]);
    receive(peer, answer(far(1), far(2)));
    expect([book.has(idOf(1)), book.has(idOf(2))]).toEqual([true, true]);
    expect(codeOf(() => receive(peer, answer(far(3))))).toBe("P2P_PEX_UNSOLICITED");
    expect(book.has(idOf(3))).toBe(false);
    const stranger = connect(far(21), false);
    expect(stranger.sent).toEqual([]);
    expect(codeOf(() => receive(stranger, answer(far(4))))).toBe("P2P_PEX_UNSOLICITED");
  });

  test("an inbound peer is known by where it came from when it listens everywhere", () => {
    const { book, connect } = setup();
    connect(far(20), false);
    expect(book.entries().map(({ address }) => address)).toEqual([far(20)]);
  });
});

describe("having peers", () => {
  test("addresses of the book are dialed until there are enough", async () => {
    const { clock, book, peers, reactor } = setup({ room: 4 });
    for (let i = 1; i <= 30; i++) book.add(far(i), far(i));
    reactor.start();
    await clock.advance(5 * ENSURE_PEERS_INTERVAL_MS);
    expect(peers.size).toBe(4);
    await reactor.stop();
  });

  test("a seed is dialed when no address is known, and what it tells at once", async () => {
    const seed = parsePeerAddress(`${idOf(100)}@seed.example.org:26656`);
    const { clock, dials, peers, reactor, receive } = setup({ seeds: [seed] });
    reactor.start();
    await clock.advance(10);
    expect(dials.map(({ id }) => id)).toEqual([seed.id]);
    const peer = peers.get(seed.id);
    if (peer === undefined) throw new Error("the seed is a peer");
    // A seed listens somewhere that can be told.
    Object.assign(peer, { remoteAddress: "77.1.1.1:26656" });
    receive(peer, answer(far(1), far(2), far(3)));
    await clock.advance(10);
    expect(dials.length).toBeGreaterThan(1);
    await reactor.stop();
  });

  test("who knows nobody but seeds asks them again soon", async () => {
    const seed = parsePeerAddress(`${idOf(100)}@77.1.1.1:26656`);
    const { clock, dials, unreachable, reactor } = setup({ seeds: [seed] });
    unreachable.set(seed.id, "P2P_DIAL_FAILED");
    reactor.start();
    await clock.advance(21_000);
    expect(dials.map(({ id }) => id)).toEqual(Array(5).fill(seed.id));
    await reactor.stop();
  });

  test("an address that fails is dialed ever later, then struck out", async () => {
    const { clock, book, dials, unreachable, reactor } = setup();
    book.add(far(1), far(1));
    unreachable.set(idOf(1), "P2P_DIAL_FAILED");
    reactor.start();
    await clock.advance(24 * 3_600_000);
    expect(dials.length).toBe(BOOK_DIAL_ATTEMPTS_MAX);
    const gaps = dials.slice(1).map(({ atMs }, i) => atMs - (dials[i]?.atMs ?? 0));
    expect(gaps.every((gap, i) => gap >= Math.min(2 ** (i + 1) * 1_000, 3_600_000))).toBe(true);
    expect(Math.max(...gaps)).toBeLessThan(3_600_000 + 2 * ENSURE_PEERS_INTERVAL_MS);
    expect(book.has(idOf(1))).toBe(false);
    await reactor.stop();
  });

  test("an address where somebody else lives is struck out at once", async () => {
    const { clock, book, dials, unreachable, reactor } = setup();
    book.add(far(1), far(1));
    unreachable.set(idOf(1), "P2P_PEER_ID_MISMATCH");
    reactor.start();
    await clock.advance(3_600_000);
    expect([dials.length, book.size]).toEqual([1, 0]);
    await reactor.stop();
  });

  test("a connection that lasts makes its address an old one; the book is saved", async () => {
    const { clock, book, saves, reactor } = setup();
    book.add(far(1), far(1));
    reactor.start();
    await clock.advance(4 * ENSURE_PEERS_INTERVAL_MS);
    expect(book.oldCount).toBe(1);
    expect(saves.length).toBe(1);
    await reactor.stop();
    expect(saves.length).toBe(2);
  });

  test("a seed that stays connected is asked no sooner than it would take either", async () => {
    const seed = far(1);
    const { clock, connect, receive, reactor } = setup({ seeds: [seed] });
    const asked: number[] = [];
    reactor.start();
    const peer = connect(seed, true);
    for (let i = 0; i < 300; i++) {
      await clock.advance(1_000);
      if (peer.sent.length > asked.length) {
        asked.push(clock.monotonicMs());
        receive(peer, answer());
      }
    }
    const gaps = asked.slice(1).map((atMs, i) => atMs - (asked[i] ?? 0));
    expect(asked.length).toBeGreaterThan(5);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(PEX_REQUEST_INTERVAL_MS);
    await reactor.stop();
  });

  test("somebody is asked for more, no peer sooner than it would take", async () => {
    const { clock, connect, receive, reactor } = setup();
    const asked: number[] = [];
    const peer = connect(far(1), false);
    reactor.start();
    for (let i = 0; i < 1_200; i++) {
      await clock.advance(1_000);
      if (peer.sent.length > asked.length) {
        asked.push(clock.monotonicMs());
        receive(peer, answer());
      }
    }
    const gaps = asked.slice(1).map((atMs, i) => atMs - (asked[i] ?? 0));
    expect(asked.length).toBeGreaterThan(10);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(PEX_REQUEST_INTERVAL_MS);
    await reactor.stop();
  });
});

describe("a seed", () => {
  test("answers once and hangs up", async () => {
    const { clock, book, connect, receive, reactor } = setup({ isSeed: true });
    for (let i = 1; i <= 40; i++) book.add(far(i), far(i));
    reactor.start();
    const peer = connect(far(200), false);
    receive(peer, REQUEST);
    receive(peer, REQUEST);
    expect(peer.sent.length).toBe(1);
    expect(peer.closed).toEqual([]);
    await clock.advance(2_000);
    expect(peer.closed.map(({ info }) => info.code)).toEqual(["P2P_PEER_DISMISSED"]);
    await reactor.stop();
  });

  test("crawls: asks whom it knows, hangs up, and does not come back too soon", async () => {
    const { clock, book, dials, peers, receive, reactor } = setup({ isSeed: true });
    book.add(far(1), far(1));
    reactor.start();
    await clock.advance(5);
    const peer = peers.get(idOf(1));
    if (peer === undefined) throw new Error("it is dialed");
    expect(peer.sent).toEqual([REQUEST]);
    receive(peer, answer(far(2), far(3)));
    await clock.advance(2_000);
    expect(peer.closed.length).toBe(1);
    await clock.advance(100_000);
    expect(dials.filter(({ id }) => id === idOf(1)).length).toBe(1);
    expect(new Set(dials.map(({ id }) => id))).toEqual(new Set([idOf(1), idOf(2), idOf(3)]));
    await reactor.stop();
  });
});
