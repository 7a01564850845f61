/** Messages that may wait for others to leave with, in simulated time. */
import { expect, test } from "vitest";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { createQuietConnection } from "../../../test/support/quiet-connection.ts";
import type { ChannelDescriptor } from "../reactor.ts";

const CHANNEL: ChannelDescriptor = {
  id: 0x20,
  name: "state",
  priority: 5,
  sendQueueMessagesMax: 10,
  receiveMessageBytesMax: 100,
};
const MESSAGE = new Uint8Array([1, 2, 3]);

function setup() {
  const clock = createManualClock();
  const { mconnection, flushes } = createQuietConnection(clock, [CHANNEL]);
  return { clock, mconnection, flushes };
}

test("a held message leaves by itself when its time is over, all that wait in one write", async () => {
  const { clock, mconnection, flushes } = setup();
  mconnection.trySend(CHANNEL.id, MESSAGE, true);
  await clock.advance(5);
  mconnection.trySend(CHANNEL.id, MESSAGE, true);
  await clock.advance(4);
  expect(flushes).toEqual([]);
  await clock.advance(1);
  expect(flushes).toEqual([{ atMs: clock.monotonicMs(), messages: 2 }]);
  await clock.advance(100);
  expect(flushes).toHaveLength(1);
});

test("an urgent message takes the held ones along", async () => {
  const { clock, mconnection, flushes } = setup();
  mconnection.trySend(CHANNEL.id, MESSAGE, true);
  await clock.advance(3);
  mconnection.trySend(CHANNEL.id, MESSAGE);
  await clock.advance(0);
  expect(flushes).toEqual([{ atMs: clock.monotonicMs(), messages: 2 }]);
  await clock.advance(100);
  expect(flushes).toHaveLength(1);
});

test("a queue that is half full does not wait", async () => {
  const { clock, mconnection, flushes } = setup();
  for (let i = 0; i < 4; i++) mconnection.trySend(CHANNEL.id, MESSAGE, true);
  await clock.advance(0);
  expect(flushes).toEqual([]);
  mconnection.trySend(CHANNEL.id, MESSAGE, true);
  await clock.advance(0);
  expect(flushes).toEqual([{ atMs: clock.monotonicMs(), messages: 5 }]);
});
