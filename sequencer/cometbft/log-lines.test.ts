import { describe, expect, it } from "vitest";
import { TAIL_LINES_MAX } from "./limits.ts";
import { consensusFailure, readLogLine, reasonAndTail } from "./log-lines.ts";

describe("lines of CometBFT's log", () => {
  it("behavior: level, message and fields become ours, its module is a part, its time goes", () => {
    const text =
      '{"_msg":"executed block","height":7,"level":"info","module":"state","ts":"2026-11-20T17:00:00Z"}';
    expect(readLogLine(text)).toEqual({
      level: "info",
      message: "executed block",
      fields: { part: "state", height: 7 },
    });
  });

  it.each([
    ["panic: runtime error", "panic: runtime error"],
    ['{"_msg":"cut', '{"_msg":"cut'],
    ["[1,2]", "[1,2]"],
  ])("behavior: %s, which is no line of its log, is an error", (text, shown) => {
    const line = readLogLine(text);
    expect([line.level, line.fields["text"]]).toEqual(["error", shown]);
  });

  it("behavior: a consensus that has stopped for good says why, and nothing else counts as that", () => {
    const failed = readLogLine(
      '{"_msg":"CONSENSUS FAILURE!!!","err":"wrong app hash","level":"error","module":"consensus","stack":"..."}',
    );
    expect(consensusFailure(failed)).toContain("wrong app hash");
    expect(consensusFailure(readLogLine('{"_msg":"dial failed","level":"error"}'))).toBeUndefined();
  });

  it("behavior: of a panic the reason is kept, of anything else the end", () => {
    const before = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const panic = [...before, "panic: state.AppHash does not match", "Did you reset?", ""];
    const frames = Array.from({ length: 100 }, (_, i) => `goroutine ${i} [running]:`);
    expect(reasonAndTail([...panic, ...frames])).toEqual(panic.slice(50));
    expect(reasonAndTail(panic)).toEqual(panic.slice(50));
    expect(reasonAndTail(before)).toEqual(before.slice(-TAIL_LINES_MAX));
    expect(reasonAndTail([])).toEqual([]);
  });
});
