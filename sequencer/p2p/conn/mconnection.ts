/**
 * MConnection (spec §16.4): many channels over one SecretConnection. Messages are cut into packets,
 * packets of different channels interleave by priority, and everything queued in one turn of the
 * event loop leaves in one flush; a message that may wait does, a moment, for others to leave with.
 */
import type { Cancel, Clock } from "../../ports/clock.ts";
import { AssertionFailure } from "../../../proto/errors.ts";
import { P2pError, toP2pError } from "../errors.ts";
import {
  ASSEMBLY_KEEP_BYTES_MAX,
  DRAIN_SLABS_PER_TURN_MAX,
  HOLD_MS,
  LARGE_FRAME_DATA_BYTES_MAX,
  PACKET_PAYLOAD_BYTES_MAX,
  RECEIVE_PIECE_BYTES,
  RECEIVE_SLICE_MS,
} from "../limits.ts";
import {
  createPacketParser,
  PACKET_HEADER_BYTES_MAX,
  PING_PACKET,
  PONG_PACKET,
  writePacketHeader,
} from "./packet.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { ReceiveTurns } from "./receive-turns.ts";
import type { ChannelDescriptor, ChannelStatus } from "../reactor.ts";
import type { SecretConnection } from "./secret-connection.ts";
import { createSendQueues, packetLength, type SendQueue, waiting } from "./send-queues.ts";

export interface MConnectionOptions {
  /** Channels of this node: what may be received. */
  readonly channels: readonly ChannelDescriptor[];
  /** Channels the peer announced: what may be sent. */
  readonly peerChannels: readonly number[];
  /** Data of one packet, both ways: 1,024 with CometBFT peers. At most half a slab. */
  readonly packetPayloadBytesMax: number;
  /** 0: no limit. */
  readonly sendRateBytesPerSecond: number;
  readonly receiveRateBytesPerSecond: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  /** A ping is sent when nothing was sent, or nothing heard, for this long. */
  readonly heartbeatIntervalMs: number;
  /** Nothing heard for this long, own stalls not counted: the connection is closed. */
  readonly silenceTimeoutMs: number;
}

export interface MConnectionHandler {
  /** One complete message, owned by the handler. Throwing closes the connection. */
  message(channel: ChannelDescriptor, bytes: Uint8Array): void;
  /** A queue that refused a message has room again. */
  sendable(channelId: number): void;
}

export interface MConnection {
  /** Begins to receive; before it nothing is handed over. */
  start(): void;
  /** Queues without copying. False: full, unknown to the peer, or closed. */
  trySend(channelId: number, message: Uint8Array, mayWait?: boolean): boolean;
  sendRoom(channelId: number): number;
  /** Whether both sides have the channel. */
  hasChannel(channelId: number): boolean;
  readonly pendingBytes: number;
  /** For how long nothing was heard, in whole heartbeats. */
  readonly silentMs: number;
  queues(): readonly SendQueue[];
}

type TimerName = "ping" | "pong" | "send" | "hold" | "receive" | "heartbeat";

interface Assembly {
  readonly channel: ChannelDescriptor;
  buffer: Uint8Array;
  length: number;
}

