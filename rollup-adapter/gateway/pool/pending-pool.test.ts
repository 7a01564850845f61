import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import {
  ALICE,
  execute,
  openExecutor,
  removeDirectory,
  signed,
  temporaryDirectory,
} from "../../../test/support/evm-rollup.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import type { EvmExecutor } from "../../evm/executor.ts";
import { POST_RETRY_MS } from "../../evm/limits.ts";
import { NULL_EVM_METRICS } from "../../evm/metrics.ts";
import { createPoolChain } from "../../evm/rpc/pool-chain.ts";
import { createMemoryJournalStore } from "../journal/journal-store.ts";
import { createJournal } from "../journal/journal.ts";
import { NULL_GATEWAY_METRICS } from "../metrics.ts";
import { createKeptTransactions } from "./kept-transactions.ts";
import { PendingPool } from "./pending-pool.ts";

let directory = "";
let executor: EvmExecutor;
beforeEach(async () => {
  directory = await temporaryDirectory();
  executor = await openExecutor(directory);
});
afterEach(async () => {
  await executor.close();
  await removeDirectory(directory);
});

/** One life of a pool on that disk; `state.isAway`: nothing can be submitted. */
function start(records: Map<string, Uint8Array>, clock: ManualClock = createManualClock()) {
  const journal = createJournal(createMemoryJournalStore(records), NULL_GATEWAY_METRICS);
  const submitted: Uint8Array[] = [];
  const state = { isAway: false };
  const kept = createKeptTransactions(journal);
  const pool = new PendingPool({
    chain: createPoolChain(executor, clock),
    submit: (raw) => {
      if (state.isAway) return Promise.reject(new Error("the sequencer is away"));
      submitted.push(raw);
      return Promise.resolve();
    },
    clock,
    logger: NULL_LOGGER,
    metrics: NULL_EVM_METRICS,
    kept,
  });
  const restore = async (isSubmitted: (raw: Uint8Array) => boolean): Promise<void> => {
    await pool.restore({ kept, reconciled: Promise.resolve(), isSubmitted });
  };
  return { pool, submitted, state, clock, journal, restore };
}

describe("what a wallet was told is accepted", () => {
  it("behavior: is pending after a crash, and posted unless it is on its way or executed", async () => {
    const records = new Map<string, Uint8Array>();
    const raws = await Promise.all([0, 1, 2].map((nonce) => signed(ALICE, { nonce })));
    const [first, second, third] = raws;
    if (first === undefined || second === undefined || third === undefined) throw new Error("few");
    const before = start(records);
    for (const raw of raws) await before.pool.add(raw);
    expect(before.submitted).toEqual(raws);
    // Dies; the first was executed, what happened to the others the new process learns from its submitter.
    before.pool.close();
    await execute(executor, 1, [first]);
    const next = start(records);
    await next.restore((raw) => Buffer.from(raw).equals(second));
    expect(next.pool.size).toBe(3);
    await expect.poll(() => next.submitted.length).toBe(1);
    expect(next.submitted).toEqual([third]);
    expect(next.pool.size).toBe(2);
    next.pool.close();
  });

  it("behavior: is tried again while nobody takes it, and what is refused at once is not kept", async () => {
    const records = new Map<string, Uint8Array>();
    const { pool, submitted, state, clock, journal } = start(records);
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    await pool.add(second); // waits for its predecessor
    state.isAway = true;
    await expect(pool.add(first)).rejects.toThrow("transaction rejected: the sequencer is away");
    expect([pool.size, submitted]).toEqual([1, []]);
    await journal.close();
    expect(records.size).toBe(1);
    pool.close();

    const next = start(records, clock);
    next.state.isAway = true;
    await execute(executor, 1, [first]);
    await next.restore(() => false);
    await expect.poll(() => next.pool.size).toBe(1);
    for (let i = 0; i < 3; i++) await next.clock.advance(POST_RETRY_MS);
    expect(next.submitted).toEqual([]);
    next.state.isAway = false;
    await expect
      .poll(async () => {
        await next.clock.advance(POST_RETRY_MS);
        return next.submitted;
      })
      .toEqual([second]);
    next.pool.close();
  });
});
