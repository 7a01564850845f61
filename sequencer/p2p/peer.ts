/** A connected peer: one MConnection, its announced NodeInfo, and its counters. */
import type { NodeId } from "../../proto/brands.ts";
import type { Clock } from "../ports/clock.ts";
import type { P2pError } from "./errors.ts";
import { LARGE_PACKET_PAYLOAD_BYTES_MAX } from "./limits.ts";
import { createMConnection, queueStatus } from "./conn/mconnection.ts";
import type { ReceiveTurns } from "./conn/receive-turns.ts";
import type { P2pMetrics } from "./metrics.ts";
import type { ChannelDescriptor, Peer } from "./reactor.ts";
import type { UpgradedConnection } from "./transport.ts";

export interface PeerOptions {
  readonly channels: readonly ChannelDescriptor[];
  readonly isPersistent: boolean;
  readonly sendRateBytesPerSecond: number;
  readonly receiveRateBytesPerSecond: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly silenceTimeoutMs: number;
  /** Data of one packet on the plain wire. */
  readonly packetPayloadBytesMax: number;
}

export interface PeerHandler {
  message(channel: ChannelDescriptor, peer: Peer, bytes: Uint8Array): void;
  sendable(channelId: number, peer: Peer): void;
}

/** A peer and what only the switch may do with it. */
export interface ManagedPeer extends Peer {
  readonly connectedAtMs: number;
  /** Begins to receive. */
  start(): void;
  onClose(listener: (reason: P2pError) => void): void;
  /** Adds what has passed since the last call to the metrics. */
  report(): void;
  /** For how long nothing was heard, in ms. */
  readonly silentMs: number;
}

export function createPeer(
  options: PeerOptions & { readonly upgraded: UpgradedConnection },
  dependencies: {
    readonly handler: PeerHandler;
    readonly clock: Clock;
    readonly turns: ReceiveTurns;
    readonly metrics: P2pMetrics;
  },
): ManagedPeer {
  const { upgraded, channels } = options;
  const { connection, nodeInfo } = upgraded;
  const { handler, clock, turns, metrics } = dependencies;
  const id: NodeId = nodeInfo.nodeId;
  const connectedAtMs = clock.monotonicMs();
  const labels = new Map(
    channels.map(({ id: channelId, name }) => [
      channelId,
      {
        peer: { peer_id: id, channel: name },
        type: { message_type: name },
        sentBytes: 0,
        receivedBytes: 0,
      },
    ]),
  );
  let isClosed = false;
  let refusedSends = 0;
  /** Counters cost more than small messages do: they are added up, and told once a second. */
  const report = (): void => {
    for (const traffic of labels.values()) {
      const { peer: byPeer, type, sentBytes, receivedBytes } = traffic;
      if (receivedBytes > 0) {
        metrics.peerReceiveBytes.inc(byPeer, receivedBytes);
        metrics.messageReceiveBytes.inc(type, receivedBytes);
      }
      if (sentBytes > 0) {
        metrics.peerSendBytes.inc(byPeer, sentBytes);
        metrics.messageSendBytes.inc(type, sentBytes);
      }
      traffic.sentBytes = 0;
      traffic.receivedBytes = 0;
    }
    if (refusedSends > 0) metrics.dropped.inc({ reason: "send_queue_full" }, refusedSends);
    refusedSends = 0;
    metrics.peerPendingSendBytes.set(isClosed ? 0 : mconnection.pendingBytes, { peer_id: id });
  };

  const mconnection = createMConnection(
    {
      ...options,
      peerChannels: [...nodeInfo.channels],
      packetPayloadBytesMax: upgraded.usesLargeFrames
        ? LARGE_PACKET_PAYLOAD_BYTES_MAX
        : options.packetPayloadBytesMax,
    },
    {
      connection,
      clock,
      turns,
      handler: {
        message(channel, bytes) {
          const traffic = labels.get(channel.id);
          if (traffic !== undefined) traffic.receivedBytes += bytes.length;
          handler.message(channel, peer, bytes);
        },
        sendable: (channelId) => handler.sendable(channelId, peer),
      },
    },
  );
  connection.onClose(() => {
    isClosed = true;
    report();
  });
  const peer: ManagedPeer = {
    id,
    nodeInfo,
    isOutbound: upgraded.isOutbound,
    isPersistent: options.isPersistent,
    remoteAddress: upgraded.remoteAddress,
    connectedAtMs,
    get isClosed() {
      return isClosed;
    },
    trySend(channelId, message, mayWait) {
      const label = labels.get(channelId);
      if (label === undefined || isClosed || !mconnection.hasChannel(channelId)) return false;
      if (!mconnection.trySend(channelId, message, mayWait)) {
        refusedSends += 1;
        return false;
      }
      label.sentBytes += message.length;
      return true;
    },
    sendRoom: (channelId) => mconnection.sendRoom(channelId),
    close: (reason) => connection.close(reason),
    start: () => mconnection.start(),
    onClose: (listener) => connection.onClose(listener),
    report,
    get silentMs() {
      return mconnection.silentMs;
    },
    status: () => ({
      connectedMs: clock.monotonicMs() - connectedAtMs,
      bytesSent: connection.bytesSent,
      bytesReceived: connection.bytesReceived,
      channels: mconnection.queues().map(queueStatus),
    }),
  };
  return peer;
}
