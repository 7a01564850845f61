/**
 * A key generation from its begin to its end (spec encrypted-mempool B.5): who takes part, how long they
 * have, who is left out. `actions.ts` has what validators send meanwhile.
 *
 * Where the spec leaves it open:
 * - It ends at once when those that have dealt cannot suffice any more, and the time for complaints begins
 *   early when everybody has dealt.
 * - Those who were silent are jailed only if the others are more than half of the power: who silences
 *   a majority is no validator, and the set must not shrink to those few whom that helps.
 */
import { type Dealing, type KeyTerms, ticketsOfMember } from "../../../../mev/seal/dkg.ts";
import { allotTickets } from "../../../../mev/seal/tickets.ts";
import { Height } from "../../../../proto/brands.ts";
import { compareBytes, fromHex, toHex } from "../../../../proto/bytes.ts";
import type {
  SealGenerationState,
  SealKeyState,
  SealMemberState,
} from "../../../../proto/codec/seal-state.ts";
import { assert } from "../../../../proto/errors.ts";
import { jail } from "../../slashing/jail.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import { requireEpoch, requireValidator } from "../../staking/validator-records.ts";
import {
  dealingKey,
  numberKey,
  SEAL,
  SEAL_DEALINGS,
  SEAL_ENCRYPTION,
  SEAL_GENERATION,
  SEAL_KEYS,
  VALIDATORS,
} from "../../state/tables.ts";
import { protectedBlocks } from "../items/room.ts";
import { sealKey, sealState } from "../reader.ts";
import { generationEvent, generationFailedEvent, keyEvent } from "./events.ts";
import {
  GENERATION_ATTEMPTS_MAX,
  GENERATION_WINDOW_MIN,
  REGISTRATION_BLOCKS,
  TICKETS_FOUND_MEMBERS_MAX,
} from "./limits.ts";

/** The generation under way. */
export function generationOf(reader: StakingReader): SealGenerationState | undefined {
  return reader.records.get(SEAL_GENERATION, "");
}

/** What its dealings are for. */
export function termsOf(reader: StakingReader, generation: SealGenerationState): KeyTerms {
  const { key, threshold, members } = generation;
  return { chainId: reader.chainId, key, threshold, members };
}

/** What `dealer` (40-hex) has dealt for a key. */
export function dealingOf(reader: StakingReader, key: number, dealer: string): Dealing | undefined {
  return reader.records.get(SEAL_DEALINGS, dealingKey(key, dealer));
}

export function isDisqualified(generation: SealGenerationState, member: Uint8Array): boolean {
  return generation.disqualified.some((one) => compareBytes(one, member) === 0);
}

/** Takes a member out whose dealing or complaint was shown to be bad: what it deals does not count. */
export function disqualify(ctx: StakingContext, member: Uint8Array): void {
  const generation = generationOf(ctx);
  assert(generation !== undefined, "a generation is under way");
  const disqualified = [...generation.disqualified, member].sort(compareBytes);
  ctx.records.set(SEAL_GENERATION, "", { ...generation, disqualified });
}

/**
 * End of a block, once the set of the next blocks is known: begins a generation when this epoch still
 * needs a key, enough validators have said what their shares are to be encrypted for, and tickets exist.
 */
export function startGeneration(ctx: StakingContext): void {
  const state = sealState(ctx);
  // A key that is not in force yet would be replaced before anybody could use it.
  if (generationOf(ctx) !== undefined || state.nextKey !== 0) return;
  const epoch = requireEpoch(ctx);
  const attempts = state.generationEpoch === epoch.number ? state.generationAttempts : 0;
  if (attempts >= GENERATION_ATTEMPTS_MAX) return;
  if (attempts > 0 && sealKey(ctx, state.lastGeneration) !== undefined) return;

  const set = ctx.records
    .keys(VALIDATORS)
    .map((validator) => ({ validator, ...requireValidator(ctx, validator) }))
    .filter(({ power }) => power > 0n);
  const totalPower = set.reduce((sum, { power }) => sum + power, 0n);
  // The last one of a set stays in it when it is jailed; what it would send is refused.
  const candidates = set.flatMap(({ validator, power, jailed }) => {
    const encryptionKey = ctx.records.get(SEAL_ENCRYPTION, validator)?.encryptionKey;
    return encryptionKey === undefined || jailed ? [] : [{ validator, power, encryptionKey }];
  });
  const blocksOver = ctx.height + 1 - epoch.startHeight;
  // The end of its last block belongs to the next epoch.
  const firstLook = Math.min(REGISTRATION_BLOCKS, epoch.length - 1);
  const isTimeToLook =
    blocksOver >= firstLook && (blocksOver - firstLook) % REGISTRATION_BLOCKS === 0;
  if (candidates.length < set.length && !isTimeToLook) return;
  // Of very many with contrived powers no tickets may exist, and to find that out takes half a second.
  if (set.length > TICKETS_FOUND_MEMBERS_MAX && !isTimeToLook) return;

  const allotment = allotTickets(
    candidates.map(({ power }) => power),
    totalPower,
  );
  if (allotment === undefined) return;
  const members: SealMemberState[] = [];
  const powers: bigint[] = [];
  for (const [at, { validator, power, encryptionKey }] of candidates.entries()) {
    const tickets = allotment.tickets[at] ?? 0;
    if (tickets === 0) continue;
    members.push({ validator: fromHex(validator), encryptionKey, tickets });
    powers.push(power);
  }
  const key = state.lastGeneration + 1;
  const blocks = protectedBlocks(ctx, GENERATION_WINDOW_MIN);
  const generation: SealGenerationState = {
    key,
    startHeight: Height(ctx.height),
    dealHeight: Height(ctx.height + blocks),
    complainHeight: Height(ctx.height + 2 * blocks),
    threshold: allotment.threshold,
    members,
    totalPower,
    powers,
    disqualified: [],
  };
  ctx.records.set(SEAL_GENERATION, "", generation);
  ctx.records.set(SEAL, "", {
    ...state,
    lastGeneration: key,
    generationEpoch: epoch.number,
    generationAttempts: attempts + 1,
  });
  ctx.emit(generationEvent(generation));
}

