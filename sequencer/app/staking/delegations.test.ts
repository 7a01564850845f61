import { expect, test } from "vitest";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  cutTokens,
  nextBlock,
  nextEpoch,
  ONE,
  perform,
} from "../../../test/support/staking-fixtures.ts";
import type { TestStakingContext } from "../../../test/support/staking-context.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import type { Redelegate } from "../../../proto/codec/staking-tx.ts";
import {
  INCOMING,
  incomingKey,
  QUEUE,
  REDELEGATIONS,
  UNBONDINGS,
  VALIDATORS,
} from "../state/tables.ts";
import { toDecimal } from "./decimal.ts";
import {
  cancelUnbonding,
  cancelUnbondingFault,
  delegate,
  delegateFault,
  redelegate,
  redelegateFault,
  removeShares,
  undelegate,
  undelegateFault,
} from "./delegations.ts";
import {
  delegatedTokens,
  delegationOf,
  requireValidator,
  updateValidator,
} from "./validator-records.ts";

const ALICE = accountNumber(0xa11ce);
const BOB = accountNumber(0xb0b);
const NOBODY = new Uint8Array(20);

/** Two validators of the set with ten WEFT each; Alice and Bob have ten WEFT each. */
function twoValidators(options: Parameters<typeof createStakingChain>[0] = {}) {
  const ctx = createStakingChain({
    ...options,
    params: { epochLength: 10, unbondingSeconds: 1_000, ...options.params },
    balances: { [ALICE]: 10n * ONE, [BOB]: 10n * ONE },
  });
  const one = addValidator(ctx, 1);
  const two = addValidator(ctx, 2);
  nextEpoch(ctx);
  return { ctx, one, two };
}

function put(ctx: TestStakingContext, by: string, validator: Uint8Array, amount: bigint): void {
  perform(ctx, delegateFault, delegate, by, { kind: "delegate", validator, amount });
}

function take(ctx: TestStakingContext, by: string, validator: Uint8Array, amount: bigint): void {
  perform(ctx, undelegateFault, undelegate, by, { kind: "undelegate", validator, amount });
}

function moveTo(ctx: TestStakingContext, by: string, action: Omit<Redelegate, "kind">): void {
  perform(ctx, redelegateFault, redelegate, by, { kind: "redelegate", ...action });
}

test("behavior: a delegation buys shares at the rate and its tokens lie with the validator's", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  expect(ctx.balance(ALICE)).toBe(7n * ONE);
  expect(ctx.pool("bonded")).toBe(23n * ONE);
  expect(delegationOf(ctx, one.validator, ALICE)?.shares).toBe(toDecimal(3n * ONE));

  // A tenth is slashed: 11.7 WEFT for 13 million shares; 0.9 WEFT buy a million.
  cutTokens(ctx, one.validator, 13n * (ONE / 10n));
  put(ctx, BOB, one.address, 9n * (ONE / 10n));
  expect(delegationOf(ctx, one.validator, BOB)?.shares).toBe(toDecimal(ONE));
  expect(requireValidator(ctx, one.validator)).toMatchObject({
    tokens: 126n * (ONE / 10n),
    shares: toDecimal(14n * ONE),
    power: 10n,
  });
  ctx.checkSupply();
});

test("behavior: what cannot be delegated is refused, and why", () => {
  const { ctx, one, two } = twoValidators();
  const fault = (validator: Uint8Array, amount: bigint) =>
    delegateFault(ctx, ALICE, { kind: "delegate", validator, amount })?.code;
  expect(fault(NOBODY, 1n)).toBe("VALIDATOR_UNKNOWN");
  expect(fault(one.address, 0n)).toBe("STAKE_AMOUNT");
  expect(fault(one.address, 10n * ONE + 1n)).toBe("STAKE_FUNDS");
  expect(fault(one.address, 10n * ONE)).toBeUndefined();
  updateValidator(ctx, one.validator, { jailed: true });
  expect(fault(one.address, 1n), "a jailed one may be supported").toBeUndefined();
  updateValidator(ctx, one.validator, { tombstoned: true });
  expect(fault(one.address, 1n)).toBe("VALIDATOR_TOMBSTONED");
  cutTokens(ctx, two.validator, 10n * ONE);
  expect(fault(two.address, 1n)).toBe("STAKE_WORTHLESS");
});

