/** Reads and writes of validators that several rules share. `validator`, `delegator`: 40-hex addresses. */
import { formatAddress } from "../../../proto/address.ts";
import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { ADDRESS_BYTES } from "../../../proto/limits.ts";
import {
  BondStatus,
  type DelegationState,
  type EpochState,
  type ValidatorState,
} from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import { DELEGATIONS, delegationKey, EPOCH, VALIDATORS } from "../state/tables.ts";
import type { Pool, StakingContext, StakingReader } from "./context.ts";
import { askableOf, tokensOf } from "./shares.ts";

/** A validator that has to be there. */
export function requireValidator(reader: StakingReader, validator: string): ValidatorState {
  const state = reader.records.get(VALIDATORS, validator);
  assert(state !== undefined, `validator ${validator} is there`);
  return state;
}

/** Changes some of a validator's fields. */
export function updateValidator(
  ctx: StakingContext,
  validator: string,
  changes: Partial<ValidatorState>,
): void {
  ctx.records.set(VALIDATORS, validator, { ...requireValidator(ctx, validator), ...changes });
}

/** Address of a consensus key, as everywhere in CometBFT: the first 20 bytes of its SHA-256. */
export function consensusAddress(consensusKey: Uint8Array): string {
  return toHex(sha256(consensusKey).subarray(0, ADDRESS_BYTES));
}

/** Why the sender may not act for this validator, or undefined: it is unknown, or somebody else's. */
export function operatorFault(
  reader: StakingReader,
  sender: string,
  validator: string,
): Failure | undefined {
  const operator = reader.records.get(VALIDATORS, validator)?.operator;
  if (operator === undefined) return failure("VALIDATOR_UNKNOWN", validator);
  if (toHex(operator) === sender) return undefined;
  const who = `${validator} is operated by ${formatAddress(operator)}`;
  return failure("VALIDATOR_NOT_OPERATOR", who);
}

/** What is said of a validator when it begins. */
export type NewValidator = Pick<
  ValidatorState,
  | "applicationKey"
  | "consensusKey"
  | "operator"
  | "status"
  | "minSelfDelegation"
  | "commission"
  | "description"
  | "createdHeight"
  | "applicationKeySince"
>;

/** A validator as it begins: without stake, power or past. */
export function newValidator(given: NewValidator): ValidatorState {
  return {
    ...given,
    power: 0n,
    jailed: false,
    tombstoned: false,
    retired: false,
    tokens: 0n,
    shares: 0n,
    unbondingSeconds: 0,
    unbondingHeight: Height(0),
    jailedUntilSeconds: 0,
    downtimeJails: 0,
    downtimeHeight: Height(0),
    previousApplicationKey: EMPTY_BYTES,
  };
}

/** Where the tokens of a validator lie. */
export function poolOf({ status }: Pick<ValidatorState, "status">): Pool {
  return status === BondStatus.BONDED ? "bonded" : "notBonded";
}

export function delegationOf(
  reader: StakingReader,
  validator: string,
  delegator: string,
): DelegationState | undefined {
  return reader.records.get(DELEGATIONS, delegationKey(validator, delegator));
}

/** nweft that a delegation is worth, rounded down; 0 without one. */
export function delegatedTokens(
  reader: StakingReader,
  validator: string,
  delegator: string,
): bigint {
  const delegation = delegationOf(reader, validator, delegator);
  if (delegation === undefined) return 0n;
  return tokensOf(requireValidator(reader, validator), delegation.shares);
}

/** nweft that the operator has delegated to its own validator, rounded down. */
export function selfDelegation(reader: StakingReader, validator: string): bigint {
  const { operator } = requireValidator(reader, validator);
  return delegatedTokens(reader, validator, toHex(operator));
}

/** The epoch under way; genesis sets out the first. */
export function requireEpoch(reader: StakingReader): EpochState {
  const epoch = reader.records.get(EPOCH, "");
  assert(epoch !== undefined, "genesis begins an epoch");
  return epoch;
}

/** Last height of an epoch; its block returns the next set. */
export function lastHeightOf({ startHeight, length }: EpochState): number {
  return startHeight + length - 1;
}

/** The most nweft that a delegator may take out; see `askableOf`. */
export function askableTokens(reader: StakingReader, validator: string, delegator: string): bigint {
  const delegation = delegationOf(reader, validator, delegator);
  if (delegation === undefined) return 0n;
  return askableOf(requireValidator(reader, validator), delegation.shares);
}
