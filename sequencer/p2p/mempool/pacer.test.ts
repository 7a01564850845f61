import { describe, expect, test } from "vitest";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { createPacer } from "./pacer.ts";

function start() {
  const clock = createManualClock();
  const runs: number[] = [];
  const pacer = createPacer(
    { intervalMs: 5 },
    {
      task: () => void runs.push(clock.monotonicMs()),
      clock,
      yieldToLoop: () => Promise.resolve(),
    },
  );
  return { clock, runs, pacer };
}

describe("pacer", () => {
  test("behavior: what comes after a rest is done at once, and together", async () => {
    const { clock, runs, pacer } = start();
    pacer.schedule();
    pacer.schedule();
    expect(runs).toEqual([]);
    await clock.advance(0);
    expect(runs).toEqual([0]);
    await clock.advance(20);
    expect(runs).toEqual([0]);
    pacer.schedule();
    await clock.advance(0);
    expect(runs).toEqual([0, 20]);
  });

  test("behavior: what comes too soon waits for the interval, and nothing is forgotten", async () => {
    const { clock, runs, pacer } = start();
    pacer.schedule();
    await clock.advance(2);
    pacer.schedule();
    await clock.advance(1);
    pacer.schedule();
    expect(runs).toEqual([0]);
    await clock.advance(10);
    expect(runs).toEqual([0, 5]);
  });

  test("behavior: nothing runs after the stop", async () => {
    const { clock, runs, pacer } = start();
    pacer.schedule();
    await clock.advance(1);
    pacer.schedule();
    pacer.stop();
    pacer.schedule();
    await clock.advance(100);
    expect(runs).toEqual([0]);
  });
});
