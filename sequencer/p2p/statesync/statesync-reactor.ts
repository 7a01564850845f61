/**
 * The state sync reactor (spec §17.6): serves the application's snapshots, and carries the requests of
 * this node's own state sync. The rules of the wire are here; what to ask of whom is the listener's.
 */
import type { Height, NodeId } from "../../../proto/brands.ts";
import {
  decodeStateSyncMessage,
  encodeStateSyncMessage,
} from "../../../proto/codec/sync-messages.ts";
import { AssertionFailure, assertNever } from "../../../proto/errors.ts";
import { CHUNK_BYTES_MAX, SNAPSHOT_BYTES_MAX } from "../../../proto/limits.ts";
import type { StateSyncMessage } from "../../../proto/messages.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { P2pError, toPeersFault } from "../errors.ts";
import {
  CHUNK_REQUESTS_PER_PEER_MAX,
  CHUNK_SEND_QUEUE_BYTES_MAX,
  CHUNK_SEND_RETRY_MS,
  CHUNKS_OWED_PER_PEER_MAX,
  SNAPSHOTS_ANSWER_INTERVAL_MS,
  SNAPSHOTS_PER_ANSWER_MAX,
} from "../limits.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../reactor.ts";

const SEND_QUEUE_MESSAGES_MAX = 10;

export const SNAPSHOT_CHANNEL: ChannelDescriptor = {
  id: 0x60,
  name: "snapshot",
  priority: 5,
  sendQueueMessagesMax: SEND_QUEUE_MESSAGES_MAX,
  receiveMessageBytesMax: SNAPSHOT_BYTES_MAX,
};

export const CHUNK_CHANNEL: ChannelDescriptor = {
  id: 0x61,
  name: "chunk",
  priority: 3,
  sendQueueMessagesMax: SEND_QUEUE_MESSAGES_MAX,
  receiveMessageBytesMax: CHUNK_BYTES_MAX,
};

/** A snapshot as it is announced. */
export interface AnnouncedSnapshot {
  readonly height: Height;
  readonly format: number;
  readonly chunks: number;
  readonly hash: Uint8Array;
  readonly metadata: Uint8Array;
}

/** What is served; the application fits as it is. */
export interface SnapshotSource {
  /** Newest first. */
  listSnapshots(): Promise<readonly AnnouncedSnapshot[]>;
  /** Empty when there is none. */
  loadSnapshotChunk(request: {
    readonly height: Height;
    readonly format: number;
    readonly chunk: number;
  }): Promise<Uint8Array>;
}

/** Our own state sync; the engine's fits as it is. */
export interface StateSyncSink {
  peerAdded(peer: NodeId): void;
  peerRemoved(peer: NodeId): void;
  snapshotReceived(peer: NodeId, snapshot: AnnouncedSnapshot): void;
  /** A chunk that was requested of this peer; without bytes: it does not have it. */
  chunkReceived(
    peer: NodeId,
    height: Height,
    format: number,
    index: number,
    chunk: Uint8Array | undefined,
  ): void;
}

export interface StateSyncReactor extends Reactor {
  /** Where answers go from now on; undefined: nowhere. Until then nothing is asked. */
  attach(sink: StateSyncSink | undefined): void;
  stop(): void;
  /** Asks for snapshots. False when it cannot be sent. */
  requestSnapshots(peer: NodeId): boolean;
  /** Asks for a chunk; the answer may come at any later time. False when it cannot be sent. */
  requestChunk(peer: NodeId, height: Height, format: number, index: number): boolean;
  /** Peers that announce the channels. */
  peers(): readonly NodeId[];
}

type ChunkRequest = Extract<StateSyncMessage, { kind: "chunkRequest" }>;

interface Target {
  readonly peer: Peer;
  /** Chunks it asked for and was not sent yet, in its order. */
  readonly wanted: ChunkRequest[];
  /** Chunks we asked it for, how often each. */
  readonly owed: Map<string, number>;
  owedCount: number;
  /** Snapshots it may still tell us of. */
  snapshotsOwed: number;
  answeredMs: number;
}

