import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  HEADERS_AHEAD_MAX,
  STREAM_SILENCE_MS,
  STREAM_SILENCES_FAR_MAX,
  STREAM_SILENCES_MAX,
} from "../limits.ts";
import { watchSilence } from "./stream-silence.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A stream that waits for `next`, of a node that says each of these heights in turn. */
function watched(next: number, heights: readonly number[]) {
  const cancel = vi.fn();
  const told = [...heights];
  const place = { next };
  const silence = watchSilence(cancel, {
    height: () => {
      const height = told.shift();
      return height === undefined ? Promise.reject(new Error("away")) : Promise.resolve(height);
    },
    next: () => place.next,
  });
  /** How many times it was borne. */
  const borne = async (): Promise<number> => {
    for (let times = 0; ; times++) {
      await vi.advanceTimersByTimeAsync(STREAM_SILENCE_MS);
      if (silence.isSilent()) return times;
    }
  };
  return { silence, cancel, place, borne };
}

it("ends a stream whose node hangs, has gone, or stands", async () => {
  expect(await watched(100, []).borne()).toBe(0);
  expect(await watched(100, [100, 110]).borne()).toBe(2);
  expect(await watched(100, [100, 110, 110, 120]).borne()).toBe(2);
  const cancel = vi.fn();
  const silence = watchSilence(cancel);
  await vi.advanceTimersByTimeAsync(STREAM_SILENCE_MS);
  expect([silence.isSilent(), cancel.mock.calls.length]).toEqual([true, 1]);
});

it("ends a stream whose node only says that its chain grows", async () => {
  const from = (first: number) => Array.from({ length: 100 }, (_, i) => first + i);
  expect(await watched(100, from(100)).borne()).toBe(STREAM_SILENCES_MAX);
  // Far above what is waited for there is the time of a slow link alone.
  const top = 100 + HEADERS_AHEAD_MAX;
  expect(await watched(100, from(1_000_000)).borne()).toBe(STREAM_SILENCES_FAR_MAX);
  expect(await watched(100, from(top)).borne()).toBe(STREAM_SILENCES_FAR_MAX);
  expect(await watched(100, from(top - 9)).borne()).toBe(10);
  // One that begins with the next block begins where the node says first.
  const head = 1_000_000;
  expect(await watched(0, from(head)).borne()).toBe(STREAM_SILENCES_MAX);
  const far = head + HEADERS_AHEAD_MAX;
  expect(await watched(0, [head, far, far + 1, far + 2, far + 3]).borne()).toBe(3);
});

it("counts from the block that came last, and not while its reader works", async () => {
  const top = 100 + HEADERS_AHEAD_MAX;
  const told = Array.from({ length: 10 }, (_, i) => top + i);
  const { silence, cancel, place, borne } = watched(100, told);
  await vi.advanceTimersByTimeAsync(STREAM_SILENCE_MS);
  silence.stop();
  place.next = 105;
  await vi.advanceTimersByTimeAsync(10 * STREAM_SILENCE_MS);
  expect(cancel).not.toHaveBeenCalled();
  silence.start();
  expect(await borne()).toBe(5);
});

it("bears it as often again once a block has come", async () => {
  const slowly = Array.from({ length: 100 }, (_, i) => 100 + i);
  const { silence, borne } = watched(100, slowly);
  await vi.advanceTimersByTimeAsync(STREAM_SILENCES_MAX * STREAM_SILENCE_MS);
  expect(silence.isSilent()).toBe(false);
  silence.stop();
  silence.start();
  expect(await borne()).toBe(STREAM_SILENCES_MAX);
});

it("forgets a question that a block has answered", async () => {
  let answer: (height: number) => void = () => {};
  const cancel = vi.fn();
  const height = () =>
    new Promise<number>((resolve) => {
      answer = resolve;
    });
  const silence = watchSilence(cancel, { height, next: () => 1 });
  await vi.advanceTimersByTimeAsync(STREAM_SILENCE_MS);
  silence.stop();
  silence.start();
  answer(0);
  await vi.advanceTimersByTimeAsync(STREAM_SILENCE_MS - 1);
  expect(cancel).not.toHaveBeenCalled();
  silence.stop();
  expect(vi.getTimerCount()).toBe(0);
});