test("behavior: shares that outgrow their record are not sold, however little is left for them", () => {
  const { ctx, two } = twoValidators();
  const buy = () =>
    delegateFault(ctx, ALICE, { kind: "delegate", validator: two.address, amount: ONE });
  // Each time all but 1 nweft is slashed, and ONE nweft buy ONE times the shares there are.
  let rounds = 0;
  for (; buy() === undefined; rounds++) {
    put(ctx, ALICE, two.address, ONE);
    const state = ctx.records.get(VALIDATORS, two.validator);
    if (state === undefined) throw new Error("the validator is there");
    expect(() => VALIDATORS.encode(state)).not.toThrow();
    cutTokens(ctx, two.validator, state.tokens - 1n);
  }
  expect(rounds).toBeGreaterThan(1);
  expect(buy()?.code).toBe("STAKE_WORTHLESS");
});

test("behavior: stake of a validator of the set waits the whole time", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  const asked = ctx.height;
  const askedSeconds = ctx.nowSeconds;
  take(ctx, ALICE, one.address, ONE);
  expect(ctx.pool("bonded")).toBe(22n * ONE);
  expect(ctx.pool("notBonded")).toBe(ONE);
  const key = `${one.validator}/${ALICE}`;
  expect(ctx.records.get(UNBONDINGS, key)).toEqual({
    entries: [
      {
        id: 1,
        createdHeight: asked,
        // The epoch is heights 2 to 11; its set votes on 12 too.
        slashableThrough: 12,
        completionSeconds: askedSeconds + 1_000,
        initialBalance: ONE,
        balance: ONE,
      },
    ],
  });
  nextBlock(ctx, 999);
  nextBlock(ctx, 0);
  expect(ctx.balance(ALICE), "not a second early").toBe(7n * ONE);
  ctx.advance({ blocks: 0, seconds: 1 });
  nextBlock(ctx);
  expect(ctx.balance(ALICE)).toBe(8n * ONE);
  expect(ctx.pool("notBonded")).toBe(0n);
  expect(ctx.records.get(UNBONDINGS, key)).toBeUndefined();
  expect(ctx.records.keys(QUEUE)).toEqual([]);
});

test("behavior: from a validator on its way out stake is free when that one is out, then at once", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  updateValidator(ctx, one.validator, { retired: true });
  nextEpoch(ctx);
  const { status, unbondingSeconds } = requireValidator(ctx, one.validator);
  expect(status).toBe(BondStatus.UNBONDING);
  ctx.advance({ blocks: 5, seconds: 400 });
  take(ctx, ALICE, one.address, ONE);
  const entry = ctx.records.get(UNBONDINGS, `${one.validator}/${ALICE}`)?.entries[0];
  expect(entry?.completionSeconds, "not 1,000 seconds from now").toBe(unbondingSeconds);
  expect(entry?.slashableThrough, "the last height that it voted on").toBe(12);

  ctx.advance({ blocks: 5, seconds: 600 });
  nextBlock(ctx);
  expect(requireValidator(ctx, one.validator).status).toBe(BondStatus.UNBONDED);
  expect(ctx.balance(ALICE)).toBe(8n * ONE);
  take(ctx, ALICE, one.address, ONE);
  expect(ctx.balance(ALICE), "at once").toBe(9n * ONE);
  ctx.checkSupply();
});

test("behavior: so many entries of one account at one validator, and no more", () => {
  const { ctx, one } = twoValidators({ params: { unbondingEntriesMax: 2 } });
  put(ctx, ALICE, one.address, 3n * ONE);
  take(ctx, ALICE, one.address, 1n);
  take(ctx, ALICE, one.address, 1n);
  const action = { kind: "undelegate", validator: one.address, amount: 1n } as const;
  expect(undelegateFault(ctx, ALICE, action)?.code).toBe("UNBONDING_FULL");
  put(ctx, BOB, one.address, ONE);
  expect(undelegateFault(ctx, BOB, action), "others are free to go").toBeUndefined();
});

