import { describe, expect, test } from "vitest";
import { TX_ALONE_BYTES_MIN, TX_BATCH_BYTES_MAX, TX_BATCHES_SHARED_MAX } from "../limits.ts";
import { collect, SharedBatches } from "./tx-batches.ts";
import { TxLog } from "./tx-log.ts";

function logOf(...sizes: readonly number[]): TxLog {
  const log = new TxLog({ countMax: 1_000, bytesMax: 64 << 20 });
  for (const [at, size] of sizes.entries()) {
    log.push({
      tx: new Uint8Array(size),
      key: String(at),
      origin: undefined,
      atMs: 0,
      senders: undefined,
      isRemoved: false,
    });
  }
  return log;
}

/** Sizes of the transactions of each message, from the log's start to its end. */
function messages(log: TxLog, bytesMax = TX_BATCH_BYTES_MAX): number[][] {
  const sizes: number[][] = [];
  for (let at = log.start; at < log.end; ) {
    const batch = collect(log, at, bytesMax, () => "send");
    sizes.push(batch.txs.map(({ length }) => length));
    at = batch.end;
  }
  return sizes;
}

describe("messages of transactions", () => {
  test("small ones share a message up to its bound", () => {
    const each = 4_000;
    const perMessage = Math.floor(TX_BATCH_BYTES_MAX / (each + 6));
    const sizes = messages(logOf(...Array.from({ length: perMessage + 1 }, () => each)));
    expect(sizes.map(({ length }) => length)).toEqual([perMessage, 1]);
  });

  test("no message is larger than a peer takes, but for one alone", () => {
    expect(messages(logOf(4_000, 4_000, 4_000, 9_000, 10), 10_000)).toEqual([
      [4_000, 4_000],
      [4_000],
      [9_000],
      [10],
    ]);
    expect(messages(logOf(10, 12_000, 10), 10_000)).toEqual([[10], [12_000], [10]]);
  });

  test("a large one has a message of its own, and the order stays", () => {
    const large = TX_ALONE_BYTES_MIN;
    expect(messages(logOf(10, 20, large, 30, large + 1, large, 40))).toEqual([
      [10, 20],
      [large],
      [30],
      [large + 1],
      [large],
      [40],
    ]);
  });

  test("says where it had to wait, and whether it left something out", () => {
    const log = logOf(10, 20, 30);
    const waiting = collect(log, 0, TX_BATCH_BYTES_MAX, ({ key }) =>
      key === "1" ? "wait" : "send",
    );
    expect(waiting).toMatchObject({ end: 1, isWaiting: true, hasExceptions: false });
    const skipping = collect(log, 0, TX_BATCH_BYTES_MAX, ({ key }) =>
      key === "1" ? "skip" : "send",
    );
    expect(skipping).toMatchObject({ end: 3, isWaiting: false, hasExceptions: true });
    expect(skipping.txs.map(({ length }) => length)).toEqual([10, 30]);
  });
});

describe("shared messages", () => {
  const batch = (end: number) => ({ end, bytes: new Uint8Array(1) });

  test("are kept until every peer is past them", () => {
    const shared = new SharedBatches();
    shared.put(0, batch(2));
    shared.put(2, batch(5));
    shared.forgetBefore(2);
    expect(shared.from(0)).toBeUndefined();
    expect(shared.from(2)?.end).toBe(5);
    shared.clear();
    expect(shared.from(2)).toBeUndefined();
  });

  test("are bounded: the oldest goes first", () => {
    const shared = new SharedBatches();
    for (let at = 0; at <= TX_BATCHES_SHARED_MAX; at++) shared.put(at, batch(at + 1));
    expect(shared.from(0)).toBeUndefined();
    expect(shared.from(1)?.end).toBe(2);
    expect(shared.from(TX_BATCHES_SHARED_MAX)).toBeDefined();
  });
});
