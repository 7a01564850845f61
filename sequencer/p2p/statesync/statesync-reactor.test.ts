import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height, NodeId } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import {
  decodeStateSyncMessage,
  encodeStateSyncMessage,
} from "../../../proto/codec/sync-messages.ts";
import type { StateSyncMessage } from "../../../proto/messages.ts";
import { eventually } from "../../../test/support/loopback.ts";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { createTestNode } from "../../../test/support/p2p.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { P2pError } from "../errors.ts";
import {
  CHUNK_REQUESTS_PER_PEER_MAX,
  CHUNK_SEND_QUEUE_BYTES_MAX,
  CHUNK_SEND_RETRY_MS,
  CHUNKS_OWED_PER_PEER_MAX,
  SNAPSHOTS_ANSWER_INTERVAL_MS,
  SNAPSHOTS_PER_ANSWER_MAX,
} from "../limits.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import type { Peer } from "../reactor.ts";
import {
  type AnnouncedSnapshot,
  CHUNK_CHANNEL,
  createStateSyncReactor,
  SNAPSHOT_CHANNEL,
  type StateSyncReactor,
} from "./statesync-reactor.ts";

const ID = NodeId("aa".repeat(20));

/** A peer that keeps what it is sent. */
class FakePeer implements Peer {
  readonly id = ID;
  readonly isOutbound = true;
  readonly isPersistent = false;
  readonly remoteAddress = "127.0.0.1:1";
  readonly sent: StateSyncMessage[] = [];
  readonly nodeInfo: Peer["nodeInfo"];
  isClosed = false;
  queuedBytes = 0;
  isFull = false;
  constructor(nodeInfo: Peer["nodeInfo"]) {
    this.nodeInfo = nodeInfo;
  }
  trySend(channelId: number, bytes: Uint8Array): boolean {
    if (this.isFull) return false;
    const message = decodeStateSyncMessage(bytes);
    const isSnapshot = message.kind.startsWith("snapshots");
    if (channelId !== (isSnapshot ? 0x60 : 0x61)) throw new Error(`sent on channel ${channelId}`);
    this.sent.push(message);
    return true;
  }
  sendRoom = (): number => 1;
  close(): void {
    this.isClosed = true;
  }
  status(): ReturnType<Peer["status"]> {
    const queue = { priority: 5, sendQueueMessagesMax: 1, sendQueueMessages: 0 };
    const sendQueueBytes = this.queuedBytes;
    return {
      connectedMs: 0,
      bytesSent: 0,
      bytesReceived: 0,
      channels: [{ ...queue, id: 0x61, sendQueueBytes, recentlySentBytes: 0 }],
    };
  }
}

function snapshot(height: number): AnnouncedSnapshot {
  return {
    height: Height(height),
    format: 1,
    chunks: 2,
    hash: new Uint8Array(32).fill(height),
    metadata: Uint8Array.of(1, 2),
  };
}

let served: readonly AnnouncedSnapshot[];
let isBroken: boolean;
let told: string[];
let clock: ManualClock;
let reactor: StateSyncReactor;
let peer: FakePeer;

beforeEach(() => {
  served = [snapshot(9), snapshot(6)];
  isBroken = false;
  told = [];
  clock = createManualClock();
  reactor = createStateSyncReactor({
    snapshots: {
      async listSnapshots() {
        if (isBroken) throw new Error("the disk is gone");
        return served;
      },
      async loadSnapshotChunk({ height, chunk }) {
        if (isBroken) throw new Error("the disk is gone");
        const isThere = served.some((one) => one.height === height) && chunk < 2;
        return isThere ? Uint8Array.of(height, chunk) : new Uint8Array();
      },
    },
    clock,
    logger: NULL_LOGGER,
    metrics: NULL_P2P_METRICS,
  });
  reactor.attach({
    peerAdded: (id) => told.push(`there ${id}`),
    peerRemoved: (id) => told.push(`gone ${id}`),
    snapshotReceived: (_, { height, chunks }) => told.push(`snapshot ${height} ${chunks}`),
    chunkReceived: (_, height, format, index, chunk) =>
      told.push(`chunk ${height}/${format}/${index} ${chunk === undefined ? "-" : toHex(chunk)}`),
  });
  const { network } = createTestNode({}, undefined, [reactor]);
  peer = new FakePeer(network.nodeInfo());
  reactor.addPeer(peer);
});
afterEach(() => reactor.stop());