test("behavior: more than there is cannot be taken", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  const fault = (by: string, validator: Uint8Array, amount: bigint) =>
    undelegateFault(ctx, by, { kind: "undelegate", validator, amount })?.code;
  expect(fault(ALICE, NOBODY, 1n)).toBe("VALIDATOR_UNKNOWN");
  expect(fault(BOB, one.address, 1n)).toBe("DELEGATION_UNKNOWN");
  expect(fault(ALICE, one.address, 0n)).toBe("STAKE_AMOUNT");
  expect(fault(ALICE, one.address, 3n * ONE + 1n)).toBe("DELEGATION_TOO_SMALL");
  expect(fault(ALICE, one.address, 3n * ONE)).toBeUndefined();
});

test("vectors: truncation stays with the validator, the last share takes all (spec staking C1)", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 10n);
  put(ctx, BOB, one.address, 10n);
  // The operator leaves: 20 nweft, 20 shares; 7 are slashed: 0.65 nweft a share.
  take(ctx, one.operator, one.address, 10n * ONE);
  cutTokens(ctx, one.validator, 7n);
  // Alice's ten shares are worth 6.5: she gets 6, and 7 are left for Bob's.
  expect(delegatedTokens(ctx, one.validator, ALICE)).toBe(6n);
  take(ctx, ALICE, one.address, 6n);
  expect(delegationOf(ctx, one.validator, ALICE), "no dust").toBeUndefined();
  expect(delegatedTokens(ctx, one.validator, BOB)).toBe(7n);
  take(ctx, BOB, one.address, 7n);
  expect(requireValidator(ctx, one.validator)).toMatchObject({ tokens: 0n, shares: 0n });
  expect(ctx.records.get(UNBONDINGS, `${one.validator}/${ALICE}`)?.entries[0]?.balance).toBe(6n);
  ctx.checkSupply();
});

test("behavior: a rest that is worth less than 1 nweft can be cleared, and pays nothing", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 1n);
  cutTokens(ctx, one.validator, ONE);
  expect(delegatedTokens(ctx, one.validator, ALICE)).toBe(0n);
  const { tokens } = requireValidator(ctx, one.validator);
  take(ctx, ALICE, one.address, 1n);
  expect(delegationOf(ctx, one.validator, ALICE)).toBeUndefined();
  expect(requireValidator(ctx, one.validator).tokens).toBe(tokens);
  expect(ctx.records.get(UNBONDINGS, `${one.validator}/${ALICE}`)).toBeUndefined();
});

test("behavior: an operator that keeps less than its minimum is jailed", () => {
  const { ctx, one, two } = twoValidators();
  put(ctx, ALICE, one.address, 5n * ONE);
  take(ctx, one.operator, one.address, 9n * ONE);
  expect(requireValidator(ctx, one.validator).jailed, "exactly the minimum is left").toBe(false);
  take(ctx, one.operator, one.address, 1n);
  expect(requireValidator(ctx, one.validator)).toMatchObject({ jailed: true, tombstoned: false });
  expect(nextBlock(ctx)).toEqual([
    {
      validator: one.validator,
      consensusKey: requireValidator(ctx, one.validator).consensusKey,
      power: 0n,
    },
  ]);
  put(ctx, ALICE, two.address, 5n * ONE);
  take(ctx, ALICE, two.address, 5n * ONE);
  expect(requireValidator(ctx, two.validator).jailed, "others' stake does not matter").toBe(false);
});

