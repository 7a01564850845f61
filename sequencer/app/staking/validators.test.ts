import { expect, test } from "vitest";
import {
  accountNumber,
  addValidator,
  createStakingChain,
  creation,
  keyNumber,
  nextBlock,
  nextEpoch,
  ONE,
  perform,
  validatorNumber,
} from "../../../test/support/staking-fixtures.ts";
import { formatAddress } from "../../../proto/address.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import type { CreateValidator, EditValidator } from "../../../proto/codec/staking-tx.ts";
import { allocateFees, pendingCommission } from "../distribution/rewards.ts";
import { tombstone } from "../slashing/jail.ts";
import { VALIDATORS } from "../state/tables.ts";
import { toDecimal } from "./decimal.ts";
import { delegate, delegateFault, undelegate, undelegateFault } from "./delegations.ts";
import { delegationOf, requireValidator } from "./validator-records.ts";
import { APPLICATION_KEY_PAUSE_BLOCKS_MIN } from "./limits.ts";
import {
  applicationKeyAt,
  createValidator,
  createValidatorFault,
  editValidator,
  editValidatorFault,
  retireValidator,
  retireValidatorFault,
  rotateApplicationKey,
  rotateApplicationKeyFault,
} from "./validators.ts";

const DAY = 86_400;
const ALICE = accountNumber(0xa11ce);

function createFault(changes: Partial<CreateValidator>, balance = 100n * ONE) {
  const ctx = createStakingChain({ balances: { [ALICE]: balance } });
  addValidator(ctx, 1);
  return createValidatorFault(ctx, ALICE, creation(2, changes))?.code;
}

test("behavior: a validator begins outside the set with its operator's stake", () => {
  const ctx = createStakingChain();
  const { validator, operator } = addValidator(ctx, 1, { selfDelegation: 3n * ONE });
  expect(requireValidator(ctx, validator)).toMatchObject({
    status: BondStatus.UNBONDED,
    power: 0n,
    tokens: 3n * ONE,
    shares: toDecimal(3n * ONE),
    jailed: false,
    commission: { rateBps: 1_000, changedSeconds: ctx.nowSeconds },
    createdHeight: 1,
    applicationKeySince: 2,
  });
  expect(delegationOf(ctx, validator, operator)?.shares).toBe(toDecimal(3n * ONE));
  expect(ctx.balance(operator)).toBe(0n);
  expect(ctx.pool("notBonded")).toBe(3n * ONE);
  ctx.checkSupply();
});

test("behavior: a validator that cannot be is refused, and why", () => {
  expect(createFault({})).toBeUndefined();
  expect(createFault({ consensusKey: keyNumber(1, "consensus") })).toBe("VALIDATOR_EXISTS");
  expect(createFault({ applicationKey: keyNumber(1, "application") })).toBe("VALIDATOR_KEY_USED");
  expect(createFault({ rateBps: 2_001 })).toBe("COMMISSION_RATE");
  expect(createFault({ maxRateBps: 10_001 })).toBe("COMMISSION_RATE");
  expect(createFault({ maxChangeBps: 2_001 })).toBe("COMMISSION_RATE");
  expect(createFault({ minSelfDelegation: ONE - 1n })).toBe("SELF_DELEGATION_MIN");
  expect(createFault({ minSelfDelegation: 11n * ONE })).toBe("SELF_DELEGATION_LOW");
  expect(createFault({ selfDelegation: 100n * ONE + 1n })).toBe("STAKE_FUNDS");
  expect(createFault({ moniker: "ä".repeat(36) })).toBe("VALIDATOR_DESCRIPTION");
  expect(createFault({ moniker: "ä".repeat(35) })).toBeUndefined();
  expect(createFault({ website: "w".repeat(141) })).toBe("VALIDATOR_DESCRIPTION");
  expect(createFault({ details: "d".repeat(281) })).toBe("VALIDATOR_DESCRIPTION");
});

test("behavior: a rate below the chain's minimum is refused", () => {
  const ctx = createStakingChain({
    params: { commissionMinBps: 1_001 },
    balances: { [ALICE]: 10n * ONE },
  });
  expect(createValidatorFault(ctx, ALICE, creation(1))?.code).toBe("COMMISSION_RATE");
});

