/**
 * What validators send for keys (docs/formats.md, actions 40 to 42), each with its application key and for
 * nothing. Arithmetic is asked about last, and by `...Costly` alone: only once the signature is known to hold.
 */
import type { SealProof } from "../../../../mev/seal/compute.ts";
import { encryptionKeyContext } from "../../../../mev/seal/dkg.ts";
import { bytesEqual, toHex } from "../../../../proto/bytes.ts";
import { Height } from "../../../../proto/brands.ts";
import type { Complain, Deal, RegisterSealKey } from "../../../../proto/codec/seal-tx.ts";
import type { SealGenerationState } from "../../../../proto/codec/seal-state.ts";
import { accountAddress } from "../../../../proto/codec/weft-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { type Failure, failure } from "../../codes.ts";
import { punish } from "../../slashing/penalty.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import { dealingKey, SEAL_DEALINGS, SEAL_ENCRYPTION, VALIDATORS } from "../../state/tables.ts";
import { complaintEvent, dealEvent } from "./events.ts";
import {
  dealingOf,
  disqualify,
  generationOf,
  holdsTicket,
  isDisqualified,
  termsOf,
} from "./generation.ts";
import { REGISTRATION_PAUSE_BLOCKS } from "./limits.ts";

/** Whether the account (40-hex) is that of the validator's application key, as it is now. */
export function isApplicationAccount(
  reader: StakingReader,
  sender: string,
  validator: string,
): boolean {
  const key = reader.records.get(VALIDATORS, validator)?.applicationKey;
  return key !== undefined && key.length > 0 && toHex(accountAddress(key)) === sender;
}

/** Possession of the key, which stands beside the signature; a point that is none proves nothing. */
export function possessionOf(chainId: string, action: RegisterSealKey): SealProof {
  const { validator, encryptionKey: point, possession: proof } = action;
  return { kind: "possession", context: encryptionKeyContext(chainId, validator), point, proof };
}

/** Why the validator may not register the key, or undefined. */
export function registerSealKeyFault(
  reader: StakingReader,
  sender: string,
  action: RegisterSealKey,
): Failure | undefined {
  const validator = toHex(action.validator);
  const state = reader.records.get(VALIDATORS, validator);
  if (state === undefined) return failure("VALIDATOR_UNKNOWN", validator);
  if (state.tombstoned) return failure("VALIDATOR_TOMBSTONED", validator);
  if (!isApplicationAccount(reader, sender, validator)) return notMember(validator);
  const before = reader.records.get(SEAL_ENCRYPTION, validator);
  if (before === undefined) return undefined;
  if (bytesEqual(before.encryptionKey, action.encryptionKey)) {
    return failure("SEAL_DONE", `${validator} has that encryption key`);
  }
  const next = before.registeredHeight + REGISTRATION_PAUSE_BLOCKS;
  if (reader.height >= next) return undefined;
  return failure("SEAL_DONE", `${validator} may have another encryption key at height ${next}`);
}

/** For the next generation that begins. */
export function registerSealKey(
  ctx: StakingContext,
  _sender: string,
  action: RegisterSealKey,
): void {
  ctx.records.set(SEAL_ENCRYPTION, toHex(action.validator), {
    encryptionKey: action.encryptionKey,
    registeredHeight: Height(ctx.height),
  });
}

/** Why the dealing may not be taken, or undefined; what it is made of is for `dealCostlyFault`. */
export function dealFault(
  reader: StakingReader,
  sender: string,
  { key, dealer }: Deal,
): Failure | undefined {
  const generation = generationOfKey(reader, key);
  if ("code" in generation) return generation;
  if (reader.height > generation.dealHeight) {
    return failure("SEAL_GENERATION_NONE", `members dealt until height ${generation.dealHeight}`);
  }
  const fault = memberFault(reader, generation, sender, dealer);
  if (fault !== undefined) return fault;
  const validator = toHex(dealer);
  if (dealingOf(reader, key, validator) === undefined) return undefined;
  return failure("SEAL_DONE", `${validator} has dealt for key ${key}`);
}

/** Asked when `dealFault` has nothing against it. */
export function dealCostlyFault(reader: StakingReader, action: Deal): Failure | undefined {
  const generation = generationOfKey(reader, action.key);
  if ("code" in generation) return generation;
  const refused = reader.arithmetic.dkg.dealingFault(termsOf(reader, generation), action);
  return refused && failure("SEAL_DEAL_BAD", `${refused.code}: ${refused.reason}`);
}

