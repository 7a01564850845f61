/**
 * Validators come, change and go (spec staking C1, design.md §5 for application keys). Checks and changes
 * as in `delegations.ts`; that the application key's owner agrees is checked with the transaction's own
 * signature (`key-proof.ts`).
 *
 * Where the rules that are mirrored leave it open:
 * - An account may run several validators; a consensus key is one validator, for good once tombstoned.
 * - An application key that is or was last in use by any validator is not taken again: whose signature a
 *   part of an extension bears has to be plain.
 * - A validator that retires leaves the set at the end of the epoch and keeps its delegations; it may
 *   return. One without any stake left is removed when it is out of the set.
 * - A rate may always be raised to the chain's minimum, whatever the largest change is.
 */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, copyBytes, fromHex, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import {
  BondStatus,
  type CommissionState,
  type DescriptionState,
  DETAILS_BYTES_MAX,
  MONIKER_BYTES_MAX,
  type ValidatorState,
  WEBSITE_BYTES_MAX,
} from "../../../proto/codec/staking-state.ts";
import type {
  CreateValidator,
  EditValidator,
  RetireValidator,
  RotateApplicationKey,
} from "../../../proto/codec/staking-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { event } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { settleValidator, startValidator } from "../distribution/rewards.ts";
import { VALIDATORS } from "../state/tables.ts";
import { evictCandidate, placeForCandidate } from "./candidates.ts";
import { protectedBlocks } from "../seal/items/room.ts";
import type { StakingContext, StakingReader } from "./context.ts";
import { addDelegation } from "./delegations.ts";
import { accountAttribute, numberAttribute, validatorAttribute } from "./events.ts";
import { APPLICATION_KEY_PAUSE_BLOCKS_MIN, COMMISSION_CHANGE_SECONDS } from "./limits.ts";
import {
  consensusAddress,
  newValidator,
  operatorFault,
  requireValidator,
  selfDelegation,
  updateValidator,
} from "./validator-records.ts";

export function createValidatorFault(
  reader: StakingReader,
  sender: string,
  action: CreateValidator,
): Failure | undefined {
  const { minSelfDelegation, selfDelegation: own } = action;
  const address = consensusAddress(action.consensusKey);
  const known = reader.records.get(VALIDATORS, address);
  if (known !== undefined) {
    return failure(known.tombstoned ? "VALIDATOR_TOMBSTONED" : "VALIDATOR_EXISTS", address);
  }
  const refused =
    descriptionFault(action) ??
    newCommissionFault(reader, action) ??
    minimumFault(minSelfDelegation, reader.params.minSelfDelegation);
  if (refused !== undefined) return refused;
  if (own < minSelfDelegation) return ownStakeFault(own, minSelfDelegation);
  const taken = applicationKeyFault(reader, action.applicationKey);
  if (taken !== undefined) return taken;
  if (placeForCandidate(reader, own).kind === "none") {
    return failure("VALIDATORS_FULL", `at most ${reader.params.candidatesMax}`);
  }
  const balance = reader.balance(sender);
  if (balance >= own) return undefined;
  return failure("STAKE_FUNDS", `${balance} nweft are left, ${own} are needed`);
}

/** Registers a validator that stands for the next epoch, with its operator's stake. */
export function createValidator(
  ctx: StakingContext,
  sender: string,
  action: CreateValidator,
): void {
  const validator = consensusAddress(action.consensusKey);
  const place = placeForCandidate(ctx, action.selfDelegation);
  if (place.kind === "instead") evictCandidate(ctx, place.validator);
  const { rateBps, maxRateBps, maxChangeBps } = action;
  const state = newValidator({
    applicationKey: copyBytes(action.applicationKey),
    consensusKey: copyBytes(action.consensusKey),
    operator: fromHex(sender),
    status: BondStatus.UNBONDED,
    minSelfDelegation: action.minSelfDelegation,
    commission: { rateBps, maxRateBps, maxChangeBps, changedSeconds: ctx.nowSeconds },
    description: descriptionOf(action),
    createdHeight: Height(ctx.height),
    applicationKeySince: Height(ctx.height + 1),
  });
  ctx.records.set(VALIDATORS, validator, state);
  startValidator(ctx, validator);
  addDelegation(ctx, validator, sender, action.selfDelegation, "account");
  ctx.emit(
    event("create_validator", [
      validatorAttribute("validator", validator),
      accountAttribute("operator", sender),
      numberAttribute("amount", action.selfDelegation),
    ]),
  );
}