test("behavior: the key of a tombstoned validator never counts again", () => {
  const ctx = createStakingChain({ params: { epochLength: 5, unbondingSeconds: 60 } });
  const bad = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  tombstone(ctx, bad.validator);
  nextBlock(ctx);
  const all = { kind: "undelegate", validator: bad.address, amount: 10n * ONE } as const;
  perform(ctx, undelegateFault, undelegate, bad.operator, all);
  ctx.advance({ blocks: 10, seconds: 61 });
  nextBlock(ctx);
  nextBlock(ctx);
  expect(requireValidator(ctx, bad.validator)).toMatchObject({
    status: BondStatus.UNBONDED,
    tokens: 0n,
    tombstoned: true,
  });
  const again = createValidatorFault(ctx, bad.operator, creation(1));
  expect(again?.code).toBe("VALIDATOR_TOMBSTONED");
  const onlyKey = { applicationKey: keyNumber(1, "application") };
  expect(createValidatorFault(ctx, bad.operator, creation(3, onlyKey))?.code).toBe(
    "VALIDATOR_KEY_USED",
  );
  const edits = { ...edit(bad.address), commission: { rateBps: 0 } };
  expect(editValidatorFault(ctx, bad.operator, edits)?.code).toBe("VALIDATOR_TOMBSTONED");
});

function edit(validator: Uint8Array): EditValidator {
  return {
    kind: "editValidator",
    validator,
    description: undefined,
    commission: undefined,
    minSelfDelegation: undefined,
  };
}

test("behavior: the commission changes within its limits, once a day", () => {
  const ctx = createStakingChain();
  const { validator, address, operator } = addValidator(ctx, 1);
  const fault = (rateBps: number) =>
    editValidatorFault(ctx, operator, { ...edit(address), commission: { rateBps } })?.code;
  expect(fault(1_100), "a day after it was created at the earliest").toBe("COMMISSION_TOO_SOON");
  ctx.advance({ seconds: DAY - 1 });
  expect(fault(1_100)).toBe("COMMISSION_TOO_SOON");
  ctx.advance({ seconds: 1 });
  expect(fault(1_501)).toBe("COMMISSION_RATE");
  expect(fault(499)).toBe("COMMISSION_RATE");
  expect(fault(500)).toBeUndefined();
  const change = { ...edit(address), commission: { rateBps: 1_500 } };
  perform(ctx, editValidatorFault, editValidator, operator, change);
  expect(requireValidator(ctx, validator).commission).toEqual({
    rateBps: 1_500,
    maxRateBps: 2_000,
    maxChangeBps: 500,
    changedSeconds: ctx.nowSeconds,
  });
  expect(fault(1_600)).toBe("COMMISSION_TOO_SOON");
  ctx.advance({ seconds: DAY });
  expect(fault(2_000)).toBeUndefined();
  expect(fault(2_001)).toBe("COMMISSION_RATE");
  ctx.setParams({ commissionMinBps: 2_000 });
  expect(fault(1_999)).toBe("COMMISSION_RATE");
});

test("behavior: a rate may be raised to the chain's minimum in one step, not beyond", () => {
  const ctx = createStakingChain();
  const { address, operator } = addValidator(ctx, 1, { maxChangeBps: 10, maxRateBps: 5_000 });
  ctx.setParams({ commissionMinBps: 3_000 });
  ctx.advance({ seconds: DAY });
  const fault = (rateBps: number) =>
    editValidatorFault(ctx, operator, { ...edit(address), commission: { rateBps } })?.code;
  expect(fault(3_000)).toBeUndefined();
  expect(fault(3_001)).toBe("COMMISSION_RATE");
  expect(fault(1_010)).toBe("COMMISSION_RATE");
  ctx.setParams({ commissionMinBps: 0 });
  expect(fault(0), "nor lowered to it").toBe("COMMISSION_RATE");
});

test("behavior: what was earned before the commission changes is shared at the old rate", () => {
  const ctx = createStakingChain({ params: { feeProposerBps: 0, feeCommunityBps: 0 } });
  const { validator, address, operator } = addValidator(ctx, 1);
  nextEpoch(ctx);
  const earn = () => {
    ctx.mintPool("feePool", 1_000n);
    allocateFees(ctx, { proposer: validator, fees: 1_000n, rollupFees: new Map() });
  };
  earn();
  ctx.advance({ seconds: DAY });
  const change = { ...edit(address), commission: { rateBps: 1_500 } };
  perform(ctx, editValidatorFault, editValidator, operator, change);
  expect(pendingCommission(ctx, validator)).toBe(100n);
  earn();
  expect(pendingCommission(ctx, validator)).toBe(250n);
  ctx.checkSupply();
});

