/**
 * Stake put on validators, moved and taken back (spec staking C1). Each action has a check, `xFault`,
 * which changes nothing and which the pool's door asks too, and the change, which assumes that the check
 * found nothing. `sender`, `validator`, `delegator`: 40-hex addresses; amounts are nweft.
 *
 * Where the rules that are mirrored leave it open:
 * - Nobody delegates to a tombstoned validator, which never earns again.
 * - Who asks for all that a delegation is worth takes all of its shares, so that no dust is left; what is
 *   worth a fraction of 1 nweft can be cleared by asking for the next whole one, which is paid rounded down.
 * - The number of an unbonding entry is unique among the entries of its record at a time.
 */
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { UnbondingEntry } from "../../../proto/codec/staking-state.ts";
import type {
  CancelUnbonding,
  Delegate,
  Redelegate,
  Undelegate,
} from "../../../proto/codec/staking-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { event } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { afterDelegationChange, beforeDelegationChange } from "../distribution/rewards.ts";
import { followCountedVoter } from "../governance/counted-shares.ts";
import { jail } from "../slashing/jail.ts";
import {
  DELEGATIONS,
  delegationKey,
  REDELEGATIONS,
  redelegationKey,
  UNBONDINGS,
  VALIDATORS,
} from "../state/tables.ts";
import type { Pool, StakingContext, StakingReader } from "./context.ts";
import { accountAttribute, numberAttribute, validatorAttribute } from "./events.ts";
import { VALIDATOR_SHARES_MAX } from "./limits.ts";
import { enqueue } from "./queue.ts";
import { isWorthless, sharesOf, sharesToRemove, tokensOf } from "./shares.ts";
import { countIncoming, dequeueUnlessShared, hasIncoming, leavingTerms } from "./unbonding.ts";
import {
  askableTokens,
  delegationOf,
  poolOf,
  requireValidator,
  selfDelegation,
  updateValidator,
} from "./validator-records.ts";

export function delegateFault(
  reader: StakingReader,
  sender: string,
  { validator, amount }: Delegate,
): Failure | undefined {
  const refused = receiverFault(reader, toHex(validator), amount);
  if (refused !== undefined) return refused;
  const balance = reader.balance(sender);
  if (balance >= amount) return undefined;
  return failure("STAKE_FUNDS", `${balance} nweft are left, ${amount} are needed`);
}

export function delegate(ctx: StakingContext, sender: string, action: Delegate): void {
  addDelegation(ctx, toHex(action.validator), sender, action.amount, "account");
  ctx.emit(
    event("delegate", [
      validatorAttribute("validator", toHex(action.validator)),
      accountAttribute("delegator", sender),
      numberAttribute("amount", action.amount),
    ]),
  );
}

export function undelegateFault(
  reader: StakingReader,
  sender: string,
  { validator, amount }: Undelegate,
): Failure | undefined {
  const address = toHex(validator);
  const refused = holderFault(reader, address, sender, amount);
  if (refused !== undefined) return refused;
  if (leavingTerms(reader, address, sender) === undefined) return undefined;
  const entries = reader.records.get(UNBONDINGS, delegationKey(address, sender))?.entries ?? [];
  return entriesFault(reader, entries.length);
}

/**
 * Takes stake out: it is paid when it has waited, or at once when the validator is out of the set for
 * long enough. See `leavingTerms`.
 */
export function undelegate(ctx: StakingContext, sender: string, action: Undelegate): void {
  const validator = toHex(action.validator);
  const pool = poolOf(requireValidator(ctx, validator));
  const terms = leavingTerms(ctx, validator, sender);
  const amount = removeTokens(ctx, validator, sender, action.amount);
  const completionSeconds = terms?.completionSeconds ?? ctx.nowSeconds;
  if (terms === undefined) {
    ctx.pay(pool, sender, amount);
  } else if (amount > 0n) {
    ctx.move(pool, "notBonded", amount);
    const key = delegationKey(validator, sender);
    const entries = ctx.records.get(UNBONDINGS, key)?.entries ?? [];
    const entry: UnbondingEntry = {
      id: 1 + Math.max(0, ...entries.map(({ id }) => id)),
      createdHeight: Height(ctx.height),
      ...terms,
      initialBalance: amount,
      balance: amount,
    };
    ctx.records.set(UNBONDINGS, key, { entries: [...entries, entry] });
    enqueue(ctx, completionSeconds, "unbonding", key);
  }
  ctx.emit(
    event("undelegate", [
      validatorAttribute("validator", validator),
      accountAttribute("delegator", sender),
      numberAttribute("amount", amount),
      numberAttribute("completion_seconds", completionSeconds),
    ]),
  );
}

