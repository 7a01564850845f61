import { expect, test } from "vitest";
import { TAIL_LINES_MAX } from "./limits.ts";
import { reasonAndTail } from "./supervisor.ts";

test("of a panic the reason is kept, of anything else the end", () => {
  const before = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  const panic = [...before, "panic: state.AppHash does not match", "Did you reset?", ""];
  const frames = Array.from({ length: 100 }, (_, i) => `goroutine ${i} [running]:`);
  expect(reasonAndTail([...panic, ...frames])).toEqual(panic.slice(50));
  expect(reasonAndTail(panic)).toEqual(panic.slice(50));
  expect(reasonAndTail(before)).toEqual(before.slice(-TAIL_LINES_MAX));
  expect(reasonAndTail([])).toEqual([]);
});
