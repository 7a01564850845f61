import { expect, test } from "vitest";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  nextEpoch,
  ONE,
  perform,
} from "../../../test/support/staking-fixtures.ts";
import { QUEUE, queueKey } from "../state/tables.ts";
import { delegate, delegateFault, undelegate, undelegateFault } from "./delegations.ts";
import { QUEUE_PER_BLOCK_MAX } from "./limits.ts";
import { matureQueue } from "./maturity.ts";
import { parseQueueKey } from "./queue.ts";

test("behavior: so many due entries a block, in order of time, the rest in the next ones", () => {
  const accounts = Array.from({ length: QUEUE_PER_BLOCK_MAX + 5 }, (_, n) => accountNumber(n + 10));
  const ctx = createStakingChain({
    params: { epochLength: 100, unbondingSeconds: 60 },
    balances: Object.fromEntries(accounts.map((account) => [account, ONE])),
  });
  const { address } = addValidator(ctx, 1);
  nextEpoch(ctx);
  const action = { validator: address, amount: ONE };
  for (const [n, account] of accounts.entries()) {
    perform(ctx, delegateFault, delegate, account, { kind: "delegate", ...action });
    perform(ctx, undelegateFault, undelegate, account, { kind: "undelegate", ...action });
    // The last five a second later.
    if (n === QUEUE_PER_BLOCK_MAX - 1) ctx.advance({ blocks: 0, seconds: 1 });
  }
  const paid = () => accounts.filter((account) => ctx.balance(account) === ONE).length;
  ctx.advance({ seconds: 58 });
  matureQueue(ctx);
  expect(paid()).toBe(0);
  ctx.advance({ seconds: 2 });
  matureQueue(ctx);
  expect(paid()).toBe(QUEUE_PER_BLOCK_MAX);
  expect(ctx.balance(accounts[0] ?? "")).toBe(ONE);
  ctx.advance();
  matureQueue(ctx);
  expect(paid()).toBe(accounts.length);
  expect(ctx.records.keys(QUEUE)).toEqual([]);
  ctx.checkSupply();
});

test("behavior: entries of one account that end at different times are paid one by one", () => {
  const alice = accountNumber(0xa11ce);
  const ctx = createStakingChain({
    params: { epochLength: 100, unbondingSeconds: 60 },
    balances: { [alice]: 3n * ONE },
  });
  const { address } = addValidator(ctx, 1);
  nextEpoch(ctx);
  const put = { kind: "delegate", validator: address, amount: 3n * ONE } as const;
  perform(ctx, delegateFault, delegate, alice, put);
  for (const amount of [ONE, 2n * ONE]) {
    const take = { kind: "undelegate", validator: address, amount } as const;
    perform(ctx, undelegateFault, undelegate, alice, take);
    ctx.advance({ seconds: 10 });
  }
  ctx.advance({ seconds: 40 });
  matureQueue(ctx);
  expect(ctx.balance(alice)).toBe(ONE);
  ctx.advance({ seconds: 9 });
  matureQueue(ctx);
  expect(ctx.balance(alice)).toBe(ONE);
  ctx.advance({ seconds: 1 });
  matureQueue(ctx);
  expect(ctx.balance(alice)).toBe(3n * ONE);
});

test("vectors: a mark of the queue", () => {
  const key = queueKey(1_700_000_000, "redelegation/aa/bb/cc");
  expect(key).toBe("0000001700000000/redelegation/aa/bb/cc");
  expect(parseQueueKey(key)).toEqual({
    seconds: 1_700_000_000,
    kind: "redelegation",
    rest: "aa/bb/cc",
  });
});