test("behavior: an entry is cancelled in whole or in part, at the rate of now", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 4n * ONE);
  take(ctx, ALICE, one.address, 2n * ONE);
  take(ctx, ALICE, one.address, ONE);
  const key = `${one.validator}/${ALICE}`;
  const cancel = (entry: number, amount: bigint) =>
    ({ kind: "cancelUnbonding", validator: one.address, entry, amount }) as const;
  const fault = (entry: number, amount: bigint) =>
    cancelUnbondingFault(ctx, ALICE, cancel(entry, amount))?.code;
  expect(fault(3, 1n)).toBe("UNBONDING_UNKNOWN");
  expect(fault(2, ONE + 1n)).toBe("UNBONDING_TOO_SMALL");
  expect(fault(2, 0n)).toBe("STAKE_AMOUNT");
  // Half of the validator is slashed: a share costs half.
  cutTokens(ctx, one.validator, (11n * ONE) / 2n);
  perform(ctx, cancelUnbondingFault, cancelUnbonding, ALICE, cancel(1, ONE));
  expect(delegationOf(ctx, one.validator, ALICE)?.shares).toBe(toDecimal(3n * ONE));
  expect(ctx.records.get(UNBONDINGS, key)?.entries).toMatchObject([
    { id: 1, initialBalance: ONE, balance: ONE },
    { id: 2, initialBalance: ONE, balance: ONE },
  ]);
  perform(ctx, cancelUnbondingFault, cancelUnbonding, ALICE, cancel(1, ONE));
  expect(ctx.records.get(UNBONDINGS, key)?.entries).toMatchObject([{ id: 2 }]);
  expect(ctx.records.keys(QUEUE), "the other entry ends at the same second").toHaveLength(1);
  updateValidator(ctx, one.validator, { jailed: true });
  expect(fault(2, ONE)).toBe("VALIDATOR_JAILED");
  updateValidator(ctx, one.validator, { jailed: false });
  perform(ctx, cancelUnbondingFault, cancelUnbonding, ALICE, cancel(2, ONE));
  expect(ctx.records.get(UNBONDINGS, key)).toBeUndefined();
  expect(ctx.records.keys(QUEUE)).toEqual([]);
  expect(ctx.pool("notBonded")).toBe(0n);
  ctx.checkSupply();
});

test("behavior: an entry whose time has come cannot be cancelled", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, ONE);
  take(ctx, ALICE, one.address, ONE);
  ctx.advance({ blocks: 1, seconds: 1_000 });
  const cancel = {
    kind: "cancelUnbonding",
    validator: one.address,
    entry: 1,
    amount: ONE,
  } as const;
  expect(cancelUnbondingFault(ctx, ALICE, cancel)?.code).toBe("UNBONDING_UNKNOWN");
});

test("behavior: stake moves at once and answers for where it came from", () => {
  const { ctx, one, two } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  const { height, nowSeconds } = ctx;
  moveTo(ctx, ALICE, { validator: one.address, destination: two.address, amount: 2n * ONE });
  expect(delegatedTokens(ctx, one.validator, ALICE)).toBe(ONE);
  expect(delegatedTokens(ctx, two.validator, ALICE)).toBe(2n * ONE);
  const key = `${one.validator}/${ALICE}/${two.validator}`;
  expect(ctx.records.get(REDELEGATIONS, key)).toEqual({
    entries: [
      {
        createdHeight: height,
        slashableThrough: 12,
        completionSeconds: nowSeconds + 1_000,
        initialBalance: 2n * ONE,
        sharesDestination: toDecimal(2n * ONE),
      },
    ],
  });
  expect(ctx.records.get(INCOMING, incomingKey(ALICE, two.validator))).toEqual({ count: 1 });

  ctx.advance({ blocks: 1, seconds: 1_000 });
  nextBlock(ctx);
  expect(ctx.records.get(REDELEGATIONS, key)).toBeUndefined();
  expect(ctx.records.get(INCOMING, incomingKey(ALICE, two.validator))).toBeUndefined();
  expect(ctx.records.keys(QUEUE)).toEqual([]);
  ctx.checkSupply();
});

test("behavior: stake that has just moved cannot move on (S9)", () => {
  const { ctx, one, two } = twoValidators();
  const three = addValidator(ctx, 3);
  put(ctx, ALICE, one.address, 3n * ONE);
  put(ctx, ALICE, two.address, ONE);
  moveTo(ctx, ALICE, { validator: one.address, destination: two.address, amount: ONE });
  const onward = {
    kind: "redelegate",
    validator: two.address,
    destination: three.address,
    amount: ONE,
  } as const;
  expect(redelegateFault(ctx, ALICE, onward)?.code).toBe("REDELEGATION_TRANSITIVE");
  expect(redelegateFault(ctx, two.operator, onward), "others' may").toBeUndefined();
  // From the first one more may follow.
  moveTo(ctx, ALICE, { validator: one.address, destination: two.address, amount: ONE });
  expect(ctx.records.get(INCOMING, incomingKey(ALICE, two.validator))).toEqual({ count: 2 });
  ctx.advance({ blocks: 1, seconds: 1_000 });
  nextBlock(ctx);
  expect(redelegateFault(ctx, ALICE, onward)).toBeUndefined();
});

