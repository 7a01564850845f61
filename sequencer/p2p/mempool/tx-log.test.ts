import { describe, expect, test } from "vitest";
import { LruSet } from "../lru-set.ts";
import { type LoggedTx, TxLog } from "./tx-log.ts";

function entry(name: string, bytes = 10): LoggedTx {
  return {
    tx: new Uint8Array(bytes),
    key: name,
    origin: undefined,
    atMs: 0,
    senders: undefined,
    isRemoved: false,
  };
}

describe("transaction log", () => {
  test("keeps its count and bytes by pushing out the oldest", () => {
    const log = new TxLog({ countMax: 3, bytesMax: 100 });
    expect(["a", "b", "c"].map((name) => log.push(entry(name)))).toEqual([0, 0, 0]);
    expect(log.push(entry("d"))).toBe(1);
    expect([log.start, log.end, log.count, log.bytes]).toEqual([1, 4, 3, 30]);
    expect(log.push(entry("e", 75))).toBe(1);
    expect(log.get("b")).toBeUndefined();
    expect(log.get("c")?.key).toBe("c");
    expect([log.count, log.bytes]).toEqual([3, 95]);
  });

  test("holds one entry of a key, and lets go of all, whatever was pushed twice", () => {
    const log = new TxLog({ countMax: 3, bytesMax: 100 });
    for (const name of ["a", "a", "b", "a"]) expect(log.push(entry(name))).toBe(0);
    expect([log.count, log.bytes]).toEqual([2, 20]);
    for (const name of ["c", "d", "e", "f"]) log.push(entry(name));
    expect([log.count, log.bytes]).toEqual([3, 30]);
    for (const name of ["d", "e", "f"]) log.remove(name);
    expect([log.count, log.bytes, log.end - log.start]).toEqual([0, 0, 0]);
  });

  test("does not grow with removed entries, whatever their order", () => {
    const log = new TxLog({ countMax: 100, bytesMax: 1_000_000 });
    log.push(entry("stays"));
    for (let i = 0; i < 100_000; i++) {
      log.push(entry(`n${i}`));
      log.remove(`n${i}`);
    }
    expect(log.end - log.start).toBeLessThanOrEqual(401);
    const sequential = new TxLog({ countMax: 100, bytesMax: 1_000_000 });
    for (let i = 0; i < 100_000; i++) {
      sequential.push(entry(`n${i}`));
      sequential.remove(`n${i}`);
    }
    expect([sequential.start, sequential.end, sequential.count]).toEqual([100_000, 100_000, 0]);
  });

  test("hands out entries by sequence number while it has them", () => {
    const log = new TxLog({ countMax: 10, bytesMax: 1_000 });
    for (const name of ["a", "b", "c"]) log.push(entry(name));
    log.remove("a");
    expect(log.at(0)).toBeUndefined();
    expect(log.at(1)?.key).toBe("b");
    expect(log.at(3)).toBeUndefined();
  });
});

describe("LRU set", () => {
  test("forgets the least recently added", () => {
    const set = new LruSet(2);
    expect([set.add("a"), set.add("b"), set.add("a"), set.add("c")]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect(["a", "b", "c"].map((key) => set.has(key))).toEqual([true, false, true]);
    set.delete("a");
    expect(set.has("a")).toBe(false);
  });
});
