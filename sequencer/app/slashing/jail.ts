/** Out of the set at once, and the way back (spec staking C1). `validator`, `sender`: 40-hex addresses. */
import { toHex } from "../../../proto/bytes.ts";
import type { Unjail } from "../../../proto/codec/staking-tx.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import {
  operatorFault,
  requireValidator,
  selfDelegation,
  updateValidator,
} from "../staking/validator-records.ts";

/**
 * Takes the validator out of the set with the updates of this block. No unjail before `untilSeconds`; a jail
 * under way never gets shorter. What it missed is forgotten with the updates, not now: an operator that takes
 * out too much of its own stake, puts it back and asks, all in one block, is not jailed any more by then.
 */
export function jail(ctx: StakingContext, validator: string, untilSeconds: number): void {
  const { jailed, jailedUntilSeconds } = requireValidator(ctx, validator);
  const until = jailed ? Math.max(jailedUntilSeconds, untilSeconds) : untilSeconds;
  updateValidator(ctx, validator, { jailed: true, jailedUntilSeconds: until });
  ctx.emit(
    event("jail", [
      indexed("validator", validator.toUpperCase()),
      plain("until_seconds", String(until)),
    ]),
  );
}

/** Jails for good: its key never counts again. */
export function tombstone(ctx: StakingContext, validator: string): void {
  jail(ctx, validator, ctx.nowSeconds);
  updateValidator(ctx, validator, { tombstoned: true });
  ctx.emit(event("tombstone", [indexed("validator", validator.toUpperCase())]));
}

/** Why the sender may not let the validator out, or undefined. */
export function unjailFault(
  reader: StakingReader,
  sender: string,
  action: Unjail,
): Failure | undefined {
  const validator = toHex(action.validator);
  const refused = operatorFault(reader, sender, validator);
  if (refused !== undefined) return refused;
  const state = requireValidator(reader, validator);
  if (!state.jailed) return failure("UNJAIL_NOT_JAILED", validator);
  if (state.tombstoned) return failure("VALIDATOR_TOMBSTONED", validator);
  if (reader.nowSeconds < state.jailedUntilSeconds) {
    return failure(
      "UNJAIL_TOO_EARLY",
      `it ends at ${state.jailedUntilSeconds}, block time is ${reader.nowSeconds}`,
    );
  }
  const own = selfDelegation(reader, validator);
  if (own > 0n && own >= state.minSelfDelegation) return undefined;
  return failure(
    "SELF_DELEGATION_LOW",
    `it is ${own} nweft, at least ${state.minSelfDelegation} are needed`,
  );
}

/** Lets the validator stand again from the next epoch on. Its counters were reset when it left. */
export function unjail(ctx: StakingContext, _sender: string, action: Unjail): void {
  const validator = toHex(action.validator);
  updateValidator(ctx, validator, { jailed: false });
  ctx.emit(event("unjail", [indexed("validator", validator.toUpperCase())]));
}