test("behavior: the minimum of own stake only rises, up to the own stake", () => {
  const ctx = createStakingChain({ balances: { [ALICE]: 100n * ONE } });
  const { validator, address, operator } = addValidator(ctx, 1);
  const support = { kind: "delegate", validator: address, amount: 100n * ONE } as const;
  perform(ctx, delegateFault, delegate, ALICE, support);
  const action = (amount: bigint) => ({ ...edit(address), minSelfDelegation: { amount } });
  const fault = (amount: bigint) => editValidatorFault(ctx, operator, action(amount))?.code;
  expect(fault(ONE)).toBe("SELF_DELEGATION_MIN");
  expect(fault(10n * ONE + 1n), "others' stake is not its own").toBe("SELF_DELEGATION_LOW");
  perform(ctx, editValidatorFault, editValidator, operator, action(10n * ONE));
  expect(requireValidator(ctx, validator).minSelfDelegation).toBe(10n * ONE);
  const some = { kind: "undelegate", validator: address, amount: 1n } as const;
  perform(ctx, undelegateFault, undelegate, operator, some);
  expect(requireValidator(ctx, validator).jailed).toBe(true);
});

test("behavior: only its operator edits, retires or rotates a validator", () => {
  const ctx = createStakingChain();
  const { validator, address, operator } = addValidator(ctx, 1);
  const description = { moniker: "new", website: "w", details: "d" };
  const changed = { ...edit(address), description };
  const retire = { kind: "retireValidator", validator: address, retired: true } as const;
  const rotate = {
    kind: "rotateApplicationKey",
    validator: address,
    applicationKey: keyNumber(2, "application"),
    applicationKeyProof: new Uint8Array(64),
  } as const;
  const stranger = editValidatorFault(ctx, ALICE, changed);
  expect(stranger?.code).toBe("VALIDATOR_NOT_OPERATOR");
  expect(stranger?.reason).toContain(`is operated by ${formatAddress(fromHex(operator))}`);
  expect(retireValidatorFault(ctx, ALICE, retire)?.code).toBe("VALIDATOR_NOT_OPERATOR");
  expect(rotateApplicationKeyFault(ctx, ALICE, rotate)?.code).toBe("VALIDATOR_NOT_OPERATOR");
  const unknown = { ...changed, validator: new Uint8Array(20) };
  expect(editValidatorFault(ctx, operator, unknown)?.code).toBe("VALIDATOR_UNKNOWN");
  perform(ctx, editValidatorFault, editValidator, operator, changed);
  expect(requireValidator(ctx, validator)).toMatchObject({
    description,
    minSelfDelegation: ONE,
    commission: { rateBps: 1_000 },
  });
});

