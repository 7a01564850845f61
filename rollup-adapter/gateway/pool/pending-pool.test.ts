import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import {
  ALICE,
  BOB,
  execute,
  openExecutor,
  removeDirectory,
  signed,
  temporaryDirectory,
} from "../../../test/support/evm-rollup.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import type { EvmExecutor } from "../../evm/executor.ts";
import { POST_RETRY_MS, RESUBMISSIONS_MAX } from "../../evm/limits.ts";
import { NULL_EVM_METRICS } from "../../evm/metrics.ts";
import { createPoolChain } from "../../evm/rpc/pool-chain.ts";
import { createMemoryJournalStore, type JournalStore } from "../journal/journal-store.ts";
import { createJournal } from "../journal/journal.ts";
import { NULL_GATEWAY_METRICS } from "../metrics.ts";
import { createKeptTransactions } from "./kept-transactions.ts";
import { createQuota } from "../quota.ts";
import { PendingPool, type PoolQuota } from "./pending-pool.ts";
import type { PoolBlock, PoolChain } from "./pool-chain.ts";

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

/** One life of a pool on that disk; `state.isAway`: nothing can be submitted, `isFull`: the disk takes nothing. */
function start(
  records: Map<string, Uint8Array>,
  clock: ManualClock = createManualClock(),
  quota?: PoolQuota,
  queuedMax?: number,
  chain: PoolChain = createPoolChain(executor, clock),
) {
  const store = createMemoryJournalStore(records);
  const state = {
    isAway: false,
    /** What happens before somebody is told so. */
    onAway: (): Promise<unknown> => Promise.resolve(),
    isFull: false,
    behind: undefined as string | undefined,
  };
  const write: JournalStore["write"] = (operations, isSynced) =>
    state.isFull ? Promise.reject(new Error("ENOSPC")) : store.write(operations, isSynced);
  const journal = createJournal({ ...store, write }, NULL_GATEWAY_METRICS);
  const submitted: Uint8Array[] = [];
  const kept = createKeptTransactions(journal);
  const pool = new PendingPool({
    chain,
    submit: async (raw) => {
      if (state.isAway) {
        await state.onAway();
        throw new Error("the sequencer is away");
      }
      submitted.push(raw);
    },
    clock,
    logger: NULL_LOGGER,
    metrics: NULL_EVM_METRICS,
    kept,
    quota,
    queuedMax,
    catchingUp: () => state.behind,
  });
  const restore = async (isSubmitted: (raw: Uint8Array) => boolean): Promise<void> => {
    await pool.restore({ kept, reconciled: Promise.resolve(), isSubmitted });
  };
  return { pool, submitted, state, clock, journal, restore };
}