export function editValidatorFault(
  reader: StakingReader,
  sender: string,
  action: EditValidator,
): Failure | undefined {
  const { description, commission, minSelfDelegation } = action;
  const validator = toHex(action.validator);
  const refused =
    changeFault(reader, sender, validator) ??
    (description === undefined ? undefined : descriptionFault(description)) ??
    (commission === undefined ? undefined : rateFault(reader, validator, commission.rateBps));
  if (refused !== undefined || minSelfDelegation === undefined) return refused;
  const { amount } = minSelfDelegation;
  const before = requireValidator(reader, validator).minSelfDelegation;
  const lowered = minimumFault(amount, before + 1n);
  if (lowered !== undefined) return lowered;
  const own = selfDelegation(reader, validator);
  return own < amount ? ownStakeFault(own, amount) : undefined;
}

/** Changes what an operator may change; the rest stays as it is. */
export function editValidator(ctx: StakingContext, _sender: string, action: EditValidator): void {
  const validator = toHex(action.validator);
  const { description, commission, minSelfDelegation } = action;
  // What was earned until now is shared at the old rate.
  if (commission !== undefined) settleValidator(ctx, validator);
  const state = requireValidator(ctx, validator);
  updateValidator(ctx, validator, {
    description: description === undefined ? state.description : descriptionOf(description),
    commission:
      commission === undefined
        ? state.commission
        : {
            ...state.commission,
            rateBps: commission.rateBps,
            changedSeconds: ctx.nowSeconds,
          },
    minSelfDelegation: minSelfDelegation?.amount ?? state.minSelfDelegation,
  });
  ctx.emit(
    event("edit_validator", [
      validatorAttribute("validator", validator),
      numberAttribute("rate_bps", commission?.rateBps ?? state.commission.rateBps),
    ]),
  );
}

export function retireValidatorFault(
  reader: StakingReader,
  sender: string,
  action: RetireValidator,
): Failure | undefined {
  const validator = toHex(action.validator);
  const refused = changeFault(reader, sender, validator);
  if (refused !== undefined) return refused;
  if (requireValidator(reader, validator).retired !== action.retired) return undefined;
  return failure("VALIDATOR_UNCHANGED", action.retired ? "it has retired" : "it has not retired");
}

/** Leaves the set at the end of the epoch, or stands again from then on. */
export function retireValidator(
  ctx: StakingContext,
  _sender: string,
  action: RetireValidator,
): void {
  const validator = toHex(action.validator);
  updateValidator(ctx, validator, { retired: action.retired });
  const type = action.retired ? "retire_validator" : "return_validator";
  ctx.emit(event(type, [validatorAttribute("validator", validator)]));
}

export function rotateApplicationKeyFault(
  reader: StakingReader,
  sender: string,
  action: RotateApplicationKey,
): Failure | undefined {
  const validator = toHex(action.validator);
  return (
    changeFault(reader, sender, validator) ??
    applicationKeyFault(reader, action.applicationKey) ??
    rotationPauseFault(reader, validator)
  );
}

/** The first rotation waits for nothing, and a key that has not signed yet may be replaced. */
function rotationPauseFault(reader: StakingReader, validator: string): Failure | undefined {
  const { previousApplicationKey, applicationKeySince: since } = requireValidator(
    reader,
    validator,
  );
  if (previousApplicationKey.length === 0 || since > reader.height) return undefined;
  const next = since + protectedBlocks(reader, APPLICATION_KEY_PAUSE_BLOCKS_MIN);
  if (reader.height >= next) return undefined;
  return failure("VALIDATOR_KEY_TOO_SOON", `it changed at ${since}, again from block ${next} on`);
}

/** The new key signs extensions from the next height on; those of this one are signed with the old key. */
export function rotateApplicationKey(
  ctx: StakingContext,
  _sender: string,
  action: RotateApplicationKey,
): void {
  const validator = toHex(action.validator);
  const before = requireValidator(ctx, validator);
  const since = Height(ctx.height + 1);
  // Rotated twice in one block: the first of the two has never signed.
  const isUnused = before.applicationKeySince === since;
  updateValidator(ctx, validator, {
    applicationKey: copyBytes(action.applicationKey),
    applicationKeySince: since,
    previousApplicationKey: isUnused ? before.previousApplicationKey : before.applicationKey,
  });
  ctx.emit(
    event("rotate_application_key", [
      validatorAttribute("validator", validator),
      numberAttribute("height", since),
    ]),
  );
}

/** The key that signs a validator's part of extensions of block `height`; empty if it had none then. */
export function applicationKeyAt(
  state: Pick<ValidatorState, "applicationKey" | "applicationKeySince" | "previousApplicationKey">,
  height: number,
): Uint8Array {
  return height >= state.applicationKeySince ? state.applicationKey : state.previousApplicationKey;
}

