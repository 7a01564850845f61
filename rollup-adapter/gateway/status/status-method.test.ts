import { describe, expect, it } from "vitest";
import { RollupId } from "../../../proto/brands.ts";
import type { Placement } from "../journal/placement-record.ts";
import { statusMethods } from "./status-method.ts";

const HASH = `0x${"11".repeat(32)}`;
const BLOCK_HASH = new Uint8Array(32).fill(7);
const SKIPPED: Placement = {
  height: 26,
  position: 3,
  index: 2,
  itemId: "ab".repeat(32),
  isSealed: false,
  outcome: "skipped",
  reason: "NONCE_TOO_HIGH",
};

/** The answer for a transaction whose noted place is `placement` and that stands in block `number` of the rollup. */
async function statusOf(placement: Placement, number: number | undefined) {
  const unused = () => Promise.reject(new Error("not asked"));
  const { weft_getTransactionStatus: status } = statusMethods({
    rollupId: RollupId("ab".repeat(32)),
    placements: { restore: unused, blockExecuted() {}, of: () => placement },
    pool: () => ({ get: () => undefined, lostReason: () => undefined }),
    submitter: { submissionOf: () => undefined },
    client: { entryProof: unused, transactionStatus: unused },
    chain: () => ({
      blockOf: () =>
        Promise.resolve(number === undefined ? undefined : { number, hash: BLOCK_HASH }),
      finalizedNumber: () => Promise.resolve(4),
    }),
  });
  if (status === undefined) throw new Error("there is no such method");
  const caller = { address: "127.0.0.1", requester: "127.0.0.1", signature: undefined, body: "" };
  return await status([HASH], caller);
}

describe("the status of a transaction that was skipped at its noted place", () => {
  it("behavior: is skipped with the reason while no block holds it", async () => {
    expect(await statusOf(SKIPPED, undefined)).toMatchObject({
      state: "skipped",
      height: "0x1a",
      reason: "NONCE_TOO_HIGH",
      block: null,
    });
  });

  it("behavior: is executed once a block holds it, though a crash took the note of that place", async () => {
    expect(await statusOf(SKIPPED, 4)).toMatchObject({
      state: "executed",
      level: "final",
      height: null,
      block: { number: "0x4", hash: `0x${"07".repeat(32)}` },
    });
  });
});
