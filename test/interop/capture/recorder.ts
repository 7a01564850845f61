/**
 * A peer of a Go node on our own p2p stack that keeps every message as it came. What the node says of its
 * round is said back to it, so that it sends the proposal, parts and votes of a peer that has none.
 */
import {
  decodeBlockSyncMessage,
  encodeBlockSyncMessage,
} from "../../../proto/codec/sync-messages.ts";
import { decodeConsensusMessage } from "../../../proto/codec/consensus-messages.ts";
import type { Height } from "../../../proto/brands.ts";
import type { ConsensusMessage } from "../../../proto/messages.ts";
import { BLOCK_SYNC_CHANNEL } from "../../../sequencer/p2p/blocksync/blocksync-reactor.ts";
import {
  DATA_CHANNEL,
  STATE_CHANNEL,
  VOTE_CHANNEL,
  VOTE_SET_BITS_CHANNEL,
} from "../../../sequencer/p2p/consensus/consensus-channels.ts";
import { EVIDENCE_CHANNEL } from "../../../sequencer/p2p/evidence/evidence-reactor.ts";
import { createNodeKey } from "../../../sequencer/p2p/node-key.ts";
import type { ChannelDescriptor, Peer } from "../../../sequencer/p2p/reactor.ts";
import { createTestNode } from "../../support/p2p.ts";
import type { RecordedMessage } from "../../support/go-recordings.ts";

const MEMPOOL_CHANNEL: ChannelDescriptor = {
  id: 0x30,
  name: "mempool",
  priority: 5,
  sendQueueMessagesMax: 10,
  receiveMessageBytesMax: 1 << 21,
};
const CONSENSUS_CHANNELS = [STATE_CHANNEL, DATA_CHANNEL, VOTE_CHANNEL, VOTE_SET_BITS_CHANNEL];

export interface Recorder {
  /** All messages but block responses, in the order they came. */
  readonly messages: readonly RecordedMessage[];
  /** The whole BlockResponse of a height, as the node sent it. */
  block(height: Height): Promise<Uint8Array>;
  stop(): Promise<void>;
}

export async function startRecorder(network: string, address: string): Promise<Recorder> {
  const messages: RecordedMessage[] = [];
  let peer: Peer | undefined;
  let awaited: { height: Height; resolve: (bytes: Uint8Array) => void } | undefined;

  function receive(channel: number, from: Peer, bytes: Uint8Array): void {
    if (channel === BLOCK_SYNC_CHANNEL.id && answersRequest(bytes)) return;
    messages.push({ channel, bytes });
    if (channel !== STATE_CHANNEL.id) return;
    const { kind } = decodeConsensusMessage(bytes);
    if (kind === "newRoundStep" || kind === "voteSetMaj23") from.trySend(channel, bytes);
  }

  function answersRequest(bytes: Uint8Array): boolean {
    const message = decodeBlockSyncMessage(bytes);
    if (message.kind !== "blockResponse") return false;
    if (awaited?.height === message.block.header.height) awaited.resolve(bytes);
    return true;
  }

  const node = createTestNode({ network, moniker: "recorder" }, createNodeKey(), [
    {
      name: "recorder",
      channels: [...CONSENSUS_CHANNELS, MEMPOOL_CHANNEL, EVIDENCE_CHANNEL, BLOCK_SYNC_CHANNEL],
      addPeer: (added) => {
        peer = added;
      },
      removePeer: (_peer, reason) => {
        process.stderr.write(`the recorded node left: ${reason.message}\n`);
      },
      receive,
    },
  ]);
  await node.network.start();
  await node.network.dial(address);
  return {
    messages,
    block(height) {
      return new Promise((resolve, reject) => {
        awaited = { height, resolve };
        const request = encodeBlockSyncMessage({ kind: "blockRequest", height });
        if (peer?.trySend(BLOCK_SYNC_CHANNEL.id, request) !== true) {
          reject(new Error(`the node cannot be asked for block ${height}`));
        }
      });
    },
    stop: () => node.network.stop(),
  };
}

/** The height that a consensus message is about, when it names one. */
export function heightOf(message: ConsensusMessage): number {
  if (message.kind === "proposal") return message.proposal.height;
  return message.kind === "vote" ? message.vote.height : message.height;
}
