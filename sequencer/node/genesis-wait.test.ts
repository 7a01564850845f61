import { describe, expect, test } from "vitest";
import { addMs } from "../../proto/time.ts";
import { TEST_GENESIS_TIME } from "../../test/support/chain-builder.ts";
import { genesisWait, untilGenesis } from "./genesis-wait.ts";
import { GENESIS_LOOK_MS } from "./limits.ts";

/** A clock that jumps to the end of each wait. */
function jumpingClock(): {
  now: () => typeof TEST_GENESIS_TIME;
  after: typeof after;
  waits: number[];
} {
  let now = TEST_GENESIS_TIME;
  const waits: number[] = [];
  function after(delayMs: number, task: () => void): { cancel(): void } {
    waits.push(delayMs);
    now = addMs(now, delayMs);
    queueMicrotask(task);
    return { cancel: () => {} };
  }
  return { now: () => now, after, waits };
}

describe("the wait for the genesis time", () => {
  test("is over at that time, and looks at the clock now and then", async () => {
    const clock = jumpingClock();
    const genesisTime = addMs(TEST_GENESIS_TIME, 2 * GENESIS_LOOK_MS + 500);
    expect(genesisWait(genesisTime, clock)).toMatch(/^genesis_time is \d{4}-.*Z: the chain begins/);
    await untilGenesis(genesisTime, clock, new AbortController().signal);
    expect(clock.waits).toEqual([GENESIS_LOOK_MS, GENESIS_LOOK_MS, 500]);
    expect(genesisWait(genesisTime, clock)).toBeUndefined();
    await untilGenesis(genesisTime, clock, new AbortController().signal);
    expect(clock.waits).toHaveLength(3);
  });

  test("ends when the node is stopped", async () => {
    const stop = new AbortController();
    const genesisTime = addMs(TEST_GENESIS_TIME, 1_000);
    const never = { ...jumpingClock(), after: () => ({ cancel: () => {} }) };
    const waiting = untilGenesis(genesisTime, never, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
  });
});