/** Why the sender may not change this validator, or undefined: one that is out for good stays as it is. */
function changeFault(
  reader: StakingReader,
  sender: string,
  validator: string,
): Failure | undefined {
  const refused = operatorFault(reader, sender, validator);
  if (refused !== undefined) return refused;
  const { tombstoned } = requireValidator(reader, validator);
  return tombstoned ? failure("VALIDATOR_TOMBSTONED", validator) : undefined;
}

function descriptionFault({ moniker, website, details }: DescriptionState): Failure | undefined {
  const checks = [
    ["moniker", moniker, MONIKER_BYTES_MAX],
    ["website", website, WEBSITE_BYTES_MAX],
    ["details", details, DETAILS_BYTES_MAX],
  ] as const;
  for (const [name, text, bytesMax] of checks) {
    const { length } = utf8ToBytes(text);
    if (length <= bytesMax) continue;
    return failure("VALIDATOR_DESCRIPTION", `${name} has ${length} bytes, at most ${bytesMax}`);
  }
  return undefined;
}

function descriptionOf({ moniker, website, details }: DescriptionState): DescriptionState {
  return { moniker, website, details };
}

function newCommissionFault(
  { params }: StakingReader,
  { rateBps, maxRateBps, maxChangeBps }: Omit<CommissionState, "changedSeconds">,
): Failure | undefined {
  if (rateBps < params.commissionMinBps) return lowRateFault(params.commissionMinBps, rateBps);
  if (rateBps > maxRateBps) return highRateFault(maxRateBps, rateBps);
  if (maxRateBps > BASIS_POINTS) return highRateFault(BASIS_POINTS, maxRateBps);
  if (maxChangeBps <= maxRateBps) return undefined;
  return failure(
    "COMMISSION_RATE",
    `the largest change, ${maxChangeBps} bps, exceeds the maximum, ${maxRateBps}`,
  );
}

function rateFault(reader: StakingReader, validator: string, rateBps: number): Failure | undefined {
  const { commission } = requireValidator(reader, validator);
  const { commissionMinBps } = reader.params;
  const since = reader.nowSeconds - commission.changedSeconds;
  if (since < COMMISSION_CHANGE_SECONDS) {
    return failure(
      "COMMISSION_TOO_SOON",
      `the last change was ${since} s ago, expected at least ${COMMISSION_CHANGE_SECONDS}`,
    );
  }
  if (rateBps < commissionMinBps) return lowRateFault(commissionMinBps, rateBps);
  if (rateBps > commission.maxRateBps) return highRateFault(commission.maxRateBps, rateBps);
  const change = Math.abs(rateBps - commission.rateBps);
  const isRaisedToMinimum = commission.rateBps < rateBps && rateBps === commissionMinBps;
  if (change <= commission.maxChangeBps || isRaisedToMinimum) return undefined;
  return failure(
    "COMMISSION_RATE",
    `it changes by ${change} bps, at most ${commission.maxChangeBps}`,
  );
}

function lowRateFault(min: number, rateBps: number): Failure {
  return failure("COMMISSION_RATE", `expected at least ${min} bps, got ${rateBps}`);
}

function highRateFault(max: number, rateBps: number): Failure {
  return failure("COMMISSION_RATE", `expected at most ${max} bps, got ${rateBps}`);
}

function minimumFault(amount: bigint, min: bigint): Failure | undefined {
  if (amount >= min) return undefined;
  return failure("SELF_DELEGATION_MIN", `expected at least ${min} nweft, got ${amount}`);
}

function ownStakeFault(own: bigint, min: bigint): Failure {
  return failure("SELF_DELEGATION_LOW", `it is ${own} nweft, the minimum ${min}`);
}

/** Whether it is some validator's application key now. Looks at every validator. */
export function isApplicationKey(reader: StakingReader, key: Uint8Array): boolean {
  return reader.records
    .keys(VALIDATORS)
    .some((validator) => bytesEqual(requireValidator(reader, validator).applicationKey, key));
}

/** Looks at every validator: there are at most a few hundred, and keys are registered seldom. */
function applicationKeyFault(reader: StakingReader, key: Uint8Array): Failure | undefined {
  for (const validator of reader.records.keys(VALIDATORS)) {
    const state = requireValidator(reader, validator);
    if (bytesEqual(state.applicationKey, key) || bytesEqual(state.previousApplicationKey, key)) {
      return failure("VALIDATOR_KEY_USED", toHex(key));
    }
  }
  return undefined;
}
