/**
 * Validator sets and the rotation of proposers (spec/cometbft-v0.38.md §8). A set is immutable:
 * functions return new ones. Priorities are int64 and clip as Go's do.
 */
import { createHash } from "node:crypto";
import { bytesEqual, compareBytes, toHex } from "./bytes.ts";
import { assert, WeftError } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { validatorsHash } from "./hashes.ts";
import { ADDRESS_BYTES, TOTAL_VOTING_POWER_MAX } from "./limits.ts";
import type { PublicKey, Validator, ValidatorSet } from "./types.ts";

const INT64_MIN = -0x8000_0000_0000_0000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
/** Priorities stay within this many times the total power of each other. */
const PRIORITY_WINDOW_FACTOR = 2n;

/** Why changes of a validator set were refused. */
export type ValidatorSetErrorCode =
  /** Two changes name the same validator. */
  | "VALIDATOR_SET_DUPLICATE"
  /** A power is negative, above the total allowed, or 0 where nothing can be removed. */
  | "VALIDATOR_SET_POWER"
  /** The validator to remove is not in the set. */
  | "VALIDATOR_SET_UNKNOWN"
  /** No validator would be left. */
  | "VALIDATOR_SET_EMPTY"
  /** The total power would exceed (2^63 - 1) / 8. */
  | "VALIDATOR_SET_TOTAL_POWER";

export type ValidatorSetError = WeftError<{ readonly code: ValidatorSetErrorCode }>;

/** A change of a set: power 0 removes. */
export interface ValidatorChange {
  readonly publicKey: PublicKey;
  readonly votingPower: bigint;
}

/** Address of a key: 20 bytes (spec §1). */
export function validatorAddress(publicKey: PublicKey): Uint8Array {
  const digest = sha256(publicKey.bytes);
  return publicKey.type === "ed25519"
    ? digest.slice(0, ADDRESS_BYTES)
    : new Uint8Array(createHash("ripemd160").update(digest).digest());
}

/** Set order: power descending, then address ascending (spec §8.1). */
export function compareValidators(a: Validator, b: Validator): number {
  if (a.votingPower !== b.votingPower) return a.votingPower > b.votingPower ? -1 : 1;
  return compareBytes(a.address, b.address);
}

/**
 * The set of a genesis: at least one validator, powers positive; the first proposer is picked.
 * Throws a `ValidatorSetError`.
 */
export function createValidatorSet(validators: readonly ValidatorChange[]): ValidatorSet {
  const zero = validators.find((validator) => validator.votingPower === 0n);
  if (zero !== undefined) {
    throw refusal("VALIDATOR_SET_POWER", `${name(zero.publicKey)}: power 0 in a new set`);
  }
  const applied = applyChanges([], validators, undefined);
  return incrementProposerPriority(applied, 1);
}

/**
 * The set with the changes of a block applied; the proposer stays until the next increment.
 * Throws a `ValidatorSetError` and leaves `set` as it is.
 */
export function updateValidatorSet(
  set: ValidatorSet,
  changes: readonly ValidatorChange[],
): ValidatorSet {
  return changes.length === 0 ? set : applyChanges(set.validators, changes, set.proposer);
}

/** Advances the rotation by `times` proposers, at least one. */
export function incrementProposerPriority(set: ValidatorSet, times: number): ValidatorSet {
  const priorities = set.validators.map((validator) => validator.proposerPriority);
  rescale(priorities, PRIORITY_WINDOW_FACTOR * set.totalVotingPower);
  centre(priorities);
  return rotate(set, priorities, times);
}

/**
 * Goes on with what `incrementProposerPriority` gave: `times` more, to the same set that one call would have
 * come to. Not what two calls come to, each of which scales and centres first.
 */
export function continueRotation(set: ValidatorSet, times: number): ValidatorSet {
  const priorities = set.validators.map((validator) => validator.proposerPriority);
  return rotate(set, priorities, times);
}