export function cancelUnbondingFault(
  reader: StakingReader,
  sender: string,
  { validator, entry: id, amount }: CancelUnbonding,
): Failure | undefined {
  const address = toHex(validator);
  const refused = receiverFault(reader, address, amount);
  if (refused !== undefined) return refused;
  if (requireValidator(reader, address).jailed) return failure("VALIDATOR_JAILED", address);
  const entries = reader.records.get(UNBONDINGS, delegationKey(address, sender))?.entries ?? [];
  const entry = entries.find((one) => one.id === id);
  if (entry === undefined || entry.completionSeconds <= reader.nowSeconds) {
    return failure("UNBONDING_UNKNOWN", `entry ${id} at validator ${address}`);
  }
  if (amount <= entry.balance) return undefined;
  return failure(
    "UNBONDING_TOO_SMALL",
    `the entry holds ${entry.balance} nweft, ${amount} were asked for`,
  );
}

/** Delegates what waits in an entry, or a part of it, to the same validator again. */
export function cancelUnbonding(
  ctx: StakingContext,
  sender: string,
  action: CancelUnbonding,
): void {
  const { amount } = action;
  const validator = toHex(action.validator);
  const key = delegationKey(validator, sender);
  const entries = ctx.records.get(UNBONDINGS, key)?.entries ?? [];
  const cancelled = entries.find(({ id }) => id === action.entry);
  assert(cancelled !== undefined && cancelled.balance >= amount, "the entry holds the amount");
  const left = entries.flatMap((entry) => {
    if (entry !== cancelled) return [entry];
    const balance = entry.balance - amount;
    return balance === 0n
      ? []
      : [{ ...entry, balance, initialBalance: entry.initialBalance - amount }];
  });
  ctx.records.set(UNBONDINGS, key, left.length === 0 ? undefined : { entries: left });
  dequeueUnlessShared(ctx, left, cancelled.completionSeconds, "unbonding", key);
  addDelegation(ctx, validator, sender, amount, "notBonded");
  ctx.emit(
    event("cancel_unbonding", [
      validatorAttribute("validator", validator),
      accountAttribute("delegator", sender),
      numberAttribute("amount", amount),
    ]),
  );
}

export function redelegateFault(
  reader: StakingReader,
  sender: string,
  { validator, destination, amount }: Redelegate,
): Failure | undefined {
  const from = toHex(validator);
  const to = toHex(destination);
  if (from === to) return failure("REDELEGATION_SAME", from);
  const refused =
    holderFault(reader, from, sender, amount) ??
    receiverFault(reader, to, removedTokens(reader, from, sender, amount));
  if (refused !== undefined) return refused;
  if (hasIncoming(reader, sender, from)) {
    return failure("REDELEGATION_TRANSITIVE", `from ${from} by ${sender}`);
  }
  const key = redelegationKey(from, sender, to);
  return entriesFault(reader, reader.records.get(REDELEGATIONS, key)?.entries.length ?? 0);
}

/**
 * Moves stake to another validator at once. Until it would have been free, it answers for the faults of
 * the first one and cannot move on.
 */
export function redelegate(ctx: StakingContext, sender: string, action: Redelegate): void {
  const from = toHex(action.validator);
  const to = toHex(action.destination);
  const pool = poolOf(requireValidator(ctx, from));
  const terms = leavingTerms(ctx, from, sender);
  const amount = removeTokens(ctx, from, sender, action.amount);
  const sharesDestination = addDelegation(ctx, to, sender, amount, pool);
  if (terms !== undefined) {
    const key = redelegationKey(from, sender, to);
    const entries = ctx.records.get(REDELEGATIONS, key)?.entries ?? [];
    const entry = {
      createdHeight: Height(ctx.height),
      ...terms,
      initialBalance: amount,
      sharesDestination,
    };
    ctx.records.set(REDELEGATIONS, key, { entries: [...entries, entry] });
    countIncoming(ctx, sender, to, 1);
    enqueue(ctx, terms.completionSeconds, "redelegation", key);
  }
  ctx.emit(
    event("redelegate", [
      validatorAttribute("source", from),
      validatorAttribute("destination", to),
      accountAttribute("delegator", sender),
      numberAttribute("amount", amount),
      numberAttribute("completion_seconds", terms?.completionSeconds ?? ctx.nowSeconds),
    ]),
  );
}

/**
 * Adds to a delegation or begins one: `amount` nweft come from the delegator's account or from a pool.
 * Returns the shares that they bought.
 */
export function addDelegation(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  amount: bigint,
  source: "account" | Pool,
): bigint {
  // Rewards are settled by the old stake first.
  beforeDelegationChange(ctx, validator, delegator);
  const state = requireValidator(ctx, validator);
  const bought = sharesOf(state, amount);
  const pool = poolOf(state);
  if (source === "account") ctx.collect(delegator, pool, amount);
  else if (source !== pool) ctx.move(source, pool, amount);
  const delegation = delegationOf(ctx, validator, delegator);
  setStake(ctx, validator, state.tokens + amount, state.shares + bought);
  ctx.records.set(
    DELEGATIONS,
    delegationKey(validator, delegator),
    delegation === undefined
      ? { shares: bought, period: 0, stake: 0n }
      : { ...delegation, shares: delegation.shares + bought },
  );
  afterDelegationChange(ctx, validator, delegator);
  followCountedVoter(ctx, validator, delegator, bought);
  return bought;
}