export function createMConnection(
  options: MConnectionOptions,
  dependencies: {
    readonly connection: SecretConnection;
    readonly clock: Clock;
    readonly turns: ReceiveTurns;
    readonly handler: MConnectionHandler;
  },
): MConnection {
  const { connection, clock, turns, handler } = dependencies;
  const { writer } = connection;
  const { packetPayloadBytesMax } = options;
  const packetRoom = PACKET_HEADER_BYTES_MAX + packetPayloadBytesMax;
  const queues = createSendQueues(
    options.channels.filter(({ id }) => options.peerChannels.includes(id)),
  );
  const assemblies = new Map<number, Assembly>(
    options.channels.map((channel) => [
      channel.id,
      { channel, buffer: new Uint8Array(0), length: 0 },
    ]),
  );
  const nowMs = clock.monotonicMs();
  const sendLimit = createRateLimit({ bytesPerSecond: options.sendRateBytesPerSecond, nowMs });
  const receiveLimit = createRateLimit({
    bytesPerSecond: options.receiveRateBytesPerSecond,
    nowMs,
  });
  const header = new Uint8Array(PACKET_HEADER_BYTES_MAX);
  const timers = new Map<TimerName, Cancel>();
  let isClosed = false;
  let hasHeard = false;
  let hasSent = false;
  let silentMs = 0;
  let isDrainScheduled = false;
  let isPingDue = false;
  let isPongDue = false;

  const setTimer = (name: TimerName, ms: number, task: () => void) => {
    timers.get(name)?.cancel();
    timers.set(
      name,
      clock.after(ms, () => {
        timers.delete(name);
        task();
      }),
    );
  };
  const clearTimer = (name: "pong" | "hold"): void => {
    timers.get(name)?.cancel();
    timers.delete(name);
  };

  const writePacket = (queue: SendQueue): number => {
    const message = queue.messages[queue.head];
    if (message === undefined) return 0;
    const length = packetLength(queue, packetPayloadBytesMax);
    const isLast = queue.offset + length === message.length;
    const headerLength = writePacketHeader(header, queue.channel.id, isLast, length);
    writer.write(header, 0, headerLength);
    writer.write(message, queue.offset, queue.offset + length);
    queues.advance(queue, length);
    return headerLength + length;
  };
  /** Tells the reactors of queues that refused a message and have room again. */
  const announceRoom = (): void => {
    for (const queue of queues.takeReady()) {
      // Not from within the drain: the reactor will queue more.
      queueMicrotask(() => {
        if (!isClosed) handler.sendable(queue.channel.id);
      });
    }
  };
  const drain = (): void => {
    isDrainScheduled = false;
    if (isClosed) return;
    clearTimer("hold");
    const startMs = clock.monotonicMs();
    const budget = DRAIN_SLABS_PER_TURN_MAX * LARGE_FRAME_DATA_BYTES_MAX;
    let written = 0;
    for (;;) {
      // A refused hasRoom leads to the room listener, which drains again.
      if (!writer.hasRoom(packetRoom)) break;
      if (isPongDue) {
        isPongDue = false;
        hasSent = true;
        writer.write(PONG_PACKET, 0, PONG_PACKET.length);
        continue;
      }
      if (isPingDue) {
        isPingDue = false;
        writer.write(PING_PACKET, 0, PING_PACKET.length);
        continue;
      }
      const queue = queues.next(startMs);
      if (queue === undefined) break;
      const delayMs = sendLimit.delayMs(startMs);
      if (delayMs > 0) {
        setTimer("send", delayMs, scheduleDrain);
        break;
      }
      const count = writePacket(queue);
      sendLimit.take(count, startMs);
      hasSent = true;
      written += count;
      if (written >= budget) {
        isDrainScheduled = true;
        setImmediate(drain);
        break;
      }
    }
    writer.flush();
    announceRoom();
  };
  const scheduleDrain = (): void => {
    if (isDrainScheduled || isClosed) return;
    isDrainScheduled = true;
    queueMicrotask(drain);
  };

  const giveUp = (): void => {
    connection.close(
      new P2pError(
        "P2P_PONG_TIMEOUT",
        `expected a pong within ${options.pongTimeoutMs} ms, got none`,
      ),
    );
  };
  const startPing = (): void => {
    setTimer("ping", options.pingIntervalMs, () => {
      isPingDue = true;
      // An unanswered ping keeps its deadline when the next one leaves.
      if (!timers.has("pong")) setTimer("pong", options.pongTimeoutMs, giveUp);
      scheduleDrain();
      startPing();
    });
  };

  /**
   * Silence is counted in heartbeats, not read off the clock: when this process stood still, the
   * timer is late once, and what arrived meanwhile is read before the next beat.
   */
  const startHeartbeat = (): void => {
    const { heartbeatIntervalMs, silenceTimeoutMs } = options;
    setTimer("heartbeat", heartbeatIntervalMs, () => {
      // Not reading is our own doing.
      if (hasHeard || timers.has("receive")) silentMs = 0;
      else silentMs += heartbeatIntervalMs;
      if (silentMs >= silenceTimeoutMs) {
        connection.close(
          new P2pError(
            "P2P_PEER_SILENT",
            `expected a sign of life every ${silenceTimeoutMs} ms, got none`,
          ),
        );
        return;
      }
      if (!hasSent || !hasHeard) {
        isPingDue = true;
        scheduleDrain();
      }
      hasHeard = false;
      hasSent = false;
      startHeartbeat();
    });
  };

  const receiveData = (
    channelId: number,
    isLast: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void => {
    const assembly = assemblies.get(channelId);
    if (assembly === undefined) {
      throw new P2pError(
        "P2P_CHANNEL_UNKNOWN",
        `expected one of our channels, got a packet on 0x${channelId.toString(16)}`,
      );
    }
    const { channel } = assembly;
    const length = assembly.length + end - start;
    if (length > channel.receiveMessageBytesMax) {
      throw new P2pError(
        "P2P_MESSAGE_TOO_LARGE",
        `expected at most ${channel.receiveMessageBytesMax} bytes on channel ${channel.name}, got ${length} and counting`,
      );
    }
    if (isLast && assembly.length === 0) {
      handler.message(channel, bytes.slice(start, end));
      return;
    }
    append(assembly, bytes, start, end);
    if (!isLast) return;
    const message = assembly.buffer.slice(0, length);
    assembly.length = 0;
    if (assembly.buffer.length > ASSEMBLY_KEEP_BYTES_MAX) assembly.buffer = new Uint8Array(0);
    handler.message(channel, message);
  };
  const parser = createPacketParser(
    {
      ping() {
        isPongDue = true;
        scheduleDrain();
      },
      pong: () => clearTimer("pong"),
      data: receiveData,
    },
    packetPayloadBytesMax,
  );

  /** Read and not handled yet; while there is some, nothing more is read. */
  const kept: Uint8Array[] = [];
  const keep = (bytes: Uint8Array, start: number, end: number): void => {
    if (kept.length === 0) {
      connection.pause();
      turns.later(goOn);
    }
    kept.push(bytes.slice(start, end));
  };
  /** Handles messages while there is time; returns how far it came. */
  const handleSome = (bytes: Uint8Array, start: number, end: number): number => {
    const beganMs = clock.monotonicMs();
    let at = start;
    while (at < end && !isClosed && turns.hasTime()) {
      const next = Math.min(at + RECEIVE_PIECE_BYTES, end);
      parser.push(bytes, at, next);
      at = next;
      if (at < end && clock.monotonicMs() - beganMs >= RECEIVE_SLICE_MS) break;
    }
    return at;
  };
  const goOn = (): void => {
    const bytes = kept[0];
    if (bytes === undefined || isClosed) return;
    try {
      const at = handleSome(bytes, 0, bytes.length);
      if (at < bytes.length) kept[0] = bytes.subarray(at);
      else kept.shift();
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      connection.close(
        toP2pError(error, "P2P_MESSAGE_INVALID", "the peer's bytes could not be handled"),
      );
      return;
    }
    if (kept.length > 0) turns.later(goOn);
    else if (!timers.has("receive")) connection.resume();
  };

  connection.setRoomListener(scheduleDrain);
  connection.onClose(() => {
    isClosed = true;
    for (const timer of timers.values()) timer.cancel();
    timers.clear();
    kept.length = 0;
  });

  return {
    start() {
      if (isClosed) return;
      startPing();
      startHeartbeat();
      connection.stream((bytes, start, end) => {
        if (isClosed) return;
        hasHeard = true;
        silentMs = 0;
        const at = kept.length > 0 ? start : handleSome(bytes, start, end);
        if (isClosed) return;
        if (at < end) keep(bytes, at, end);
        const now = clock.monotonicMs();
        receiveLimit.take(end - start, now);
        const delayMs = receiveLimit.delayMs(now);
        if (delayMs > 0 && !timers.has("receive")) {
          connection.pause();
          setTimer("receive", delayMs, () => {
            if (kept.length === 0) connection.resume();
          });
        }
      });
    },
    trySend(channelId, message, mayWait = false) {
      if (isClosed || !queues.push(channelId, message)) return false;
      if (!mayWait || queues.isHalfFull(channelId)) scheduleDrain();
      else if (!isDrainScheduled && !timers.has("hold")) setTimer("hold", HOLD_MS, scheduleDrain);
      return true;
    },
    hasChannel: (channelId) => queues.has(channelId),
    sendRoom: (channelId) => (isClosed ? 0 : queues.room(channelId)),
    get pendingBytes() {
      return queues.bytes;
    },
    get silentMs() {
      return silentMs;
    },
    queues: () => queues.all,
  };
}

/** Adds a packet to its channel's message; the buffer doubles up to the channel's cap. */
function append(assembly: Assembly, bytes: Uint8Array, start: number, end: number): void {
  const length = assembly.length + end - start;
  if (length > assembly.buffer.length) {
    const capacity = Math.min(
      assembly.channel.receiveMessageBytesMax,
      Math.max(length, 2 * assembly.buffer.length, 4 * PACKET_PAYLOAD_BYTES_MAX),
    );
    const grown = new Uint8Array(capacity);
    grown.set(assembly.buffer.subarray(0, assembly.length));
    assembly.buffer = grown;
  }
  assembly.buffer.set(bytes.subarray(start, end), assembly.length);
  assembly.length = length;
}

/** A queue as status reports show it. */
export function queueStatus(queue: SendQueue): ChannelStatus {
  const { id, priority, sendQueueMessagesMax } = queue.channel;
  return {
    id,
    priority,
    sendQueueMessagesMax,
    sendQueueMessages: waiting(queue),
    sendQueueBytes: queue.bytes,
    recentlySentBytes: Math.round(queue.recentlySent),
  };
}
