import { expect, test } from "vitest";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  nextBlock,
  nextEpoch,
  ONE,
  perform,
} from "../../../test/support/staking-fixtures.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import { toHex } from "../../../proto/bytes.ts";
import { jail, tombstone, unjail } from "../slashing/jail.ts";
import { POWERS, QUEUE, VALIDATORS } from "../state/tables.ts";
import { delegate, delegateFault, undelegate, undelegateFault } from "./delegations.ts";
import { endOfBlockUpdates, type PowerUpdate } from "./epoch.ts";
import { powerAt } from "./power-history.ts";
import { requireEpoch, requireValidator, updateValidator } from "./validator-records.ts";

const ALICE = accountNumber(0xa11ce);

function powers(updates: readonly PowerUpdate[]): Record<string, bigint> {
  return Object.fromEntries(updates.map(({ validator, power }) => [validator, power]));
}

test("behavior: the strongest are the set, by tokens and then by address", () => {
  const ctx = createStakingChain({ params: { validatorsMax: 2, epochLength: 4 } });
  const small = addValidator(ctx, 1, { selfDelegation: 2n * ONE });
  const equals = [2, 3].map((n) => addValidator(ctx, n, { selfDelegation: 3n * ONE + 5n }));
  const big = addValidator(ctx, 4, { selfDelegation: 9n * ONE });
  const [first = "", second = ""] = equals.map(({ validator }) => validator).sort();
  const updates = nextEpoch(ctx);
  expect(powers(updates)).toEqual({ [first]: 3n, [big.validator]: 9n });
  expect(updates.map(({ validator }) => validator)).toEqual([first, big.validator].sort());
  expect(requireValidator(ctx, second).status).toBe(BondStatus.UNBONDED);
  expect(requireValidator(ctx, small.validator).status).toBe(BondStatus.UNBONDED);
  expect(requireValidator(ctx, big.validator)).toMatchObject({
    status: BondStatus.BONDED,
    power: 9n,
  });
  expect(ctx.pool("bonded")).toBe(12n * ONE + 5n);
  expect(ctx.pool("notBonded")).toBe(5n * ONE + 5n);
});

test("behavior: nothing but jail changes the set within an epoch", () => {
  const ctx = createStakingChain({
    params: { epochLength: 5 },
    balances: { [ALICE]: 100n * ONE },
  });
  const one = addValidator(ctx, 1);
  const two = addValidator(ctx, 2);
  nextEpoch(ctx);
  const support = { kind: "delegate", validator: one.address, amount: 7n * ONE } as const;
  perform(ctx, delegateFault, delegate, ALICE, support);
  const three = addValidator(ctx, 3);
  expect(nextBlock(ctx)).toEqual([]);
  jail(ctx, two.validator, 0);
  expect(powers(nextBlock(ctx)), "at once").toEqual({ [two.validator]: 0n });
  expect(nextBlock(ctx), "once").toEqual([]);
  unjail(ctx, two.operator, { kind: "unjail", validator: two.address });
  expect(nextBlock(ctx), "back with the next epoch").toEqual([]);
  expect(powers(nextEpoch(ctx))).toEqual({
    [one.validator]: 17n,
    [two.validator]: 10n,
    [three.validator]: 10n,
  });
  ctx.checkSupply();
});

test("behavior: a validator keeps its seat through an epoch that changes nothing about it", () => {
  const ctx = createStakingChain({ params: { epochLength: 3 } });
  addValidator(ctx, 1);
  expect(nextEpoch(ctx)).toHaveLength(1);
  expect(nextEpoch(ctx)).toEqual([]);
  expect(requireEpoch(ctx)).toEqual({
    number: 3,
    startHeight: 5,
    length: 3,
    nextSetSize: 1,
    followingSetSize: 1,
    activePower: 10n,
  });
});