function receive(message: StateSyncMessage, channel?: number): void {
  const own = message.kind.startsWith("snapshots") ? 0x60 : 0x61;
  reactor.receive(channel ?? own, peer, encodeStateSyncMessage(message));
}
const chunkRequest = (height: number, index: number): StateSyncMessage => ({
  kind: "chunkRequest",
  height: Height(height),
  format: 1,
  index,
});
const chunkResponse = (
  height: number,
  index: number,
  hex: number[] | "missing",
): StateSyncMessage => ({
  kind: "chunkResponse",
  height: Height(height),
  format: 1,
  index,
  chunk: hex === "missing" ? new Uint8Array() : Uint8Array.from(hex),
  missing: hex === "missing",
});

describe("the wire", () => {
  test("the channels are CometBFT's", () => {
    expect(SNAPSHOT_CHANNEL).toMatchObject({ id: 0x60, priority: 5, sendQueueMessagesMax: 10 });
    expect(SNAPSHOT_CHANNEL.receiveMessageBytesMax).toBe(4_000_000);
    expect(CHUNK_CHANNEL).toMatchObject({ id: 0x61, priority: 3, sendQueueMessagesMax: 10 });
    expect(CHUNK_CHANNEL.receiveMessageBytesMax).toBe(16_000_000);
  });

  test("a message on the other channel, or none at all, ends the connection", () => {
    expect(() => receive({ kind: "snapshotsRequest" }, 0x61)).toThrow(P2pError);
    expect(() => receive(chunkRequest(9, 0), 0x60)).toThrow(P2pError);
    expect(() => reactor.receive(0x60, peer, Uint8Array.of(1, 2, 3))).toThrow(P2pError);
  });
});

describe("serving", () => {
  test("behavior: names the newest snapshots, as often as is fair", async () => {
    served = Array.from({ length: 15 }, (_, i) => snapshot(30 - i));
    receive({ kind: "snapshotsRequest" });
    receive({ kind: "snapshotsRequest" });
    await eventually(() => peer.sent.length === SNAPSHOTS_PER_ANSWER_MAX, "it has answered");
    expect(peer.sent[0]).toEqual({ kind: "snapshotsResponse", ...snapshot(30) });
    await clock.advance(SNAPSHOTS_ANSWER_INTERVAL_MS);
    receive({ kind: "snapshotsRequest" });
    await eventually(() => peer.sent.length === 2 * SNAPSHOTS_PER_ANSWER_MAX, "it answers again");
  });

  test("behavior: sends chunks in the order asked, and says which are missing", async () => {
    for (const [height, index] of [
      [9, 1],
      [9, 0],
      [9, 7],
      [5, 0],
    ] as const) {
      receive(chunkRequest(height, index));
    }
    await eventually(() => peer.sent.length === 4, "all are answered");
    expect(peer.sent).toEqual([
      chunkResponse(9, 1, [9, 1]),
      chunkResponse(9, 0, [9, 0]),
      chunkResponse(9, 7, "missing"),
      chunkResponse(5, 0, "missing"),
    ]);
  });

  test("behavior: waits for a slow peer, and ignores what it asks beyond the limit", async () => {
    peer.queuedBytes = CHUNK_SEND_QUEUE_BYTES_MAX;
    for (let i = 0; i < 2 * CHUNK_REQUESTS_PER_PEER_MAX; i++) receive(chunkRequest(9, 0));
    await clock.advance(10 * CHUNK_SEND_RETRY_MS);
    expect(peer.sent).toEqual([]);
    peer.queuedBytes = 0;
    peer.isFull = true;
    await clock.advance(10 * CHUNK_SEND_RETRY_MS);
    peer.isFull = false;
    await clock.advance(10 * CHUNK_SEND_RETRY_MS);
    expect(peer.sent.length).toBe(CHUNK_REQUESTS_PER_PEER_MAX);
  });

  test("error: a disk that fails is a missing chunk, and no snapshots", async () => {
    isBroken = true;
    receive({ kind: "snapshotsRequest" });
    receive(chunkRequest(9, 0));
    await eventually(() => peer.sent.length === 1, "it is answered");
    expect(peer.sent).toEqual([chunkResponse(9, 0, "missing")]);
  });
});

