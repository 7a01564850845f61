/** Switches and hand-driven peers on the loopback interface, for transport tests. */
import { randomBytes } from "node:crypto";
import { toHex } from "../../proto/bytes.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { parseHostPort } from "../../sequencer/p2p/address.ts";
import type { P2pError } from "../../sequencer/p2p/errors.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import { createNodeKey, type NodeKey } from "../../sequencer/p2p/node-key.ts";
import { PACKET_HEADER_BYTES_MAX, writePacketHeader } from "../../sequencer/p2p/conn/packet.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../../sequencer/p2p/reactor.ts";
import type { SecretConnection } from "../../sequencer/p2p/conn/secret-connection.ts";
import { createSwitch, type Switch, type SwitchOptions } from "../../sequencer/p2p/switch.ts";
import { dialTcp, upgradeConnection } from "../../sequencer/p2p/transport.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";

export const CHAT_CHANNEL: ChannelDescriptor = {
  id: 0x20,
  name: "chat",
  priority: 5,
  sendQueueMessagesMax: 100,
  receiveMessageBytesMax: 1 << 20,
};

/** Keeps what it hears. */
export interface ChatReactor extends Reactor {
  readonly heard: { readonly from: string; readonly bytes: Uint8Array }[];
  readonly gone: { readonly peer: Peer; readonly reason: P2pError }[];
  readonly sendable: number[];
}

export function createChatReactor(channel: ChannelDescriptor = CHAT_CHANNEL): ChatReactor {
  const heard: { from: string; bytes: Uint8Array }[] = [];
  const gone: { peer: Peer; reason: P2pError }[] = [];
  const sendable: number[] = [];
  return {
    name: "chat",
    channels: [channel],
    heard,
    gone,
    sendable,
    addPeer: () => {},
    removePeer: (peer, reason) => gone.push({ peer, reason }),
    receive: (_channelId, peer, bytes) => heard.push({ from: peer.id, bytes }),
    onSendable: (channelId) => sendable.push(channelId),
  };
}

export interface TestNode {
  readonly key: NodeKey;
  readonly chat: ChatReactor;
  readonly network: Switch;
  /** `id@host:port`. */
  address(): string;
}

export function createTestNode(
  options: Partial<SwitchOptions> = {},
  key: NodeKey = createNodeKey(),
  reactors?: readonly Reactor[],
  clock: Clock = createSystemClock(),
): TestNode {
  const chat = createChatReactor();
  const network = createSwitch(
    {
      listenAddress: "127.0.0.1:0",
      network: "test-chain",
      moniker: "test",
      persistentPeers: [],
      allowsDuplicateIp: true,
      sendRateBytesPerSecond: 0,
      receiveRateBytesPerSecond: 0,
      ...options,
    },
    {
      nodeKey: key,
      verifySignature: verifyEd25519Sync,
      reactors: reactors ?? [chat],
      clock,
      logger: NULL_LOGGER,
      metrics: NULL_P2P_METRICS,
      random: () => (randomBytes(1)[0] ?? 0) / 256,
    },
  );
  return { key, chat, network, address: () => `${key.id}@${network.listenAddress()}` };
}

/** A peer whose bytes the test writes by hand, after an honest handshake. */
export async function connectByHand(
  to: TestNode,
  change: Partial<NodeInfo> = {},
  key: NodeKey = createNodeKey(),
): Promise<SecretConnection> {
  const clock = createSystemClock();
  const socket = await dialTcp(
    { address: parseHostPort(to.network.listenAddress() ?? ""), timeoutMs: 3_000 },
    { clock },
  );
  const theirs = to.network.nodeInfo();
  const { connection } = await upgradeConnection(
    {
      socket,
      ourInfo: { ...theirs, nodeId: key.id, channels: Uint8Array.of(0x20), ...change },
      expectedId: to.key.id,
      timeoutMs: 3_000,
    },
    { signer: key, verifySignature: verifyEd25519Sync, clock },
  );
  return connection;
}

export function hexes(chat: ChatReactor): string[] {
  return chat.heard.map(({ bytes }) => toHex(bytes));
}

/** One whole packet, by hand. */
export function packet(channelId: number, data: Uint8Array, isLast = true): Uint8Array {
  const bytes = new Uint8Array(PACKET_HEADER_BYTES_MAX + data.length);
  const length = writePacketHeader(bytes, channelId, isLast, data.length);
  bytes.set(data, length);
  return bytes.subarray(0, length + data.length);
}