/**
 * End of a block, before the set changes: ends a generation whose time has come. Jails those who were silent if
 * it failed and is tried once more.
 */
export function endGeneration(ctx: StakingContext): void {
  const generation = generationOf(ctx);
  if (generation === undefined) return;
  if (ctx.height < generation.dealHeight) {
    closeDealing(ctx, generation);
    return;
  }
  const dealers = dealersOf(ctx, generation);
  if (!suffice(generation, dealers)) {
    fail(ctx, generation, "too few members have dealt");
    return;
  }
  if (ctx.height < generation.complainHeight) return;
  const qualified = dealers.filter(({ validator }) => !isDisqualified(generation, validator));
  if (!suffice(generation, qualified)) {
    fail(ctx, generation, "too few dealings are good");
    return;
  }
  finish(ctx, generation, qualified);
}

/** Begins to wait for complaints early, when all members have dealt. */
function closeDealing(ctx: StakingContext, generation: SealGenerationState): void {
  const { key, members, dealHeight, complainHeight } = generation;
  if (ctx.records.keys(SEAL_DEALINGS, `${numberKey(key)}/`).length < members.length) return;
  ctx.records.set(SEAL_GENERATION, "", {
    ...generation,
    dealHeight: Height(ctx.height),
    complainHeight: Height(ctx.height + complainHeight - dealHeight),
  });
}

/** Removes all dealings for a key. */
export function removeDealings(ctx: StakingContext, key: number): void {
  for (const each of ctx.records.keys(SEAL_DEALINGS, `${numberKey(key)}/`)) {
    ctx.records.set(SEAL_DEALINGS, each, undefined);
  }
}

interface Dealer {
  readonly validator: Uint8Array;
  readonly power: bigint;
  readonly dealing: Dealing;
}

/** Members that have dealt, in their order. */
function dealersOf(reader: StakingReader, generation: SealGenerationState): readonly Dealer[] {
  return generation.members.flatMap(({ validator }, at) => {
    const dealing = dealingOf(reader, generation.key, toHex(validator));
    const power = generation.powers[at] ?? 0n;
    return dealing === undefined ? [] : [{ validator, power, dealing }];
  });
}

/** More than two thirds of the power that there was: one honest dealer at least, and nobody missed by chance. */
function suffice({ totalPower }: SealGenerationState, dealers: readonly Dealer[]): boolean {
  return powerOf(dealers) * 3n > totalPower * 2n;
}

function powerOf(dealers: readonly Dealer[]): bigint {
  return dealers.reduce((sum, { power }) => sum + power, 0n);
}

function finish(
  ctx: StakingContext,
  generation: SealGenerationState,
  qualified: readonly Dealer[],
): void {
  const { key, threshold, members } = generation;
  const dealings = qualified.map(({ dealing }) => dealing);
  const made = ctx.arithmetic.dkg.makeKey(termsOf(ctx, generation), dealings);
  if (made === undefined) {
    fail(ctx, generation, "the dealings cancel each other");
    return;
  }
  const state = sealState(ctx);
  // Where nothing can be sealed anyway, nobody has to be told in time.
  const isAtOnce = state.activeKey === 0 || !state.isOpen;
  const activeHeight = Height(ctx.height + (isAtOnce ? 1 : ctx.params.sealKeyLead));
  const record: SealKeyState = {
    number: key,
    ...made,
    threshold,
    members,
    dealers: qualified.map(({ validator }) => validator),
    activeHeight,
    retiredHeight: Height(0),
  };
  ctx.records.set(SEAL_KEYS, numberKey(key), record);
  ctx.records.set(SEAL, "", { ...state, nextKey: key, nextKeyHeight: activeHeight });
  ctx.records.set(SEAL_GENERATION, "", undefined);
  for (const { validator } of members) {
    if (qualified.some((one) => compareBytes(one.validator, validator) === 0)) continue;
    ctx.records.set(SEAL_DEALINGS, dealingKey(key, toHex(validator)), undefined);
  }
  ctx.emit(keyEvent(record));
}

function fail(ctx: StakingContext, generation: SealGenerationState, reason: string): void {
  const dealers = dealersOf(ctx, generation);
  if (
    sealState(ctx).generationAttempts < GENERATION_ATTEMPTS_MAX &&
    powerOf(dealers) * 2n > generation.totalPower
  ) {
    for (const { validator } of generation.members) {
      if (dealers.some((dealer) => compareBytes(dealer.validator, validator) === 0)) continue;
      jailSilent(ctx, toHex(validator));
    }
  }
  removeDealings(ctx, generation.key);
  ctx.records.set(SEAL_GENERATION, "", undefined);
  ctx.emit(generationFailedEvent(generation.key, reason));
}

function jailSilent(ctx: StakingContext, validator: string): void {
  const state = ctx.records.get(VALIDATORS, validator);
  // One that is out already for something else is not held responsible for its silence.
  if (state === undefined || state.jailed || state.power === 0n) return;
  jail(ctx, validator, ctx.nowSeconds + ctx.params.downtimeJailSeconds);
}

/** Whether the ticket is the member's. */
export function holdsTicket(
  { members }: SealGenerationState,
  member: Uint8Array,
  ticket: number,
): boolean {
  const held = ticketsOfMember(members, member);
  return held !== undefined && ticket >= held.first && ticket < held.first + held.count;
}