export function createStateSyncReactor(dependencies: {
  readonly snapshots: SnapshotSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
}): StateSyncReactor {
  const { snapshots, clock, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "statesync-reactor" });
  const targets = new Map<NodeId, Target>();
  let sink: StateSyncSink | undefined;
  let isStopped = false;
  let isServing = false;
  let retry: Cancel | undefined;

  const announce = async (target: Target): Promise<void> => {
    const nowMs = clock.monotonicMs();
    if (nowMs - target.answeredMs < SNAPSHOTS_ANSWER_INTERVAL_MS) return;
    target.answeredMs = nowMs;
    try {
      const newest = (await snapshots.listSnapshots()).slice(0, SNAPSHOTS_PER_ANSWER_MAX);
      for (const snapshot of newest) {
        const bytes = encodeStateSyncMessage({ kind: "snapshotsResponse", ...snapshot });
        // What does not fit is left out: the newest went first.
        if (!target.peer.trySend(SNAPSHOT_CHANNEL.id, bytes)) return;
      }
    } catch (error) {
      noteUnreadable(error);
    }
  };

  /** Answers chunk requests, one after the other and peer by peer, as fast as peers take them. */
  const serve = (): void => {
    if (isServing || isStopped) return;
    isServing = true;
    void serveRounds().finally(() => {
      isServing = false;
      const isWaiting = [...targets.values()].some(({ wanted }) => wanted.length > 0);
      if (!isWaiting || isStopped) return;
      retry?.cancel();
      retry = clock.after(CHUNK_SEND_RETRY_MS, serve);
    });
  };
  const serveRounds = async (): Promise<void> => {
    for (let hasSent = true; hasSent; ) {
      hasSent = false;
      for (const target of targets.values()) {
        if (await serveNext(target)) hasSent = true;
      }
    }
  };
  const serveNext = async ({ peer, wanted }: Target): Promise<boolean> => {
    const [request] = wanted;
    if (isStopped || peer.isClosed || request === undefined) return false;
    if (queuedBytes(peer) >= CHUNK_SEND_QUEUE_BYTES_MAX) return false;
    const { height, format, index } = request;
    const chunk = await readChunk(request);
    const missing = chunk.length === 0;
    const bytes = encodeStateSyncMessage({
      kind: "chunkResponse",
      height,
      format,
      index,
      chunk,
      missing,
    });
    if (!peer.trySend(CHUNK_CHANNEL.id, bytes)) return false;
    wanted.shift();
    metrics.chunksServed.inc({ answer: missing ? "missing" : "chunk" });
    return true;
  };
  const readChunk = async ({ height, format, index }: ChunkRequest): Promise<Uint8Array> => {
    try {
      return await snapshots.loadSnapshotChunk({ height, format, chunk: index });
    } catch (error) {
      noteUnreadable(error);
      return new Uint8Array();
    }
  };
  /** The peer asks somebody else; the application's owner reports what is wrong with it. */
  const noteUnreadable = (error: unknown): void => {
    if (error instanceof AssertionFailure) throw error;
    logger.error("snapshot could not be read for a peer", { error: String(error) });
  };

  const handle = (target: Target, message: StateSyncMessage): void => {
    const { id } = target.peer;
    switch (message.kind) {
      case "snapshotsRequest":
        void announce(target);
        return;
      case "snapshotsResponse": {
        const { kind: _, ...snapshot } = message;
        if (target.snapshotsOwed === 0) {
          throw invalid(`at most ${SNAPSHOTS_PER_ANSWER_MAX} snapshots, when asked`, "another");
        }
        target.snapshotsOwed -= 1;
        if (snapshot.height === 0 || snapshot.chunks === 0 || snapshot.hash.length === 0) {
          throw invalid("a snapshot with height, chunks and hash", "one without");
        }
        sink?.snapshotReceived(id, snapshot);
        return;
      }
      case "chunkRequest":
        if (message.height === 0) throw invalid("a chunk of some height", "height 0");
        if (target.wanted.length >= CHUNK_REQUESTS_PER_PEER_MAX) return;
        target.wanted.push(message);
        serve();
        return;
      case "chunkResponse": {
        const { height, format, index, chunk, missing } = message;
        if (!settle(target, chunkKey(height, format, index))) {
          throw invalid("a chunk that was requested", `chunk ${index} of ${height}`);
        }
        if (missing && chunk.length > 0) throw invalid("no bytes of a missing chunk", "some");
        sink?.chunkReceived(id, height, format, index, missing ? undefined : chunk);
        return;
      }
      default:
        assertNever(message, "state sync message");
    }
  };

  return {
    name: "statesync",
    channels: [SNAPSHOT_CHANNEL, CHUNK_CHANNEL],
    attach(to) {
      sink = to;
    },
    stop() {
      isStopped = true;
      retry?.cancel();
    },
    requestSnapshots(id) {
      const target = targets.get(id);
      if (target === undefined) return false;
      const bytes = encodeStateSyncMessage({ kind: "snapshotsRequest" });
      if (!target.peer.trySend(SNAPSHOT_CHANNEL.id, bytes)) return false;
      target.snapshotsOwed += SNAPSHOTS_PER_ANSWER_MAX;
      return true;
    },
    requestChunk(id, height, format, index) {
      const target = targets.get(id);
      if (target === undefined || target.owedCount >= CHUNKS_OWED_PER_PEER_MAX) return false;
      const bytes = encodeStateSyncMessage({ kind: "chunkRequest", height, format, index });
      if (!target.peer.trySend(CHUNK_CHANNEL.id, bytes)) return false;
      const key = chunkKey(height, format, index);
      target.owed.set(key, (target.owed.get(key) ?? 0) + 1);
      target.owedCount += 1;
      return true;
    },
    peers: () => [...targets.keys()],
    addPeer(peer) {
      const { channels } = peer.nodeInfo;
      if (!channels.includes(SNAPSHOT_CHANNEL.id) || !channels.includes(CHUNK_CHANNEL.id)) return;
      targets.set(peer.id, {
        peer,
        wanted: [],
        owed: new Map(),
        owedCount: 0,
        snapshotsOwed: 0,
        answeredMs: Number.NEGATIVE_INFINITY,
      });
      sink?.peerAdded(peer.id);
    },
    removePeer(peer) {
      if (targets.get(peer.id)?.peer !== peer) return;
      targets.delete(peer.id);
      sink?.peerRemoved(peer.id);
    },
    receive(channelId, peer, bytes) {
      const target = targets.get(peer.id);
      if (target === undefined) return;
      try {
        // Not worth decoding: it may be 16 MB.
        const isAnswer = channelId === CHUNK_CHANNEL.id && bytes[0] === CHUNK_RESPONSE_TAG;
        if (isAnswer && target.owedCount === 0) {
          throw invalid("chunks that were requested only", "another");
        }
        const message = decodeStateSyncMessage(bytes);
        if (channelOf(message) !== channelId) {
          throw invalid(`messages of channel ${channelId}`, message.kind);
        }
        handle(target, message);
      } catch (error) {
        throw toPeersFault(error);
      }
    },
  };
}

/** First byte of a ChunkResponse: field 4, length-delimited. */
const CHUNK_RESPONSE_TAG = 0x22;

function channelOf({ kind }: StateSyncMessage): number {
  return kind === "snapshotsRequest" || kind === "snapshotsResponse"
    ? SNAPSHOT_CHANNEL.id
    : CHUNK_CHANNEL.id;
}

function chunkKey(height: number, format: number, index: number): string {
  return `${height}/${format}/${index}`;
}

/** One debt less; false when there was none. */
function settle(target: Target, key: string): boolean {
  const count = target.owed.get(key);
  if (count === undefined) return false;
  if (count === 1) target.owed.delete(key);
  else target.owed.set(key, count - 1);
  target.owedCount -= 1;
  return true;
}

function queuedBytes(peer: Peer): number {
  return peer.status().channels.find(({ id }) => id === CHUNK_CHANNEL.id)?.sendQueueBytes ?? 0;
}

function invalid(expected: string, got: string): P2pError {
  return new P2pError("P2P_MESSAGE_INVALID", `state sync: expected ${expected}, got ${got}`);
}
