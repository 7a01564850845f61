/** What a reactor and the switch know of each other. */
import type { NodeId } from "../../proto/brands.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import type { P2pError } from "./errors.ts";

/** A channel of the wire (spec §17.1). */
export interface ChannelDescriptor {
  readonly id: number;
  /** Bounded label of metrics. */
  readonly name: string;
  /** Share of the link relative to other channels with data, at least 1. */
  readonly priority: number;
  /** Messages that may wait. Full: `trySend` returns false. */
  readonly sendQueueMessagesMax: number;
  /** Bytes of one received message. More: the peer is dropped. */
  readonly receiveMessageBytesMax: number;
}

/** A connected peer, as reactors see it. */
export interface Peer {
  readonly id: NodeId;
  readonly nodeInfo: NodeInfo;
  readonly isOutbound: boolean;
  readonly isPersistent: boolean;
  /** Address of the socket, `host:port`. */
  readonly remoteAddress: string;
  /** True once it is gone; sends then return false. */
  readonly isClosed: boolean;
  /**
   * Queues `message` without copying it: the bytes must not change afterwards, and one encoding may
   * go to many peers. Returns false when the queue is full, the peer did not announce the channel,
   * or it is gone; `Reactor.onSendable` follows once a full queue has room. What is queued leaves
   * with this turn of the event loop; a message that `mayWait` waits up to `HOLD_MS` for others.
   */
  trySend(channelId: number, message: Uint8Array, mayWait?: boolean): boolean;
  /** Messages that can be queued on the channel now. */
  sendRoom(channelId: number): number;
  /** Disconnects for `reason`; every reactor hears of it through `removePeer`. */
  close(reason: P2pError): void;
  /** A snapshot for `/net_info` and metrics. */
  status(): PeerStatus;
}

export interface PeerStatus {
  readonly connectedMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly channels: readonly ChannelStatus[];
}

export interface ChannelStatus {
  readonly id: number;
  readonly priority: number;
  readonly sendQueueMessagesMax: number;
  readonly sendQueueMessages: number;
  readonly sendQueueBytes: number;
  readonly recentlySentBytes: number;
}

/** A protocol on some channels. The switch owns its peers; a reactor keeps its own state per peer. */
export interface Reactor {
  /** Bounded label of metrics and logs. */
  readonly name: string;
  readonly channels: readonly ChannelDescriptor[];
  addPeer(peer: Peer): void;
  removePeer(peer: Peer, reason: P2pError): void;
  /**
   * One complete message; `message` belongs to the reactor. Anything thrown disconnects the peer:
   * throw `P2pError` `P2P_MESSAGE_INVALID` for what an honest peer cannot send.
   */
  receive(channelId: number, peer: Peer, message: Uint8Array): void;
  /** A queue that refused a message has room again. */
  onSendable?(channelId: number, peer: Peer): void;
}
