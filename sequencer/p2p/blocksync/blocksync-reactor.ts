/**
 * The block sync reactor (spec §17.5): serves stored blocks, and carries the requests of this node's
 * own block sync. The rules of the wire are here; what to ask of whom is the listener's.
 */
import { Height, type NodeId } from "../../../proto/brands.ts";
import {
  decodeBlockSyncMessage,
  encodeBlockResponse,
  encodeBlockSyncMessage,
} from "../../../proto/codec/sync-messages.ts";
import { encodeExtendedCommit } from "../../../proto/codec/votes.ts";
import { AssertionFailure, assertNever } from "../../../proto/errors.ts";
import { BLOCK_SIZE_BYTES_MAX, VOTES_MAX } from "../../../proto/limits.ts";
import type { BlockSyncMessage } from "../../../proto/messages.ts";
import type { Block, ExtendedCommit } from "../../../proto/types.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { P2pError, toPeersFault } from "../errors.ts";
import {
  BLOCKS_OWED_PER_PEER_MAX,
  BLOCK_REQUESTS_PER_PEER_MAX,
  BLOCK_SEND_QUEUE_BYTES_MAX,
  BLOCK_SEND_QUEUE_MESSAGES_MAX,
  BLOCK_SEND_RETRY_MS,
} from "../limits.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../reactor.ts";

/** Tag and length around a block in its message (`blocksync/msgs.go`). */
const BLOCK_RESPONSE_FRAMING_BYTES = 5;
/** First byte of a BlockResponse: field 3, length-delimited. */
const BLOCK_RESPONSE_TAG = 0x1a;

export const BLOCK_SYNC_CHANNEL: ChannelDescriptor = {
  id: 0x40,
  name: "blocksync",
  priority: 5,
  sendQueueMessagesMax: BLOCK_SEND_QUEUE_MESSAGES_MAX,
  receiveMessageBytesMax: BLOCK_SIZE_BYTES_MAX + BLOCK_RESPONSE_FRAMING_BYTES,
};

/** Stored blocks, to be served. */
export interface ServedBlocks {
  /** Lowest and highest height in store; 0 when it is empty. */
  base(): Height;
  height(): Height;
  /** The block's canonical bytes. */
  blockBytes(height: Height): Promise<Uint8Array | undefined>;
  /** Held exactly where vote extensions were enabled. */
  extendedCommit(height: Height): Promise<ExtendedCommit | undefined>;
}

/** Our own block sync; the engine's fits as it is. */
export interface BlockSyncSink {
  peerRemoved(peer: NodeId): void;
  statusReceived(peer: NodeId, base: Height, height: Height): void;
  /** A block that was requested of this peer; `sizeBytes` is the message's. */
  blockReceived(
    peer: NodeId,
    block: Block,
    extendedCommit: ExtendedCommit | undefined,
    sizeBytes: number,
  ): void;
  noBlockReceived(peer: NodeId, height: Height): void;
}

export interface BlockSyncReactor extends Reactor {
  /** Where answers go from now on; until then nothing is asked, so that none come. */
  attach(sink: BlockSyncSink): void;
  stop(): void;
  /** Asks for base and height. False when it cannot be sent. */
  requestStatus(peer: NodeId): boolean;
  /** Asks for a block; the answer may come at any later time. False when it cannot be sent. */
  requestBlock(peer: NodeId, height: Height): boolean;
  /** Disconnects a peer that broke a rule. */
  drop(peer: NodeId, reason: string): void;
  /** Bytes ever received of a peer; 0 when it is gone. */
  bytesReceived(peer: NodeId): number;
  /** Peers that announce the channel. */
  peers(): readonly NodeId[];
}

interface Answer {
  readonly kind: "block" | "none";
  readonly bytes: Uint8Array;
}

interface Target {
  readonly peer: Peer;
  /** What it asked for and was not sent yet, in its order. */
  readonly wanted: Height[];
  /** The answer to the first of them, when its queue had no room for it. */
  ready: Answer | undefined;
  /** What we asked it for. */
  readonly owed: Set<number>;
  isServing: boolean;
  retry: Cancel | undefined;
}