/** The executor's state, and blocks that a test tells of; `asked`: the account that was asked for last. */
function toldByHand(clock: ManualClock) {
  const chain = createPoolChain(executor, clock);
  let listener: (block: PoolBlock) => void = () => {};
  let asked: Promise<unknown> = Promise.resolve();
  const told: PoolChain = {
    ...chain,
    account(sender) {
      const account = chain.account(sender);
      asked = account;
      return account;
    },
    onBlock(listen) {
      listener = listen;
      return () => {};
    },
  };
  return { chain: told, tell: (block: PoolBlock) => listener(block), asked: () => asked };
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

describe("blocks that are executed while a transaction is checked", () => {
  it("behavior: are known where it is posted, or refused", async () => {
    const chain = createPoolChain(executor, createManualClock());
    /** Payloads of blocks that come between the reading of an account and its use. */
    let meanwhile: Uint8Array[] = [];
    let height = 0;
    const overtaken: PoolChain = {
      ...chain,
      async next() {
        const payload = meanwhile.shift();
        if (payload !== undefined) await execute(executor, ++height, [payload]);
        return chain.next();
      },
    };
    const { pool, submitted } = start(new Map(), undefined, undefined, undefined, overtaken);
    const raws = await Promise.all([0, 1, 2, 3].map((nonce) => signed(ALICE, { nonce })));
    const [first, second, third, fourth] = raws;
    if (!first || !second || !third || !fourth) throw new Error("few");
    await pool.add(first);
    meanwhile = [first];
    await pool.add(second);
    expect(submitted).toEqual([first, second]);
    await pool.add(third);
    // One more while it is looked at again.
    meanwhile = [second, third];
    await pool.add(fourth);
    await expect.poll(() => submitted).toEqual([first, second, third, fourth]);
    await execute(executor, ++height, [fourth]);
    meanwhile = [await signed(ALICE, { nonce: 4 })];
    await expect(pool.add(await signed(ALICE, { nonce: 4, value: 7n }))).rejects.toThrow(
      "nonce too low: next nonce 5, tx nonce 4",
    );
    pool.close();
  });
});

describe("a transaction that a block had no room for while its replacement was submitted", () => {
  it("behavior: is posted again once that one is refused", async () => {
    const clock = createManualClock();
    const { chain, tell, asked } = toldByHand(clock);
    const { pool, submitted, state } = start(new Map(), clock, undefined, undefined, chain);
    const first = await signed(ALICE, { nonce: 0 });
    await pool.add(first);
    const full = { included: [], isComplete: true };
    const why = "BLOCK_GAS_EXHAUSTED";
    state.isAway = true;
    state.onAway = () => {
      tell({ ...full, skipped: [{ payload: first, reason: why }] });
      return asked();
    };
    const instead = await signed(ALICE, { nonce: 0, maxFeePerGas: 4_000_000_000n });
    await expect(pool.add(instead)).rejects.toThrow("is away");
    state.isAway = false;
    await clock.advance(POST_RETRY_MS);
    await expect.poll(() => submitted).toEqual([first, first]);
    // And when a block skips it later, with nothing in its way.
    tell({ ...full, skipped: [{ payload: first, reason: why }] });
    await expect.poll(() => submitted).toEqual([first, first, first]);
    pool.close();
  });
});

describe("a block whose answer was lost", () => {
  it("behavior: what it skipped is posted again, what is on its way and what waits is not", async () => {
    const clock = createManualClock();
    const { chain, tell, asked } = toldByHand(clock);
    const raws = await Promise.all([0, 1, 2, 3].map((nonce) => signed(ALICE, { nonce })));
    const [first, second, third, fourth] = raws;
    if (!first || !second || !third || !fourth) throw new Error("few");
    const { pool, submitted, restore } = start(new Map(), clock, undefined, undefined, chain);
    await restore((raw) => Buffer.from(raw).equals(third));
    for (const raw of raws) await pool.add(raw);
    await execute(executor, 1, [first]);
    const lost = { included: [], skipped: [], isComplete: false, waiting: [fourth] };
    for (let times = 1; times <= RESUBMISSIONS_MAX; times++) {
      tell(lost);
      await expect.poll(() => submitted).toEqual([...raws, ...Array(times).fill(second)]);
    }
    expect(pool.size).toBe(3);
    // As often as after a block that says why.
    tell(lost);
    await asked();
    expect(submitted.length).toBe(raws.length + RESUBMISSIONS_MAX);
    pool.close();
  });
});

describe("a node that stood for an hour", () => {
  it("behavior: has kept what it accepted, also what waits for its predecessor", async () => {
    const records = new Map<string, Uint8Array>();
    const before = start(records);
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    await before.pool.add(second);
    before.pool.close();
    const clock = createManualClock();
    await clock.advance(3_600_000);
    const next = start(records, clock);
    await next.restore(() => false);
    await next.pool.add(first);
    await expect.poll(() => next.submitted).toEqual([first, second]);
    next.pool.close();
  });
});

describe("what a stranger can make the gateway pay for", () => {
  const ETHER = 10n ** 18n;

  it("behavior: nothing that its sender cannot pay for after what waits before it", async () => {
    const { pool, submitted } = start(new Map());
    // Each of them alone it could: it has 1,000.
    await pool.add(await signed(ALICE, { nonce: 0, value: 600n * ETHER }));
    await expect(pool.add(await signed(ALICE, { nonce: 1, value: 600n * ETHER }))).rejects.toThrow(
      /insufficient funds .* queued cost 6\d{20}, tx cost 6\d{20}, overshot 2\d{20}/,
    );
    const affordable = await signed(ALICE, { nonce: 1, value: 300n * ETHER });
    await pool.add(affordable);
    // In place of one that waits it may ask for what that one asked for.
    const instead = { value: 650n * ETHER, maxFeePerGas: 4_000_000_000n };
    await pool.add(await signed(ALICE, { nonce: 0, ...instead }));
    expect(submitted.length).toBe(3);
    pool.close();
  });

  it("behavior: what waits for a predecessor takes a part of the room only", async () => {
    const { pool, submitted } = start(new Map(), undefined, undefined, 3);
    const send = async (nonce: number, from = ALICE) =>
      await pool.add(await signed(from, { nonce }));
    for (const nonce of [1, 2, 9]) await send(nonce);
    await expect(send(10)).rejects.toThrow("wait for their predecessors");
    expect(submitted).toEqual([]);
    // What can be ordered has its room, and what follows it makes room.
    await send(0, BOB);
    await send(0);
    expect(submitted.length).toBe(4);
    await send(10);
    await send(11);
    await expect(send(12)).rejects.toThrow("wait for their predecessors");
    pool.close();
  });

  it("behavior: replacements that pay more, and a few only", async () => {
    const { pool, submitted } = start(new Map());
    const fees = [2_000_000_000n, 2_100_000_000n, 2_200_000_000n].map((fee) => ({
      nonce: 0,
      maxFeePerGas: fee,
    }));
    const [first, tooLow, enough] = await Promise.all(fees.map((one) => signed(ALICE, one)));
    if (first === undefined || tooLow === undefined || enough === undefined) throw new Error("few");
    await pool.add(first);
    await expect(pool.add(tooLow)).rejects.toThrow("replacement transaction underpriced");
    await pool.add(enough);
    for (const times of [2n, 4n, 8n]) {
      await pool.add(await signed(ALICE, { nonce: 0, maxFeePerGas: times * 2_000_000_000n }));
    }
    const sixth = await signed(ALICE, { nonce: 0, maxFeePerGas: 64_000_000_000n });
    await expect(pool.add(sixth)).rejects.toThrow("4 of this nonce were replaced already");
    expect(submitted.length).toBe(5);
    pool.close();
  });

  it("behavior: a replacement that the sequencer refuses leaves what it was to replace in its place", async () => {
    const { pool, submitted, state } = start(new Map());
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    const hash = await pool.add(first);
    await pool.add(second);
    const instead = await signed(ALICE, { nonce: 0, maxFeePerGas: 4_000_000_000n });
    state.isAway = true;
    await expect(pool.add(instead)).rejects.toThrow("is away");
    state.isAway = false;
    const { sender } = pool.get(hash) ?? {};
    expect(sender && pool.nextNonce(sender, 0n)).toBe(2n);
    await expect(pool.add(await signed(ALICE, { nonce: 0, value: 7n }))).rejects.toThrow(
      "replacement transaction underpriced",
    );
    expect(submitted).toEqual([first, second]);
    pool.close();
  });

  it("behavior: what was replaced waits no longer than its nonce", async () => {
    const { pool, submitted } = start(new Map(), undefined, undefined, 2);
    const first = await signed(ALICE, { nonce: 0 });
    const second = await signed(ALICE, { nonce: 1 });
    const instead = await signed(ALICE, { nonce: 1, maxFeePerGas: 4_000_000_000n });
    await pool.add(second);
    await pool.add(instead);
    await expect(pool.add(await signed(BOB, { nonce: 1 }))).rejects.toThrow("wait for their");
    await pool.add(first);
    expect(submitted).toEqual([first, instead]);
    await execute(executor, 1, [first, instead]);
    await expect.poll(() => pool.size).toBe(0);
    await pool.add(await signed(BOB, { nonce: 1 }));
    await pool.add(await signed(BOB, { nonce: 2 }));
    pool.close();
  });

  it("behavior: what waits counts for its requester's quota after a restart too", async () => {
    const records = new Map<string, Uint8Array>();
    const quota = (): PoolQuota => ({
      of: createQuota(
        () => ({ waitingMax: 2, spendPerMinute: 0n }),
        () => 0,
      ),
      costOf: () => Promise.reject(new Error("nobody pays here")),
    });
    const before = start(records, createManualClock(), quota());
    const first = await signed(ALICE, { nonce: 0 });
    await before.pool.add(first, "key one");
    await before.pool.add(await signed(ALICE, { nonce: 1 }), "key one");
    before.pool.close();

    const next = start(records, createManualClock(), quota());
    await next.restore(() => true);
    const third = await signed(ALICE, { nonce: 2 });
    await expect(next.pool.add(third, "key one")).rejects.toThrow("2 of key one wait already");
    await next.pool.add(await signed(BOB, { nonce: 0 }), "key two");
    // Executed, it waits no longer.
    await execute(executor, 1, [first]);
    await expect.poll(() => next.pool.size).toBe(2);
    await next.pool.add(third, "key one");
    next.pool.close();
  });

  it("behavior: no more than a minute's money of one requester, each try at its place counted", async () => {
    const clock = createManualClock();
    const quota = {
      of: createQuota(
        () => ({ waitingMax: 0, spendPerMinute: 250n }),
        () => clock.monotonicMs(),
      ),
      costOf: () => Promise.resolve(100n),
    };
    const { pool, state } = start(new Map(), clock, quota);
    state.isAway = true;
    const first = await signed(ALICE, { nonce: 0 });
    // Refused by the sequencer it costs nothing, however often.
    for (let i = 0; i < 5; i++) await expect(pool.add(first, "one")).rejects.toThrow("is away");
    state.isAway = false;
    await pool.add(first, "one");
    const second = await signed(ALICE, { nonce: 1 });
    await pool.add(second, "one");
    await expect(pool.add(await signed(ALICE, { nonce: 2 }), "one")).rejects.toThrow(
      "of the 250 a minute of one 50 are left",
    );
    // Ordered before its turn, its place is paid for in vain: the next one is the requester's too.
    await execute(executor, 1, [second]);
    await execute(executor, 2, [first]);
    await expect
      .poll(async () => {
        const third = await signed(BOB, { nonce: 0 });
        return await pool.add(third, "one").catch(String);
      })
      .toContain("-50 are left");
    pool.close();
  });
});

describe("a disk that is full", () => {
  it("behavior: nothing is accepted, and what was is still pending", async () => {
    const records = new Map<string, Uint8Array>();
    const { pool, state } = start(records);
    await pool.add(await signed(ALICE, { nonce: 0 }));
    state.isFull = true;
    const waiting = await signed(ALICE, { nonce: 2 }); // for its predecessor
    await expect(pool.add(waiting)).rejects.toMatchObject({
      code: -32_003,
      message: /journal cannot be written.*is the disk full\?/,
    });
    expect(pool.size).toBe(1);
    // Room alone does not mend it: what was half written is read again by a new process.
    state.isFull = false;
    await expect(pool.add(waiting)).rejects.toThrow("until the node is started again");
    pool.close();
    const next = start(records);
    await next.restore(() => true);
    expect(next.pool.size).toBe(1);
    await next.pool.add(waiting);
    expect(next.pool.size).toBe(2);
    next.pool.close();
  });
});

describe("while the state is behind the order", () => {
  it("behavior: nothing new is taken, what was taken is answered, and a wallet may send once it is not", async () => {
    const { pool, submitted, state } = start(new Map());
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    const hash = await pool.add(first);
    state.behind = "catching up: block 400 of 1000";
    await expect(pool.add(second)).rejects.toMatchObject({
      code: -32_002,
      message: expect.stringMatching(
        /^the rollup is catching up: block 400 of 1000; .*send then \(GET \/readyz says when\)$/,
      ),
    });
    expect(await pool.add(first)).toEqual(hash);
    expect([pool.size, submitted]).toEqual([1, [first]]);
    state.behind = undefined;
    await pool.add(second);
    expect(submitted).toEqual([first, second]);
    pool.close();
  });
});