describe("asking", () => {
  test("behavior: hands over what was asked for", () => {
    expect(reactor.peers()).toEqual([ID]);
    expect(reactor.requestSnapshots(ID)).toBe(true);
    receive({ kind: "snapshotsResponse", ...snapshot(9) });
    expect(reactor.requestChunk(ID, Height(9), 1, 0)).toBe(true);
    expect(reactor.requestChunk(ID, Height(9), 1, 1)).toBe(true);
    receive(chunkResponse(9, 1, [7]));
    receive(chunkResponse(9, 0, "missing"));
    reactor.removePeer(peer, new P2pError("P2P_STOPPED", "over"));
    expect(told).toEqual([
      `there ${ID}`,
      "snapshot 9 2",
      "chunk 9/1/1 07",
      "chunk 9/1/0 -",
      `gone ${ID}`,
    ]);
    expect(reactor.requestChunk(ID, Height(9), 1, 0)).toBe(false);
  });

  test("attack: what was not asked for ends the connection", () => {
    expect(() => receive({ kind: "snapshotsResponse", ...snapshot(9) })).toThrow(/when asked/);
    reactor.requestSnapshots(ID);
    for (let i = 0; i < SNAPSHOTS_PER_ANSWER_MAX; i++) {
      receive({ kind: "snapshotsResponse", ...snapshot(9) });
    }
    expect(() => receive({ kind: "snapshotsResponse", ...snapshot(9) })).toThrow(/when asked/);
    expect(() => receive(chunkResponse(9, 0, [1]))).toThrow(/requested only/);
    reactor.requestChunk(ID, Height(9), 1, 0);
    expect(() => receive(chunkResponse(9, 1, [1]))).toThrow(/that was requested/);
    receive(chunkResponse(9, 0, [1]));
    expect(() => receive(chunkResponse(9, 0, [1]))).toThrow(P2pError);
  });

  test("attack: answers that contradict themselves end the connection", () => {
    reactor.requestSnapshots(ID);
    for (const change of [{ height: Height(0) }, { chunks: 0 }, { hash: new Uint8Array() }]) {
      const bad = { ...snapshot(9), ...change };
      expect(() => receive({ kind: "snapshotsResponse", ...bad })).toThrow(/expected a snapshot/);
    }
    reactor.requestChunk(ID, Height(9), 1, 0);
    const both = { ...chunkResponse(9, 0, [1]), missing: true } as StateSyncMessage;
    expect(() => receive(both)).toThrow(/no bytes of a missing chunk/);
  });

  test("behavior: a peer owes a bounded number of chunks", () => {
    for (let i = 0; i < CHUNKS_OWED_PER_PEER_MAX; i++) {
      expect(reactor.requestChunk(ID, Height(9), 1, 0)).toBe(true);
    }
    expect(reactor.requestChunk(ID, Height(9), 1, 0)).toBe(false);
    receive(chunkResponse(9, 0, [1]));
    expect(reactor.requestChunk(ID, Height(9), 1, 0)).toBe(true);
  });

  test("behavior: late answers after the end go nowhere", () => {
    reactor.requestChunk(ID, Height(9), 1, 0);
    reactor.attach(undefined);
    told.length = 0;
    receive(chunkResponse(9, 0, [1]));
    expect(told).toEqual([]);
  });
});