export function deal(
  ctx: StakingContext,
  _sender: string,
  { kind: _kind, ...dealing }: Deal,
): void {
  const dealer = toHex(dealing.dealer);
  ctx.records.set(SEAL_DEALINGS, dealingKey(dealing.key, dealer), dealing);
  ctx.emit(dealEvent(dealing.key, dealer));
}

/** Why nobody is to be judged, or undefined. A member that was wrong once is not heard again. */
export function complainFault(
  reader: StakingReader,
  sender: string,
  { key, member, dealer, ticket }: Complain,
): Failure | undefined {
  const generation = generationOfKey(reader, key);
  if ("code" in generation) return generation;
  const fault = memberFault(reader, generation, sender, member);
  if (fault !== undefined) return fault;
  const validator = toHex(dealer);
  if (dealingOf(reader, key, validator) === undefined) {
    return failure("SEAL_GENERATION_NONE", `${validator} has not dealt for key ${key}`);
  }
  if (isDisqualified(generation, dealer)) {
    return failure("SEAL_DONE", `the dealing of ${validator} counts no more`);
  }
  if (holdsTicket(generation, member, ticket)) return undefined;
  return failure("SEAL_NOT_MEMBER", `ticket ${ticket} is not that of ${toHex(member)}`);
}

/** Asked when `complainFault` has nothing against it. */
export function complainCostlyFault(reader: StakingReader, action: Complain): Failure | undefined {
  return judged(reader, action).verdict === "unproven"
    ? failure("SEAL_COMPLAINT_UNPROVEN", toHex(action.member))
    : undefined;
}

/** Punishes the one of both whose fault it is: it takes no part in this generation any more. */
export function complain(ctx: StakingContext, _sender: string, action: Complain): void {
  const { key, member, dealer } = action;
  const { generation, verdict } = judged(ctx, action);
  assert(verdict !== "unproven", "a complaint that proves nothing was refused");
  const wrong = verdict === "dealer" ? dealer : member;
  disqualify(ctx, wrong);
  ctx.emit(complaintEvent(key, toHex(member), toHex(dealer), verdict));
  punishMember(ctx, generation, wrong, verdict);
}

function judged(reader: StakingReader, action: Complain) {
  const generation = generationOfKey(reader, action.key);
  assert(!("code" in generation), "a complaint to nobody was refused");
  const dealing = dealingOf(reader, action.key, toHex(action.dealer));
  assert(dealing !== undefined, "a complaint about nothing was refused");
  const verdict = reader.arithmetic.dkg.judge(termsOf(reader, generation), dealing, action);
  return { generation, verdict };
}

function punishMember(
  ctx: StakingContext,
  { members, powers, startHeight }: SealGenerationState,
  address: Uint8Array,
  verdict: "dealer" | "member",
): void {
  const validator = toHex(address);
  const state = ctx.records.get(VALIDATORS, validator);
  if (state === undefined || state.tombstoned) return;
  const at = members.findIndex((member) => bytesEqual(member.validator, address));
  const { sealDealerSlashBps, downtimeJailSeconds } = ctx.params;
  const offence = {
    validator,
    height: startHeight,
    power: powers[at] ?? 0n,
    reason: verdict === "dealer" ? "bad_dealing" : "false_complaint",
  };
  const penalty = {
    kind: "jail",
    fractionBps: sealDealerSlashBps,
    jailSeconds: downtimeJailSeconds,
  } as const;
  punish(ctx, offence, penalty);
}

function generationOfKey(reader: StakingReader, key: number): SealGenerationState | Failure {
  const generation = generationOf(reader);
  if (generation?.key === key && reader.height > generation.startHeight) return generation;
  const now = generation === undefined ? "none is" : `that of key ${generation.key} is`;
  return failure("SEAL_GENERATION_NONE", `key ${key}, ${now}`);
}

function memberFault(
  reader: StakingReader,
  generation: SealGenerationState,
  sender: string,
  address: Uint8Array,
): Failure | undefined {
  const validator = toHex(address);
  const isMember = generation.members.some((member) => bytesEqual(member.validator, address));
  if (!isMember || !isApplicationAccount(reader, sender, validator)) return notMember(validator);
  if (isDisqualified(generation, address)) {
    return failure("SEAL_NOT_MEMBER", `${validator} was disqualified`);
  }
  // One that is jailed, for missing blocks perhaps, is not to be cheated of its shares.
  return reader.records.get(VALIDATORS, validator)?.tombstoned === true
    ? failure("VALIDATOR_TOMBSTONED", validator)
    : undefined;
}

function notMember(validator: string): Failure {
  return failure("SEAL_NOT_MEMBER", `${validator}, by its application key`);
}
