import { describe, expect, it } from "vitest";
import { createLedger } from "./ledger.ts";

const submission = (atMs: number) => ({ payloads: 100, bytes: 25_600, atMs });

describe("ledger", () => {
  it("holds what is outstanding until it is committed or refused", () => {
    const ledger = createLedger();
    ledger.submitted("a", submission(0));
    ledger.submitted("b", submission(5));
    expect([ledger.outstandingItems, ledger.outstandingBytes]).toEqual([2, 51_200]);
    ledger.committed("a", 40);
    ledger.refused("b", "POOL_FULL");
    expect([ledger.outstandingItems, ledger.outstandingBytes]).toEqual([0, 0]);
    expect(ledger).toMatchObject({ submittedPayloads: 200, committedPayloads: 100 });
    expect(ledger.latencies).toEqual([{ submittedMs: 0, latencyMs: 40 }]);
    expect(ledger.refusals).toEqual({ POOL_FULL: 1 });
  });

  it("counts nothing twice and nothing that is not its own", () => {
    const ledger = createLedger();
    ledger.submitted("a", submission(0));
    expect(ledger.committed("a", 10)).toBeDefined();
    expect(ledger.committed("a", 11)).toBeUndefined();
    expect(ledger.committed("stranger", 11)).toBeUndefined();
    // An answer that comes after the block does not make it a refusal.
    ledger.refused("a", "TX_KNOWN");
    expect(ledger.latencies).toHaveLength(1);
    expect(ledger.refusals).toEqual({});
    expect(ledger.outstandingBytes).toBe(0);
  });
});