test("behavior: who retires leaves at the end of the epoch and may return", () => {
  const ctx = createStakingChain({ params: { epochLength: 3 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  nextEpoch(ctx);
  const change = (retired: boolean) =>
    ({ kind: "retireValidator", validator: one.address, retired }) as const;
  expect(retireValidatorFault(ctx, one.operator, change(false))?.code).toBe("VALIDATOR_UNCHANGED");
  perform(ctx, retireValidatorFault, retireValidator, one.operator, change(true));
  expect(retireValidatorFault(ctx, one.operator, change(true))?.code).toBe("VALIDATOR_UNCHANGED");
  expect(nextBlock(ctx), "not before the end of the epoch").toEqual([]);
  expect(nextEpoch(ctx)).toMatchObject([{ validator: one.validator, power: 0n }]);
  expect(requireValidator(ctx, one.validator).status).toBe(BondStatus.UNBONDING);
  perform(ctx, retireValidatorFault, retireValidator, one.operator, change(false));
  expect(nextEpoch(ctx)).toMatchObject([{ validator: one.validator, power: 10n }]);
  expect(requireValidator(ctx, one.validator).status).toBe(BondStatus.BONDED);
});

test("behavior: a rotated key signs from the next height on, the old one until then", () => {
  const ctx = createStakingChain({ height: 7 });
  const { validator, address, operator } = addValidator(ctx, 1);
  addValidator(ctx, 2);
  ctx.advance({ blocks: 3 });
  const rotate = (n: number) => ({
    kind: "rotateApplicationKey" as const,
    validator: address,
    applicationKey: keyNumber(n, "application"),
    applicationKeyProof: new Uint8Array(64),
  });
  for (const n of [1, 2]) {
    const refused = rotateApplicationKeyFault(ctx, operator, rotate(n));
    expect(refused?.code, `key ${n}`).toBe("VALIDATOR_KEY_USED");
  }
  perform(ctx, rotateApplicationKeyFault, rotateApplicationKey, operator, rotate(3));
  const state = requireValidator(ctx, validator);
  expect(applicationKeyAt(state, 11)).toEqual(keyNumber(3, "application"));
  expect(applicationKeyAt(state, 10)).toEqual(keyNumber(1, "application"));
  expect(rotateApplicationKeyFault(ctx, operator, rotate(1))?.code, "it was the last").toBe(
    "VALIDATOR_KEY_USED",
  );
  // Again in the same block: the key of height 10 is the first one still.
  perform(ctx, rotateApplicationKeyFault, rotateApplicationKey, operator, rotate(4));
  expect(applicationKeyAt(requireValidator(ctx, validator), 10)).toEqual(
    keyNumber(1, "application"),
  );
  // Once it has signed, evidence of what it signed has to know it for a while.
  ctx.advance();
  expect(rotateApplicationKeyFault(ctx, operator, rotate(5))?.code).toBe("VALIDATOR_KEY_TOO_SOON");
  ctx.advance({ blocks: APPLICATION_KEY_PAUSE_BLOCKS_MIN - 1 });
  expect(rotateApplicationKeyFault(ctx, operator, rotate(5))?.code).toBe("VALIDATOR_KEY_TOO_SOON");
  ctx.advance();
  perform(ctx, rotateApplicationKeyFault, rotateApplicationKey, operator, rotate(5));
  expect(applicationKeyAt(requireValidator(ctx, validator), 11)).toEqual(
    keyNumber(4, "application"),
  );
});

test("behavior: a newcomer replaces the smallest that nobody supports, if it brings more", () => {
  const ctx = createStakingChain({
    params: { candidatesMax: 3, validatorsMax: 1 },
    balances: { [ALICE]: 100n * ONE, [accountNumber(4)]: 100n * ONE },
  });
  addValidator(ctx, 1, { selfDelegation: 9n * ONE });
  const two = addValidator(ctx, 2, { selfDelegation: 2n * ONE });
  const three = addValidator(ctx, 3, { selfDelegation: 3n * ONE });
  nextEpoch(ctx);
  // Number 2 is the smallest, but Alice has stake on it.
  const support = { kind: "delegate", validator: two.address, amount: 1n } as const;
  perform(ctx, delegateFault, delegate, ALICE, support);
  const fault = (selfDelegation: bigint) =>
    createValidatorFault(ctx, ALICE, creation(5, { selfDelegation }))?.code;
  expect(fault(3n * ONE), "as much is not more").toBe("VALIDATORS_FULL");
  const action = creation(4, { selfDelegation: 3n * ONE + 1n });
  perform(ctx, createValidatorFault, createValidator, accountNumber(4), action);
  expect(ctx.records.get(VALIDATORS, three.validator)).toBeUndefined();
  expect(ctx.balance(three.operator), "paid out").toBe(3n * ONE);
  expect(ctx.records.keys(VALIDATORS)).toHaveLength(3);
  expect(ctx.records.get(VALIDATORS, validatorNumber(4))).toBeDefined();
  ctx.checkSupply();
  // Both that are left outside are supported, or larger.
  expect(fault(3n * ONE)).toBe("VALIDATORS_FULL");
});

test("behavior: a validator of the set never gives way, and a tombstoned one takes no place", () => {
  const ctx = createStakingChain({
    params: { candidatesMax: 2, validatorsMax: 2 },
    balances: { [ALICE]: 100n * ONE },
  });
  addValidator(ctx, 1);
  const two = addValidator(ctx, 2);
  nextEpoch(ctx);
  const big = creation(3, { selfDelegation: 50n * ONE });
  expect(createValidatorFault(ctx, ALICE, big)?.code).toBe("VALIDATORS_FULL");
  tombstone(ctx, two.validator);
  expect(createValidatorFault(ctx, ALICE, big)).toBeUndefined();
});