/**
 * Takes shares of a delegation away. Returns the nweft that they were worth, rounded down, which are no
 * longer the validator's: the caller takes them out of its pool (`poolOf`). An operator that is left with
 * less than its minimum is jailed until it has enough again and asks (spec staking C1).
 */
export function removeShares(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  shares: bigint,
): bigint {
  const tokens = takeShares(ctx, validator, delegator, shares);
  if (isBelowOwnMinimum(ctx, validator, delegator)) jail(ctx, validator, ctx.nowSeconds);
  return tokens;
}

/** Removes as many shares as `amount` takes; as `removeShares`. */
export function removeTokens(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  amount: bigint,
): bigint {
  const delegation = delegationOf(ctx, validator, delegator);
  assert(delegation !== undefined, "there is a delegation to take from");
  const state = requireValidator(ctx, validator);
  const shares = sharesToRemove(state, delegation.shares, amount);
  return removeShares(ctx, validator, delegator, shares);
}

/** `removeShares` of a validator that is about to be removed: nobody is jailed. */
export function takeShares(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  shares: bigint,
): bigint {
  beforeDelegationChange(ctx, validator, delegator);
  const state = requireValidator(ctx, validator);
  const delegation = delegationOf(ctx, validator, delegator);
  assert(delegation !== undefined && delegation.shares >= shares, "the delegation has the shares");
  const tokens = tokensOf(state, shares);
  const held = delegation.shares - shares;
  setStake(ctx, validator, state.tokens - tokens, state.shares - shares);
  ctx.records.set(
    DELEGATIONS,
    delegationKey(validator, delegator),
    held === 0n ? undefined : { ...delegation, shares: held },
  );
  afterDelegationChange(ctx, validator, delegator);
  followCountedVoter(ctx, validator, delegator, -shares);
  return tokens;
}

function isBelowOwnMinimum(reader: StakingReader, validator: string, delegator: string): boolean {
  const { operator, jailed, minSelfDelegation } = requireValidator(reader, validator);
  if (jailed || toHex(operator) !== delegator) return false;
  return selfDelegation(reader, validator) < minSelfDelegation;
}

function setStake(ctx: StakingContext, validator: string, tokens: bigint, shares: bigint): void {
  assert(tokens >= 0n && shares >= 0n, "a validator's stake is not negative");
  assert(shares > 0n || tokens === 0n, "the last share takes all tokens");
  updateValidator(ctx, validator, { tokens, shares });
}

/** What `removeTokens` would return. */
function removedTokens(
  reader: StakingReader,
  validator: string,
  delegator: string,
  amount: bigint,
): bigint {
  const state = requireValidator(reader, validator);
  const held = delegationOf(reader, validator, delegator)?.shares ?? 0n;
  return tokensOf(state, sharesToRemove(state, held, amount));
}

/** Why a validator cannot take `amount` nweft of stake. */
function receiverFault(
  reader: StakingReader,
  validator: string,
  amount: bigint,
): Failure | undefined {
  const state = reader.records.get(VALIDATORS, validator);
  if (state === undefined) return failure("VALIDATOR_UNKNOWN", validator);
  if (state.tombstoned) return failure("VALIDATOR_TOMBSTONED", validator);
  if (amount < 1n) return failure("STAKE_AMOUNT", `expected at least 1 nweft, got ${amount}`);
  if (isWorthless(state)) return failure("STAKE_WORTHLESS", validator);
  const bought = sharesOf(state, amount);
  if (state.shares + bought > VALIDATOR_SHARES_MAX) {
    const reason = `${validator}: too little was left for its shares to be divided any more`;
    return failure("STAKE_WORTHLESS", reason);
  }
  if (bought > 0n) return undefined;
  return failure("STAKE_AMOUNT", `${amount} nweft do not buy the smallest share of ${validator}`);
}

/** Why a delegator cannot take `amount` nweft out of a validator. */
function holderFault(
  reader: StakingReader,
  validator: string,
  delegator: string,
  amount: bigint,
): Failure | undefined {
  if (reader.records.get(VALIDATORS, validator) === undefined) {
    return failure("VALIDATOR_UNKNOWN", validator);
  }
  if (amount < 1n) return failure("STAKE_AMOUNT", `expected at least 1 nweft, got ${amount}`);
  const askable = askableTokens(reader, validator, delegator);
  if (askable === 0n) return failure("DELEGATION_UNKNOWN", `by ${delegator} to ${validator}`);
  if (amount <= askable) return undefined;
  return failure(
    "DELEGATION_TOO_SMALL",
    `the delegation is worth ${askable} nweft, ${amount} were asked for`,
  );
}

function entriesFault(reader: StakingReader, count: number): Failure | undefined {
  const { unbondingEntriesMax } = reader.params;
  if (count < unbondingEntriesMax) return undefined;
  return failure("UNBONDING_FULL", `${count} are under way, at most ${unbondingEntriesMax}`);
}
