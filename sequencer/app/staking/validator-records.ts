/** Reads and writes of validators that several rules share. `validator`, `delegator`: 40-hex addresses. */
import { sha256 } from "../../../proto/hash.ts";
import { toHex } from "../../../proto/bytes.ts";
import { ADDRESS_BYTES } from "../../../proto/limits.ts";
import {
  BondStatus,
  type DelegationState,
  type EpochState,
  type ValidatorState,
} from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
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
