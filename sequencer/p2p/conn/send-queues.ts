/** The send queues of one peer: bounded, one per channel, drained packet by packet by priority. */
import type { ChannelDescriptor } from "../reactor.ts";
import { SEND_QUEUE_BYTES_MAX } from "../limits.ts";

/** CometBFT's decay of `recentlySent`: times 0.8 every 2 s. */
const DECAY_INTERVAL_MS = 2_000;
const DECAY = 0.8;

/** One channel's queue; `head` of `messages` is being sent from `offset`. */
export interface SendQueue {
  readonly channel: ChannelDescriptor;
  readonly messages: (Uint8Array | undefined)[];
  head: number;
  offset: number;
  bytes: number;
  recentlySent: number;
  /** A send was refused; the reactor is told when there is room. */
  hasRefused: boolean;
}

export interface SendQueues {
  readonly bytes: number;
  readonly all: readonly SendQueue[];
  /** False when the channel is not one of these. */
  has(channelId: number): boolean;
  /** False when the queue is full, by messages or by bytes of the peer. */
  push(channelId: number, message: Uint8Array): boolean;
  room(channelId: number): number;
  /** What is queued on the channel should leave now. */
  isHalfFull(channelId: number): boolean;
  /** The queue whose turn it is; undefined when all are empty. */
  next(nowMs: number): SendQueue | undefined;
  /** Notes that `count` data bytes of the head message were sent. */
  advance(queue: SendQueue, count: number): void;
  /** Queues that refused a message and are at most half full again; each is named once. */
  takeReady(): readonly SendQueue[];
}

export function createSendQueues(channels: readonly ChannelDescriptor[]): SendQueues {
  const all = channels.map(
    (channel): SendQueue => ({
      channel,
      messages: [],
      head: 0,
      offset: 0,
      bytes: 0,
      recentlySent: 0,
      hasRefused: false,
    }),
  );
  const byId = new Map(all.map((queue) => [queue.channel.id, queue]));
  let bytes = 0;
  let decayedMs = 0;
  /** Queues with `hasRefused` set. */
  let refusals = 0;

  return {
    get bytes() {
      return bytes;
    },
    all,
    has: (channelId) => byId.has(channelId),
    push(channelId, message) {
      const queue = byId.get(channelId);
      if (queue === undefined) return false;
      const isFull =
        waiting(queue) >= queue.channel.sendQueueMessagesMax ||
        (bytes > 0 && bytes + message.length > SEND_QUEUE_BYTES_MAX);
      if (isFull) {
        if (!queue.hasRefused) refusals += 1;
        queue.hasRefused = true;
        return false;
      }
      queue.messages.push(message);
      queue.bytes += message.length;
      bytes += message.length;
      return true;
    },
    room(channelId) {
      const queue = byId.get(channelId);
      if (queue === undefined || bytes >= SEND_QUEUE_BYTES_MAX) return 0;
      return Math.max(0, queue.channel.sendQueueMessagesMax - waiting(queue));
    },
    isHalfFull(channelId) {
      const queue = byId.get(channelId);
      return queue !== undefined && waiting(queue) * 2 >= queue.channel.sendQueueMessagesMax;
    },
    next(nowMs) {
      if (nowMs - decayedMs >= DECAY_INTERVAL_MS) {
        const factor = DECAY ** Math.floor((nowMs - decayedMs) / DECAY_INTERVAL_MS);
        for (const queue of all) queue.recentlySent *= factor;
        decayedMs = nowMs;
      }
      let best: SendQueue | undefined;
      let bestShare = Number.POSITIVE_INFINITY;
      for (const queue of all) {
        if (queue.head >= queue.messages.length) continue;
        const share = queue.recentlySent / queue.channel.priority;
        if (share < bestShare) {
          best = queue;
          bestShare = share;
        }
      }
      return best;
    },
    advance(queue, count) {
      queue.recentlySent += count;
      queue.offset += count;
      const message = queue.messages[queue.head];
      if (message === undefined || queue.offset < message.length) return;
      queue.messages[queue.head] = undefined;
      queue.head += 1;
      queue.offset = 0;
      queue.bytes -= message.length;
      bytes -= message.length;
      if (queue.head === queue.messages.length) {
        queue.messages.length = 0;
        queue.head = 0;
      } else if (queue.head >= 64 && queue.head * 2 >= queue.messages.length) {
        queue.messages.splice(0, queue.head);
        queue.head = 0;
      }
    },
    takeReady() {
      if (refusals === 0 || bytes * 2 > SEND_QUEUE_BYTES_MAX) return [];
      const ready = all.filter((queue) => queue.hasRefused && hasRoomAgain(queue));
      for (const queue of ready) queue.hasRefused = false;
      refusals -= ready.length;
      return ready;
    },
  };
}

/** Whether a queue that refused a message has emptied enough to be worth asking again. */
function hasRoomAgain(queue: SendQueue): boolean {
  return waiting(queue) * 2 <= queue.channel.sendQueueMessagesMax;
}

/** Messages not yet completely sent. */
export function waiting(queue: SendQueue): number {
  return queue.messages.length - queue.head;
}

/** Data bytes of the next packet of `queue`. */
export function packetLength(queue: SendQueue, payloadBytesMax: number): number {
  const length = queue.messages[queue.head]?.length ?? 0;
  return Math.min(length - queue.offset, payloadBytesMax);
}