/** @param priorities are changed */
function rotate(set: ValidatorSet, priorities: bigint[], times: number): ValidatorSet {
  assert(Number.isInteger(times) && times > 0, `the rotation advances by 1 or more, not ${times}`);
  const { totalVotingPower } = set;
  const powers = set.validators.map((validator) => validator.votingPower);
  let proposerIndex = 0;
  for (let i = 0; i < times; i++) {
    for (let k = 0; k < priorities.length; k++) {
      priorities[k] = clip((priorities[k] ?? 0n) + (powers[k] ?? 0n));
    }
    proposerIndex = highest(set.validators, priorities);
    priorities[proposerIndex] = clip((priorities[proposerIndex] ?? 0n) - totalVotingPower);
  }
  const validators = withPriorities(set.validators, priorities);
  const proposer = validators[proposerIndex];
  assert(proposer !== undefined, "a validator set is not empty");
  return { validators, proposer, totalVotingPower };
}

/**
 * A set from validators in set order with their priorities, as stored or as a peer sent them.
 * Without `proposer` the one with the highest priority is it. Throws a `ValidatorSetError`.
 */
export function validatorSetFromValidators(
  validators: readonly Validator[],
  proposer?: Validator,
): ValidatorSet {
  const priorities = validators.map((validator) => validator.proposerPriority);
  const found = proposer ?? validators[highest(validators, priorities)];
  if (found === undefined) throw refusal("VALIDATOR_SET_EMPTY", "expected at least one validator");
  return { validators, proposer: found, totalVotingPower: totalPower(validators) };
}

/** Index of the validator with that address, -1 when there is none. */
export function validatorIndexByAddress(set: ValidatorSet, address: Uint8Array): number {
  return set.validators.findIndex((validator) => bytesEqual(validator.address, address));
}

/**
 * The set as its hash says it: addresses are those of the keys, priorities 0, and the proposer is the first validator.
 * What a verified stream holds, because nothing else of a set can be verified.
 */
export function hashedValidatorSet({ validators, totalVotingPower }: ValidatorSet): ValidatorSet {
  const plain = validators.map(({ publicKey, votingPower }) => ({
    address: validatorAddress(publicKey),
    publicKey,
    votingPower,
    proposerPriority: 0n,
  }));
  const [proposer] = plain;
  assert(proposer !== undefined, "a set has a validator");
  return { validators: plain, proposer, totalVotingPower };
}

/** validators_hash of the set. */
export function validatorSetHash(set: ValidatorSet): Uint8Array {
  return validatorsHash(set.validators);
}

/** A vote needs strictly more than this: total * 2 / 3, rounded down (spec §9.1). */
export function twoThirdsOf(totalVotingPower: bigint): bigint {
  return (totalVotingPower * 2n) / 3n;
}

/** Changes, then rescaled and centred priorities, then set order (spec §8.2). */
function applyChanges(
  current: readonly Validator[],
  changes: readonly ValidatorChange[],
  proposer: Validator | undefined,
): ValidatorSet {
  const byAddress = new Map(current.map((validator) => [toHex(validator.address), validator]));
  const updates = new Map<string, ValidatorChange>();
  const removals = new Set<string>();
  const seen = new Set<string>();
  let powerAfterUpdates = 0n;
  for (const validator of current) powerAfterUpdates += validator.votingPower;
  for (const change of changes) {
    const { votingPower } = change;
    const address = toHex(validatorAddress(change.publicKey));
    if (seen.has(address)) throw refusal("VALIDATOR_SET_DUPLICATE", `${address} changes twice`);
    seen.add(address);
    if (votingPower < 0n || votingPower > TOTAL_VOTING_POWER_MAX) {
      throw refusal("VALIDATOR_SET_POWER", `${address}: power ${votingPower} is out of range`);
    }
    const existing = byAddress.get(address);
    if (votingPower > 0n) {
      updates.set(address, change);
      powerAfterUpdates += votingPower - (existing?.votingPower ?? 0n);
    } else {
      if (existing === undefined) {
        throw refusal("VALIDATOR_SET_UNKNOWN", `cannot remove ${address}: not in the set`);
      }
      removals.add(address);
    }
  }

  const newPriority = -(powerAfterUpdates + (powerAfterUpdates >> 3n));
  const next: Validator[] = [];
  for (const validator of current) {
    const address = toHex(validator.address);
    if (removals.has(address)) continue;
    const update = updates.get(address);
    next.push(update === undefined ? validator : { ...validator, votingPower: update.votingPower });
  }
  for (const [address, { publicKey, votingPower }] of updates) {
    if (byAddress.has(address)) continue;
    const proposerPriority = newPriority;
    next.push({
      address: validatorAddress(publicKey),
      publicKey,
      votingPower,
      proposerPriority,
    });
  }
  if (next.length === 0) throw refusal("VALIDATOR_SET_EMPTY", "no validator would be left");

  const totalVotingPower = totalPower(next);
  const priorities = next.map((validator) => validator.proposerPriority);
  rescale(priorities, PRIORITY_WINDOW_FACTOR * totalVotingPower);
  centre(priorities);
  const validators = withPriorities(next, priorities).sort(compareValidators);
  // A proposer that stays in the set shares its new numbers; a removed one is kept until the next
  // increment, which always follows.
  const same = validators.find(
    (validator) => proposer !== undefined && bytesEqual(validator.address, proposer.address),
  );
  const found = same ?? proposer ?? validators[highest(validators, priorities)];
  assert(found !== undefined, "a validator set is not empty");
  return { validators, proposer: found, totalVotingPower };
}

