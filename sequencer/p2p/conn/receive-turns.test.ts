import { expect, test } from "vitest";
import { RECEIVE_TURN_MS } from "../limits.ts";
import { createReceiveTurns } from "./receive-turns.ts";

function setup() {
  const time = { nowMs: 0 };
  const next: (() => void)[] = [];
  const turns = createReceiveTurns({
    monotonicMs: () => time.nowMs,
    nextTurn: (task) => next.push(task),
  });
  const turn = (): void => {
    for (const task of next.splice(0)) task();
  };
  return { time, turns, turn, next };
}

test("a turn has a few milliseconds, the next one has them again", () => {
  const { time, turns, turn } = setup();
  expect(turns.hasTime()).toBe(true);
  time.nowMs += RECEIVE_TURN_MS;
  expect(turns.hasTime()).toBe(false);
  turn();
  expect(turns.hasTime()).toBe(true);
});

test("who waits goes first in, first out, within the time of each turn, until nobody waits", () => {
  const { time, turns, turn, next } = setup();
  const done: string[] = [];
  const task = (name: string, times: number) => (): void => {
    done.push(name);
    time.nowMs += RECEIVE_TURN_MS / 2;
    if (times > 1) turns.later(task(name, times - 1));
  };
  turns.later(task("a", 3));
  turns.later(task("b", 1));
  turns.later(task("c", 1));
  turn();
  expect(done).toEqual(["a", "b"]);
  turn();
  expect(done).toEqual(["a", "b", "c", "a"]);
  for (let i = 0; i < 5; i++) turn();
  expect(done).toEqual(["a", "b", "c", "a", "a"]);
  expect(next).toEqual([]);
});
