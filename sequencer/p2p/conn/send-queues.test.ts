import { describe, expect, test } from "vitest";
import { SEND_QUEUE_BYTES_MAX } from "../limits.ts";
import type { ChannelDescriptor } from "../reactor.ts";
import { createSendQueues, packetLength } from "./send-queues.ts";

function channel(id: number, priority: number, sendQueueMessagesMax = 10_000): ChannelDescriptor {
  return {
    id,
    name: `c${id}`,
    priority,
    sendQueueMessagesMax,
    receiveMessageBytesMax: 1 << 20,
  };
}

describe("send queues", () => {
  test("share the link by priority", () => {
    const queues = createSendQueues([channel(1, 1), channel(2, 9)]);
    for (let i = 0; i < 1_000; i++) {
      queues.push(1, new Uint8Array(1_024));
      queues.push(2, new Uint8Array(1_024));
    }
    const sent = [0, 0, 0];
    for (let i = 0; i < 1_000; i++) {
      const queue = queues.next(0);
      if (queue === undefined) break;
      sent[queue.channel.id] = (sent[queue.channel.id] ?? 0) + 1;
      queues.advance(queue, packetLength(queue, 1_024));
    }
    expect(sent[1]).toBeGreaterThan(90);
    expect(sent[1]).toBeLessThan(110);
  });

  test("refuse beyond messages and bytes, and name a refusing queue once it is half empty", () => {
    const queues = createSendQueues([channel(1, 1, 4)]);
    const taken = Array.from({ length: 6 }, () => queues.push(1, new Uint8Array(10)));
    expect(taken).toEqual([true, true, true, true, false, false]);
    expect(queues.room(1)).toBe(0);
    const drainOne = (): void => {
      const queue = queues.next(0);
      if (queue !== undefined) queues.advance(queue, packetLength(queue, 1_024));
    };
    drainOne();
    expect(queues.takeReady()).toHaveLength(0);
    drainOne();
    expect(queues.takeReady()).toHaveLength(1);
    expect(queues.takeReady()).toHaveLength(0);
    expect(queues.bytes).toBe(20);

    const wide = createSendQueues([channel(1, 1), channel(2, 1)]);
    expect(wide.push(1, new Uint8Array(SEND_QUEUE_BYTES_MAX - 1))).toBe(true);
    expect(wide.push(2, new Uint8Array(2))).toBe(false);
    expect(wide.push(2, new Uint8Array(1))).toBe(true);
    expect(wide.push(3, new Uint8Array(1))).toBe(false);
  });

  test("a message larger than a packet goes out in full packets and a rest", () => {
    const queues = createSendQueues([channel(1, 1)]);
    queues.push(1, new Uint8Array(2_500));
    const lengths: number[] = [];
    for (let queue = queues.next(0); queue !== undefined; queue = queues.next(0)) {
      lengths.push(packetLength(queue, 1_024));
      queues.advance(queue, packetLength(queue, 1_024));
    }
    expect(lengths).toEqual([1_024, 1_024, 452]);
  });
});