function totalPower(validators: readonly Validator[]): bigint {
  let total = 0n;
  for (const validator of validators) total += validator.votingPower;
  if (total > TOTAL_VOTING_POWER_MAX) {
    throw refusal(
      "VALIDATOR_SET_TOTAL_POWER",
      `expected at most ${TOTAL_VOTING_POWER_MAX} in total, got ${total}`,
    );
  }
  return total;
}

/** Brings priorities within `window` of each other; the division truncates (spec §8.3). */
function rescale(priorities: bigint[], window: bigint): void {
  if (priorities.length === 0 || window <= 0n) return;
  let [lowest, greatest] = [INT64_MAX, INT64_MIN];
  for (const priority of priorities) {
    if (priority < lowest) lowest = priority;
    if (priority > greatest) greatest = priority;
  }
  // int64 arithmetic wraps in Go; so it does here.
  let difference = BigInt.asIntN(64, greatest - lowest);
  if (difference < 0n) difference = BigInt.asIntN(64, -difference);
  if (difference <= window) return;
  const ratio = BigInt.asIntN(64, difference + window - 1n) / window;
  priorities.forEach((priority, i) => {
    priorities[i] = priority / ratio;
  });
}

/** Subtracts the average, rounded down also when it is negative (spec §8.3). */
function centre(priorities: bigint[]): void {
  let sum = 0n;
  for (const priority of priorities) sum += priority;
  const count = BigInt(priorities.length);
  const quotient = sum / count;
  const average = sum % count < 0n ? quotient - 1n : quotient;
  priorities.forEach((priority, i) => {
    priorities[i] = clip(priority - average);
  });
}

/** Index of the highest priority; the lower address wins a tie. -1 for no validators. */
function highest(validators: readonly Validator[], priorities: readonly bigint[]): number {
  let best = -1;
  validators.forEach((validator, i) => {
    const champion = validators[best];
    if (champion === undefined) {
      best = i;
      return;
    }
    const [mine, theirs] = [priorities[i] ?? 0n, priorities[best] ?? 0n];
    if (mine > theirs) best = i;
    else if (mine === theirs && compareBytes(validator.address, champion.address) < 0) best = i;
  });
  return best;
}

function withPriorities(
  validators: readonly Validator[],
  priorities: readonly bigint[],
): Validator[] {
  return validators.map((validator, i) => ({
    ...validator,
    proposerPriority: priorities[i] ?? 0n,
  }));
}

function clip(value: bigint): bigint {
  if (value > INT64_MAX) return INT64_MAX;
  return value < INT64_MIN ? INT64_MIN : value;
}

function name(publicKey: PublicKey): string {
  return toHex(validatorAddress(publicKey));
}

function refusal(code: ValidatorSetErrorCode, message: string): ValidatorSetError {
  return new WeftError({ code }, message);
}