test("behavior: what cannot be moved is refused, and why", () => {
  const { ctx, one, two } = twoValidators({ params: { unbondingEntriesMax: 1 } });
  put(ctx, ALICE, one.address, 3n * ONE);
  const fault = (validator: Uint8Array, destination: Uint8Array, amount = 1n) =>
    redelegateFault(ctx, ALICE, { kind: "redelegate", validator, destination, amount })?.code;
  expect(fault(one.address, one.address)).toBe("REDELEGATION_SAME");
  expect(fault(NOBODY, one.address)).toBe("VALIDATOR_UNKNOWN");
  expect(fault(one.address, NOBODY)).toBe("VALIDATOR_UNKNOWN");
  expect(fault(two.address, one.address)).toBe("DELEGATION_UNKNOWN");
  expect(fault(one.address, two.address, 3n * ONE + 1n)).toBe("DELEGATION_TOO_SMALL");
  expect(fault(one.address, two.address, 0n)).toBe("STAKE_AMOUNT");
  moveTo(ctx, ALICE, { validator: one.address, destination: two.address, amount: 1n });
  expect(fault(one.address, two.address)).toBe("UNBONDING_FULL");
  updateValidator(ctx, two.validator, { tombstoned: true });
  expect(fault(one.address, two.address)).toBe("VALIDATOR_TOMBSTONED");
});

test("behavior: dust that is worth nothing is not moved", () => {
  const { ctx, one, two } = twoValidators();
  put(ctx, ALICE, one.address, 1n);
  cutTokens(ctx, one.validator, ONE);
  const action = {
    kind: "redelegate",
    validator: one.address,
    destination: two.address,
    amount: 1n,
  } as const;
  expect(redelegateFault(ctx, ALICE, action)?.code).toBe("STAKE_AMOUNT");
});

test("behavior: stake that answers for another validator does not get away through one outside the set", () => {
  const { ctx, one } = twoValidators();
  const outside = addValidator(ctx, 3);
  put(ctx, ALICE, one.address, 3n * ONE);
  put(ctx, BOB, outside.address, ONE);
  moveTo(ctx, ALICE, { validator: one.address, destination: outside.address, amount: 2n * ONE });
  expect(requireValidator(ctx, outside.validator).status).toBe(BondStatus.UNBONDED);
  const { nowSeconds } = ctx;
  take(ctx, ALICE, outside.address, 2n * ONE);
  expect(ctx.balance(ALICE), "not at once").toBe(7n * ONE);
  const entries = ctx.records.get(UNBONDINGS, `${outside.validator}/${ALICE}`)?.entries;
  expect(entries).toMatchObject([{ completionSeconds: nowSeconds + 1_000, balance: 2n * ONE }]);
  take(ctx, BOB, outside.address, ONE);
  expect(ctx.balance(BOB), "whose stake did not come from there").toBe(10n * ONE);
  ctx.checkSupply();
});

test("behavior: from a validator that is out for long enough stake moves without a trace", () => {
  const { ctx, one } = twoValidators();
  const outside = addValidator(ctx, 3);
  put(ctx, ALICE, outside.address, 2n * ONE);
  moveTo(ctx, ALICE, { validator: outside.address, destination: one.address, amount: ONE });
  expect(ctx.records.keys(REDELEGATIONS)).toEqual([]);
  expect(ctx.records.get(INCOMING, incomingKey(ALICE, one.validator))).toBeUndefined();
  expect(ctx.pool("bonded")).toBe(21n * ONE);
});

test("behavior: shares that a slash takes leave the others' rate alone or better", () => {
  const { ctx, one } = twoValidators();
  put(ctx, ALICE, one.address, 3n * ONE);
  cutTokens(ctx, one.validator, 7n);
  const before = requireValidator(ctx, one.validator);
  const tokens = removeShares(ctx, one.validator, ALICE, toDecimal(ONE));
  expect(tokens).toBe((before.tokens * ONE) / (13n * ONE));
  const after = requireValidator(ctx, one.validator);
  expect(after.tokens * before.shares >= before.tokens * after.shares).toBe(true);
  expect(ctx.records.get(VALIDATORS, one.validator)?.tokens).toBe(before.tokens - tokens);
});