test("behavior: sizes and power of the sets to come stand in the epoch's record", () => {
  const ctx = createStakingChain({ params: { epochLength: 10 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  expect(requireEpoch(ctx)).toMatchObject({
    nextSetSize: 0,
    followingSetSize: 2,
    activePower: 20n,
  });
  jail(ctx, one.validator, 0);
  nextBlock(ctx);
  expect(requireEpoch(ctx)).toMatchObject({
    number: 2,
    nextSetSize: 2,
    followingSetSize: 1,
    activePower: 10n,
  });
  nextBlock(ctx);
  expect(requireEpoch(ctx)).toMatchObject({ nextSetSize: 1, followingSetSize: 1 });
});

test("behavior: an epoch keeps the length that it began with", () => {
  const ctx = createStakingChain({ params: { epochLength: 4 } });
  addValidator(ctx, 1);
  nextEpoch(ctx);
  ctx.setParams({ epochLength: 2 });
  nextBlock(ctx);
  nextBlock(ctx);
  expect(requireEpoch(ctx)).toMatchObject({ number: 2, startHeight: 2, length: 4 });
  nextEpoch(ctx);
  expect(requireEpoch(ctx)).toMatchObject({ number: 3, startHeight: 6, length: 2 });
});

test("behavior: a validator that leaves takes its stake to the other pool and waits", () => {
  const ctx = createStakingChain({ params: { epochLength: 3, unbondingSeconds: 100 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  jail(ctx, one.validator, 0);
  const { nowSeconds, height } = ctx;
  nextBlock(ctx);
  expect(requireValidator(ctx, one.validator)).toMatchObject({
    status: BondStatus.UNBONDING,
    power: 0n,
    unbondingSeconds: nowSeconds + 100,
    unbondingHeight: height + 2,
  });
  expect(ctx.pool("bonded")).toBe(10n * ONE);
  expect(ctx.pool("notBonded")).toBe(10n * ONE);
  expect(ctx.records.keys(QUEUE)).toHaveLength(1);
  ctx.advance({ blocks: 0, seconds: 99 });
  nextBlock(ctx);
  expect(requireValidator(ctx, one.validator).status, "the next block has its last votes").toBe(
    BondStatus.UNBONDING,
  );
  nextBlock(ctx);
  expect(requireValidator(ctx, one.validator).status).toBe(BondStatus.UNBONDED);
  expect(ctx.records.keys(QUEUE)).toEqual([]);
});

test("behavior: a validator that comes back does not wait any more", () => {
  const ctx = createStakingChain({ params: { epochLength: 3, unbondingSeconds: 1_000 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  jail(ctx, one.validator, 0);
  nextBlock(ctx);
  unjail(ctx, one.operator, { kind: "unjail", validator: one.address });
  nextEpoch(ctx);
  expect(requireValidator(ctx, one.validator)).toMatchObject({
    status: BondStatus.BONDED,
    unbondingSeconds: 0,
    unbondingHeight: 0,
  });
  expect(ctx.records.keys(QUEUE)).toEqual([]);
  expect(ctx.pool("notBonded")).toBe(0n);
});

test("behavior: stake below one unit of power is no power", () => {
  const ctx = createStakingChain({ params: { epochLength: 2, minSelfDelegation: 1n } });
  addValidator(ctx, 1);
  const own = { selfDelegation: ONE - 1n, minSelfDelegation: 1n };
  const dust = addValidator(ctx, 2, own);
  nextEpoch(ctx);
  expect(requireValidator(ctx, dust.validator).power).toBe(0n);
});

test("behavior: power that stake gives counts until the end of its epoch, and is remembered", () => {
  const ctx = createStakingChain({ params: { epochLength: 4 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  const some = { kind: "undelegate", validator: one.address, amount: 4n * ONE } as const;
  perform(ctx, undelegateFault, undelegate, one.operator, some);
  expect(requireValidator(ctx, one.validator).power).toBe(10n);
  nextEpoch(ctx);
  jail(ctx, one.validator, 0);
  nextBlock(ctx);
  // Told in blocks 1, 5 and 6.
  expect(ctx.records.get(POWERS, one.validator)?.changes).toEqual([
    { height: 3, power: 10n },
    { height: 7, power: 6n },
    { height: 8, power: 0n },
  ]);
  const seen = [1, 2, 3, 6, 7, 8, 100].map((height) => powerAt(ctx, one.validator, height));
  expect(seen).toEqual([0n, 0n, 10n, 10n, 6n, 0n, 0n]);
});

test("behavior: the set is never empty: the strongest stays, jailed or not, until others come", () => {
  const ctx = createStakingChain({ params: { epochLength: 3, unbondingSeconds: 60 } });
  const one = addValidator(ctx, 1, { selfDelegation: 5n * ONE });
  const two = addValidator(ctx, 2, { selfDelegation: 6n * ONE });
  nextEpoch(ctx);
  jail(ctx, one.validator, 0);
  jail(ctx, two.validator, 0);
  expect(powers(nextBlock(ctx))).toEqual({ [one.validator]: 0n });
  expect(nextEpoch(ctx), "nobody else may stand").toEqual([]);
  expect(requireValidator(ctx, two.validator)).toMatchObject({
    jailed: true,
    power: 6n,
    status: BondStatus.BONDED,
  });
  // Even without stake: its operator takes all of it out.
  const all = { kind: "undelegate", validator: two.address, amount: 6n * ONE } as const;
  perform(ctx, undelegateFault, undelegate, two.operator, all);
  expect(nextEpoch(ctx)).toEqual([]);
  const three = addValidator(ctx, 3);
  expect(powers(nextEpoch(ctx))).toEqual({ [two.validator]: 0n, [three.validator]: 10n });
  ctx.checkSupply();
});

test("behavior: when everybody has retired, one who is not jailed stays, a tombstoned one last", () => {
  const ctx = createStakingChain({ params: { epochLength: 2 } });
  const good = addValidator(ctx, 1, { selfDelegation: 2n * ONE });
  const bad = addValidator(ctx, 2, { selfDelegation: 9n * ONE });
  const worst = addValidator(ctx, 3, { selfDelegation: 10n * ONE });
  nextEpoch(ctx);
  for (const { validator } of [good, bad, worst])
    updateValidator(ctx, validator, { retired: true });
  jail(ctx, bad.validator, 0);
  tombstone(ctx, worst.validator);
  nextEpoch(ctx);
  expect(requireValidator(ctx, good.validator).power).toBe(2n);
  jail(ctx, good.validator, 0);
  expect(nextEpoch(ctx)).toEqual([]);
});

test("behavior: of two that were bad, the one that may return stays", () => {
  const ctx = createStakingChain({ params: { epochLength: 5 } });
  const bad = addValidator(ctx, 1, { selfDelegation: 2n * ONE });
  const worst = addValidator(ctx, 2);
  nextEpoch(ctx);
  jail(ctx, bad.validator, 0);
  tombstone(ctx, worst.validator);
  expect(powers(nextBlock(ctx))).toEqual({ [worst.validator]: 0n });
});

test("behavior: the set goes to one and to a hundred validators, updates are the difference", () => {
  const ctx = createStakingChain({ params: { epochLength: 1, unbondingSeconds: 60 } });
  const told = new Map<string, bigint>();
  const step = () => {
    const updates = nextEpoch(ctx);
    const addresses = updates.map(({ validator }) => validator);
    expect(addresses, "by address, each once").toEqual([...new Set(addresses)].sort());
    for (const { validator, power } of updates) {
      expect(told.get(validator) ?? 0n, "a change").not.toBe(power);
      if (power === 0n) told.delete(validator);
      else told.set(validator, power);
    }
    expect(told.size).toBe(requireEpoch(ctx).followingSetSize);
    return told.size;
  };
  const first = addValidator(ctx, 1);
  expect(step()).toBe(1);
  const others = Array.from({ length: 120 }, (_, n) =>
    addValidator(ctx, n + 2, { selfDelegation: BigInt(n + 20) * ONE }),
  );
  expect(step()).toBe(100);
  expect(told.has(first.validator), "twenty-one are too small").toBe(false);
  for (const { validator } of others) updateValidator(ctx, validator, { retired: true });
  expect(step()).toBe(1);
  expect([...told.keys()]).toEqual([first.validator]);
  ctx.checkSupply();
});

test("behavior: a validator without stake is removed when it is out, with nothing left behind", () => {
  const ctx = createStakingChain({ params: { epochLength: 2, unbondingSeconds: 60 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  const all = { kind: "undelegate", validator: one.address, amount: 10n * ONE } as const;
  perform(ctx, undelegateFault, undelegate, one.operator, all);
  nextEpoch(ctx);
  expect(ctx.records.get(VALIDATORS, one.validator), "it can be punished still").toBeDefined();
  ctx.advance({ blocks: 0, seconds: 60 });
  nextBlock(ctx);
  const left = [...ctx.records.changes()].filter(
    ([key, value]) => value !== undefined && key.includes(one.validator),
  );
  expect(left).toEqual([]);
  expect(ctx.balance(one.operator)).toBe(10n * ONE);
});

test("behavior: a candidate that its operator leaves at once is removed with the block", () => {
  const ctx = createStakingChain({ params: { epochLength: 10 } });
  addValidator(ctx, 1);
  nextEpoch(ctx);
  const two = addValidator(ctx, 2);
  const all = { kind: "undelegate", validator: two.address, amount: 10n * ONE } as const;
  perform(ctx, undelegateFault, undelegate, two.operator, all);
  expect(ctx.balance(two.operator), "it never was in the set").toBe(10n * ONE);
  nextBlock(ctx);
  expect(ctx.records.get(VALIDATORS, two.validator)).toBeUndefined();
});

test("behavior: events say what changed in the set", () => {
  const ctx = createStakingChain({ params: { epochLength: 2 } });
  const one = addValidator(ctx, 1);
  const before = ctx.events.length;
  expect(endOfBlockUpdates(ctx).map(({ consensusKey }) => toHex(consensusKey))).toEqual([
    toHex(requireValidator(ctx, one.validator).consensusKey),
  ]);
  expect(ctx.events.slice(before).map(({ type }) => type)).toEqual(["validator_power", "epoch"]);
});
