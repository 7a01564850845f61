import { expect, it, vi } from "vitest";
import type { Clock } from "../ports/clock.ts";
import {
  LIVE_TURNS_IN_A_ROW_MAX,
  LOOP_LATE_MS,
  TURNS_LATE_PAUSE_MS,
  TURNS_PAUSE_MS,
  TURNS_SLICE_MS,
} from "./limits.ts";
import { createReaderTurns } from "./reader-turns.ts";

/** Time passes when a step says so; pauses are told and end at once. */
function createStepClock() {
  let nowMs = 0;
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => ({ seconds: 0n, nanos: 0 }),
    monotonicMs: () => nowMs,
    after(delayMs, task) {
      pauses.push(delayMs);
      const immediate = setImmediate(task);
      return { cancel: () => clearImmediate(immediate) };
    },
  };
  return { clock, pauses, pass: (ms: number) => (nowMs += ms) };
}

it("behavior: readers give the loop back after each slice, for longer while it is late", async () => {
  for (const [lagMs, pauseMs] of [
    [0, TURNS_PAUSE_MS],
    [LOOP_LATE_MS + 1, TURNS_LATE_PAUSE_MS],
  ] as const) {
    const { clock, pauses, pass } = createStepClock();
    const turns = createReaderTurns(clock, () => lagMs);
    let done = 0;
    let sinceYield = 0;
    let most = 0;
    for (let i = 0; i < 40; i++) {
      turns.add(() => {
        done += 1;
        sinceYield += 1;
        most = Math.max(most, sinceYield);
        setImmediate(() => (sinceYield = 0));
        pass(1);
      }, "live");
    }
    await vi.waitFor(() => expect(done).toBe(40));
    expect(most).toBe(TURNS_SLICE_MS);
    expect(new Set(pauses)).toEqual(new Set([pauseMs]));
    turns.stop();
  }
});

it("behavior: new blocks come before history, and history is not forgotten", async () => {
  const { clock } = createStepClock();
  const turns = createReaderTurns(clock, () => 0);
  const order: string[] = [];
  const add = (kind: "live" | "history") => turns.add(() => order.push(kind), kind);
  for (let i = 0; i < 4; i++) add("history");
  for (let i = 0; i < 3 * LIVE_TURNS_IN_A_ROW_MAX; i++) add("live");
  await vi.waitFor(() => expect(order).toHaveLength(4 + 3 * LIVE_TURNS_IN_A_ROW_MAX));
  const places = order.flatMap((kind, place) => (kind === "history" ? [place] : []));
  const every = LIVE_TURNS_IN_A_ROW_MAX + 1;
  expect(places).toEqual([every - 1, 2 * every - 1, 3 * every - 1, 3 * every]);
  turns.stop();
});

it("behavior: nothing is served any more after a stop", async () => {
  const { clock } = createStepClock();
  const turns = createReaderTurns(clock, () => 0);
  const step = vi.fn();
  turns.add(step, "live");
  turns.stop();
  turns.add(step, "live");
  await new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
  expect(step).not.toHaveBeenCalled();
});

it("behavior: what goes on at a turn counts as its step", async () => {
  const { clock, pauses, pass } = createStepClock();
  const turns = createReaderTurns(clock, () => 0);
  const inARow: number[] = [];
  let sinceYield = 0;
  const work = async (): Promise<void> => {
    await turns.turn("live");
    // As what it asks for is at hand.
    await Promise.resolve();
    inARow.push((sinceYield += 1));
    setImmediate(() => (sinceYield = 0));
    pass(1);
  };
  await Promise.all(Array.from({ length: 40 }, work));
  // The next one's turn may have been asked for before this one's mark is taken away.
  expect(Math.max(...inARow)).toBeLessThanOrEqual(2);
  expect(pauses.length).toBeGreaterThanOrEqual(40 / TURNS_SLICE_MS - 1);
  expect(new Set(pauses)).toEqual(new Set([TURNS_PAUSE_MS]));
  turns.stop();
});
