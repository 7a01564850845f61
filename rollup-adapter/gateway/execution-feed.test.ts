import { describe, expect, it } from "vitest";
import { createExecutionFeed } from "./execution-feed.ts";

const bytes = (...values: number[]) => values.map((value) => Uint8Array.of(value));
const block = (included: number, ...skipped: { index: number; reason: string }[]) =>
  ({ outcome: "block", included, skipped }) as const;
const GATHERED = { outcome: "gathered", included: 0, skipped: [] } as const;

/** Payload and reason, one after the other. */
function told(settled: ReturnType<ReturnType<typeof createExecutionFeed>["executed"]>) {
  return settled.payloads.map(({ payload, reason }) => [payload[0], reason]);
}

describe("what became of payloads", () => {
  it("behavior: of an executor that makes a block of each request", () => {
    const feed = createExecutionFeed();
    const settled = feed.executed(bytes(1, 2), block(1, { index: 0, reason: "NONCE_TOO_HIGH" }));
    expect(told(settled)).toEqual([
      [1, "NONCE_TOO_HIGH"],
      [2, undefined],
    ]);
    expect(told(feed.executed([], { outcome: "none", included: 0, skipped: [] }))).toEqual([]);
  });

  it("behavior: of one that gathers, the answered request included", () => {
    const feed = createExecutionFeed();
    expect(told(feed.executed(bytes(1), GATHERED))).toEqual([]);
    expect(told(feed.executed(bytes(2), block(2)))).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    expect(told(feed.executed(bytes(3), block(1)))).toEqual([[3, undefined]]);
  });

  it("behavior: of one whose block ends before the answered request", () => {
    const feed = createExecutionFeed();
    feed.executed(bytes(1), GATHERED);
    feed.executed(bytes(2), GATHERED);
    const settled = feed.executed(bytes(3), block(1, { index: 1, reason: "UNDECODABLE" }));
    expect(told(settled)).toEqual([
      [1, undefined],
      [2, "UNDECODABLE"],
    ]);
    expect(told(feed.executed([], block(1)))).toEqual([[3, undefined]]);
  });

  it("behavior: says so where more was executed than it has seen", () => {
    const settled = createExecutionFeed().executed(bytes(9), block(5));
    expect([settled.isComplete, settled.payloads]).toEqual([false, []]);
  });

  it("behavior: of one that lost what it had gathered and is fed again", () => {
    const feed = createExecutionFeed();
    feed.executed(bytes(1), GATHERED, 7);
    feed.executed(bytes(2), GATHERED, 8);
    feed.executed(bytes(1), GATHERED, 7);
    feed.executed(bytes(2), GATHERED, 8);
    const settled = feed.executed(bytes(3), block(1, { index: 0, reason: "NONCE_TOO_HIGH" }), 9);
    expect(told(settled)).toEqual([
      [1, "NONCE_TOO_HIGH"],
      [2, undefined],
    ]);
  });

  it("behavior: does not take the outcome of payloads that it has not seen for that of others", () => {
    const feed = createExecutionFeed();
    feed.executed(bytes(1), GATHERED, 7);
    // Height 8 ended the block of payload 1 and brought payload 2; nobody heard of its answer.
    const settled = feed.executed(bytes(3), block(0, { index: 0, reason: "UNDECODABLE" }), 9);
    expect([settled.isComplete, settled.payloads]).toEqual([false, []]);
    expect(told(feed.executed([], block(1), 10))).toEqual([[3, undefined]]);
  });

  it("behavior: knows of such a gap also when the next answers are of no block", () => {
    const feed = createExecutionFeed();
    feed.executed(bytes(1), GATHERED, 7);
    feed.executed(bytes(3), GATHERED, 9);
    const settled = feed.executed([], block(1, { index: 1, reason: "UNDECODABLE" }), 10);
    expect([settled.isComplete, settled.payloads]).toEqual([false, []]);
    expect(feed.executed(bytes(4), block(1), 11).isComplete).toBe(true);
  });

  it("behavior: an executor that makes a block of each request tells of that request, whatever came before", () => {
    const feed = createExecutionFeed();
    feed.executed(bytes(1), block(1), 7);
    expect(told(feed.executed(bytes(3), block(1), 9))).toEqual([[3, undefined]]);
  });

  it("behavior: finds its way back to an executor that gathers after what it has not seen", () => {
    const feed = createExecutionFeed();
    expect(feed.executed(bytes(9), block(5), 3).isComplete).toBe(false);
    expect(told(feed.executed([], block(1), 4))).toEqual([[9, undefined]]);
  });
});
