import { describe, expect, it } from "vitest";
import { LAST_WORDS_MS, LOG_LINE_BYTES_MAX, TAIL_LINES_MAX } from "./limits.ts";
import { consensusFailure, createLineJudge, lastWords, readLogLine } from "./log-lines.ts";

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
    // CometBFT prints a commit that has the wrong size, and the whole set beside it.
    const long = readLogLine(
      JSON.stringify({ err: `wrong size ${"v".repeat(100_000)}`, _msg: "CONSENSUS FAILURE!!!" }),
    );
    expect(consensusFailure(long)).toMatch(/wrong size v+$/);
    expect(consensusFailure(long)?.length).toBeLessThan(20_000);
    const huge = readLogLine(`{"_msg":"x","y":"${"z".repeat(2 << 20)}"}`);
    expect(String(huge.fields["text"]).length).toBe(LOG_LINE_BYTES_MAX);
  });

  it("behavior: an error that asks nothing of an operator is none", () => {
    const judge = createLineJudge();
    const judged = (fields: object) =>
      judge(readLogLine(JSON.stringify({ level: "error", ...fields }))).level;
    const book = { _msg: "Can't add peer's address to addrbook", module: "p2p" };
    const err = "Cannot add non-routable address b9ab@127.0.0.1:26656";
    expect(judged({ ...book, err })).toBe("debug");
    expect(judged({ ...book, err: "Cannot add our address with ID" })).toBe("error");
    const dial = { _msg: "Error dialing peer", module: "p2p" };
    expect(judged({ ...dial, err: "dial tcp 127.0.0.1:1: connect: connection refused" })).toBe(
      "warn",
    );
    expect(judged({ ...dial, err: "auth failure: secret conn failed" })).toBe("error");
    const gone = { _msg: "Stopping peer for error", module: "p2p" };
    expect(judged({ ...gone, err: "EOF" })).toBe("info");
    expect(judged({ ...gone, err: "invalid packet" })).toBe("error");
  });

  it("behavior: a timeout of block sync is an error until the node has caught up", () => {
    const judge = createLineJudge();
    const timeout = readLogLine(
      '{"_msg":"SendTimeout","level":"error","module":"blocksync","reason":"peer did not send us anything","timeout":"15s"}',
    );
    expect(judge(timeout).level).toBe("error");
    const switched = readLogLine(
      '{"_msg":"Time to switch to consensus reactor!","height":1,"level":"info","module":"blocksync"}',
    );
    expect(judge(switched).level).toBe("info");
    expect(judge(timeout).level).toBe("debug");
    expect(createLineJudge()(timeout).level).toBe("error");
  });

  it("behavior: of a panic the reason is kept, of anything else the end", () => {
    const before = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const panic = [...before, "panic: state.AppHash does not match", "Did you reset?", ""];
    const frames = Array.from({ length: 100 }, (_, i) => `goroutine ${i} [running]:`);
    const said = (lines: readonly string[], atMs = 0) => lines.map((text) => ({ text, atMs }));
    expect(lastWords(said([...panic, ...frames]), 5)).toEqual(panic.slice(50));
    expect(lastWords(said(panic), 5)).toEqual(panic.slice(50));
    expect(lastWords(said(before), LAST_WORDS_MS)).toEqual(before.slice(-TAIL_LINES_MAX));
    const end = LAST_WORDS_MS + 1;
    expect(lastWords([...said(before), ...said(["killed"], end)], end)).toEqual(["killed"]);
    expect(lastWords([], 0)).toEqual([]);
  });
});
