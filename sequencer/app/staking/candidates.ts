/**
 * How many validators there may be, and who goes. A registered validator costs state and a step of every
 * end of epoch, so their number is a parameter. When it is reached, a newcomer takes the place of the
 * smallest one outside the set that nobody else has staked on, if it brings more; its operator is paid out.
 */
import { toHex } from "../../../proto/bytes.ts";
import { BondStatus, type ValidatorState } from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
import { event } from "../abci-event.ts";
import { removeValidator } from "../distribution/rewards.ts";
import { clearLiveness } from "../slashing/liveness-records.ts";
import {
  POWERS,
  REDELEGATIONS,
  SEAL_ENCRYPTION,
  SLASHED,
  UNBONDINGS,
  VALIDATORS,
} from "../state/tables.ts";
import type { StakingContext, StakingReader } from "./context.ts";
import { takeShares } from "./delegations.ts";
import { validatorAttribute } from "./events.ts";
import { hasIncoming } from "./unbonding.ts";
import { delegationOf, requireValidator } from "./validator-records.ts";

export type PlaceForCandidate =
  | { readonly kind: "free" }
  /** `validator` has to go first. */
  | { readonly kind: "instead"; readonly validator: string }
  | { readonly kind: "none" };

/** Whether there is a place for a validator that brings `tokens` nweft. */
export function placeForCandidate(reader: StakingReader, tokens: bigint): PlaceForCandidate {
  let count = 0;
  let weakest: { readonly validator: string; readonly tokens: bigint } | undefined;
  for (const validator of reader.records.keys(VALIDATORS)) {
    const state = requireValidator(reader, validator);
    // Kept for their address alone.
    if (state.tombstoned) continue;
    count++;
    if (weakest !== undefined && state.tokens >= weakest.tokens) continue;
    if (mayGiveWay(reader, validator, state)) weakest = { validator, tokens: state.tokens };
  }
  const { candidatesMax } = reader.params;
  if (count < candidatesMax) return { kind: "free" };
  if (count > candidatesMax || weakest === undefined || weakest.tokens >= tokens) {
    return { kind: "none" };
  }
  return { kind: "instead", validator: weakest.validator };
}

/** Pays the operator of a validator that gives way, and removes it. */
export function evictCandidate(ctx: StakingContext, validator: string): void {
  const operator = toHex(requireValidator(ctx, validator).operator);
  const delegation = delegationOf(ctx, validator, operator);
  if (delegation !== undefined) {
    const tokens = takeShares(ctx, validator, operator, delegation.shares);
    ctx.pay("notBonded", operator, tokens);
  }
  forgetValidator(ctx, validator);
}

/**
 * Removes validators that are out of the set and that nobody has stake on, at the end of a block. Nothing
 * can refer to one any more: it is out only after the unbonding time, which exceeds the age of evidence,
 * and no stake on its way out of it is left. A tombstoned one stays, so that its key never counts again, and
 * a jailed one until it might ask: registering again is no way out of jail.
 */
export function removeAbandoned(ctx: StakingContext, validator: string): void {
  const state = requireValidator(ctx, validator);
  if (state.shares > 0n || !isAbandonable(ctx, validator, state)) return;
  forgetValidator(ctx, validator);
}

function isAbandonable(
  reader: StakingReader,
  validator: string,
  { status, tombstoned, jailedUntilSeconds }: ValidatorState,
): boolean {
  if (status !== BondStatus.UNBONDED || tombstoned) return false;
  if (jailedUntilSeconds > reader.nowSeconds) return false;
  const within = `${validator}/`;
  return (
    reader.records.keys(UNBONDINGS, within, { max: 1 }).length === 0 &&
    reader.records.keys(REDELEGATIONS, within, { max: 1 }).length === 0
  );
}

/**
 * Its own stake is all that there is, and free to be paid: stake that has come from another validator
 * and answers for it still must not get away by being pushed out.
 */
function mayGiveWay(reader: StakingReader, validator: string, state: ValidatorState): boolean {
  if (!isAbandonable(reader, validator, state)) return false;
  const operator = toHex(state.operator);
  const own = delegationOf(reader, validator, operator)?.shares ?? 0n;
  return own === state.shares && !hasIncoming(reader, operator, validator);
}

function forgetValidator(ctx: StakingContext, validator: string): void {
  const { shares, tokens } = requireValidator(ctx, validator);
  assert(shares === 0n && tokens === 0n, "a validator that is removed has no stake");
  removeValidator(ctx, validator);
  clearLiveness(ctx, validator);
  ctx.records.set(SLASHED, validator, undefined);
  ctx.records.set(POWERS, validator, undefined);
  ctx.records.set(SEAL_ENCRYPTION, validator, undefined);
  ctx.records.set(VALIDATORS, validator, undefined);
  ctx.emit(event("remove_validator", [validatorAttribute("validator", validator)]));
}
