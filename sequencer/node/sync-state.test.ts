import { expect, test } from "vitest";
import type { Timestamp } from "../../proto/types.ts";
import type { Clock } from "../ports/clock.ts";
import { createSyncState } from "./sync-state.ts";

const at = (seconds: number): Timestamp => ({ seconds: BigInt(seconds), nanos: 0 });

function stateAt(last: number | undefined, height: number, peerHeights: readonly number[]) {
  const clock: Clock = {
    now: () => at(1_000),
    monotonicMs: () => 0,
    after: () => ({ cancel: () => {} }),
  };
  return createSyncState(last === undefined ? undefined : at(last), {
    height: () => height,
    peerHeights: () => peerHeights,
    clock,
  });
}

test("behind: peers are ahead and our last block is old, or there is none", () => {
  expect(stateAt(500, 10, [9, 200]).isBehind()).toBe(true);
  expect(stateAt(undefined, 0, [200]).isBehind()).toBe(true);
});

test("not behind: with recent blocks whatever a peer claims, in a paused chain, or alone", () => {
  expect(stateAt(999, 10, [1e9]).isBehind()).toBe(false);
  expect(stateAt(500, 10, [10, 11]).isBehind()).toBe(false);
  expect(stateAt(500, 10, []).isBehind()).toBe(false);
});

test("no longer behind once recent blocks are applied", () => {
  const state = stateAt(500, 10, [200]);
  state.applied(at(600));
  expect(state.isBehind()).toBe(true);
  state.applied(at(995));
  expect(state.isBehind()).toBe(false);
});