export function createBlockSyncReactor(dependencies: {
  readonly blocks: ServedBlocks;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
}): BlockSyncReactor {
  const { blocks, clock, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "blocksync-reactor" });
  const targets = new Map<NodeId, Target>();
  const statusRequest = encodeBlockSyncMessage({ kind: "statusRequest" });
  let sink: BlockSyncSink | undefined;
  let isStopped = false;
  /** What was ever reported: neither may fall, or CometBFT drops us (spec §23, trap 14). */
  let reported = { base: Height(0), height: Height(0) };

  const status = (): Uint8Array => {
    const base = Height(Math.max(reported.base, blocks.base()));
    const height = Height(Math.max(reported.height, blocks.height()));
    reported = { base, height };
    return encodeBlockSyncMessage({ kind: "statusResponse", base, height });
  };
  const queuedBytes = (peer: Peer): number =>
    peer.status().channels.find(({ id }) => id === BLOCK_SYNC_CHANNEL.id)?.sendQueueBytes ?? 0;

  /** Answers what a peer asked for, block by block, as fast as it takes them. */
  const serve = (target: Target): void => {
    if (target.isServing) return;
    target.isServing = true;
    void answerAll(target).finally(() => {
      target.isServing = false;
    });
  };
  const answerAll = async (target: Target): Promise<void> => {
    const { peer, wanted } = target;
    while (!isStopped && !peer.isClosed) {
      const [height] = wanted;
      if (height === undefined) return;
      if (queuedBytes(peer) >= BLOCK_SEND_QUEUE_BYTES_MAX) break;
      const answer = target.ready ?? (await readAnswer(height));
      // A large block may be refused for long, until nothing else waits: it is not read again.
      target.ready = answer;
      if (!peer.trySend(BLOCK_SYNC_CHANNEL.id, answer.bytes)) break;
      target.ready = undefined;
      metrics.blocksServed.inc({ answer: answer.kind });
      wanted.shift();
    }
    if (isStopped || peer.isClosed) return;
    target.retry?.cancel();
    target.retry = clock.after(BLOCK_SEND_RETRY_MS, () => serve(target));
  };
  const readAnswer = async (height: Height): Promise<Answer> => {
    try {
      if (height >= blocks.base() && height <= blocks.height() && height > 0) {
        const block = await blocks.blockBytes(height);
        const commit = await blocks.extendedCommit(height);
        if (block !== undefined) {
          const extended = commit === undefined ? undefined : encodeExtendedCommit(commit);
          return { kind: "block", bytes: encodeBlockResponse(block, extended) };
        }
      }
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      // The peer asks somebody else; the store's owner reports what is wrong with it.
      logger.error("stored block could not be read for a peer", {
        height,
        error: error instanceof Error ? error.message : String(error),
      });
    }
    return { kind: "none", bytes: encodeBlockSyncMessage({ kind: "noBlockResponse", height }) };
  };

  const handle = (target: Target, message: BlockSyncMessage, sizeBytes: number): void => {
    const { id } = target.peer;
    switch (message.kind) {
      case "statusRequest":
        target.peer.trySend(BLOCK_SYNC_CHANNEL.id, status());
        return;
      case "statusResponse":
        sink?.statusReceived(id, message.base, message.height);
        return;
      case "blockRequest":
        if (target.wanted.length >= BLOCK_REQUESTS_PER_PEER_MAX) {
          throw invalid(`at most ${BLOCK_REQUESTS_PER_PEER_MAX} block requests at once`, "more");
        }
        target.wanted.push(message.height);
        serve(target);
        return;
      case "noBlockResponse":
        // One that was not asked for says nothing.
        if (target.owed.delete(message.height)) sink?.noBlockReceived(id, message.height);
        return;
      case "blockResponse": {
        const { block, extendedCommit } = message;
        const { height } = block.header;
        if (!target.owed.delete(height)) {
          throw invalid("a block that was requested", `block ${height}`);
        }
        const signatures = Math.max(
          block.lastCommit.signatures.length,
          extendedCommit?.extendedSignatures.length ?? 0,
        );
        if (signatures > VOTES_MAX) {
          throw invalid(`commits of at most ${VOTES_MAX} signatures`, `${signatures}`);
        }
        sink?.blockReceived(id, block, extendedCommit, sizeBytes);
        return;
      }
      default:
        assertNever(message, "block sync message");
    }
  };

  return {
    name: "blocksync",
    channels: [BLOCK_SYNC_CHANNEL],
    attach(to) {
      sink = to;
    },
    stop() {
      isStopped = true;
      for (const { retry } of targets.values()) retry?.cancel();
    },
    requestStatus(id) {
      return targets.get(id)?.peer.trySend(BLOCK_SYNC_CHANNEL.id, statusRequest) ?? false;
    },
    requestBlock(id, height) {
      const target = targets.get(id);
      if (target === undefined) return false;
      // It owes that answer: a second request would bring a second one, which nobody asked for by then.
      if (target.owed.has(height)) return true;
      if (target.owed.size >= BLOCKS_OWED_PER_PEER_MAX) return false;
      const bytes = encodeBlockSyncMessage({ kind: "blockRequest", height });
      if (!target.peer.trySend(BLOCK_SYNC_CHANNEL.id, bytes)) return false;
      target.owed.add(height);
      return true;
    },
    drop(id, reason) {
      targets.get(id)?.peer.close(new P2pError("P2P_PEER_UNHELPFUL", reason));
    },
    bytesReceived(id) {
      return targets.get(id)?.peer.status().bytesReceived ?? 0;
    },
    peers: () => [...targets.keys()],
    addPeer(peer) {
      if (!peer.nodeInfo.channels.includes(BLOCK_SYNC_CHANNEL.id)) return;
      targets.set(peer.id, {
        peer,
        wanted: [],
        ready: undefined,
        owed: new Set(),
        isServing: false,
        retry: undefined,
      });
      peer.trySend(BLOCK_SYNC_CHANNEL.id, status());
    },
    removePeer(peer) {
      const target = targets.get(peer.id);
      if (target?.peer !== peer) return;
      target.retry?.cancel();
      targets.delete(peer.id);
      sink?.peerRemoved(peer.id);
    },
    receive(_channelId, peer, bytes) {
      const target = targets.get(peer.id);
      if (target === undefined) return;
      try {
        // Not worth decoding: it may be 100 MiB.
        if (target.owed.size === 0 && bytes[0] === BLOCK_RESPONSE_TAG) {
          throw invalid("blocks that were requested only", "another");
        }
        handle(target, decodeBlockSyncMessage(bytes), bytes.length);
      } catch (error) {
        throw toPeersFault(error);
      }
    },
  };
}

function invalid(expected: string, got: string): P2pError {
  return new P2pError("P2P_MESSAGE_INVALID", `block sync: expected ${expected}, got ${got}`);
}
