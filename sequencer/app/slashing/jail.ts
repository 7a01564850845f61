/** Out of the set at once, and the way back (spec staking C1). */
import type { Unjail } from "../../../proto/codec/staking-tx.ts";
import { assert } from "../../../proto/errors.ts";
import type { Failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";

/** Takes the validator out of the set with the updates of this block. A jail never gets shorter. */
export function jail(_ctx: StakingContext, validator: string, _untilSeconds: number): void {
  assert(false, `jail ${validator}: follows`);
}

/** Jails for good: its key never counts again. */
export function tombstone(_ctx: StakingContext, validator: string): void {
  assert(false, `tombstone ${validator}: follows`);
}

/** Why the sender may not let the validator out, or undefined. */
export function unjailFault(
  _ctx: StakingReader,
  sender: string,
  _action: Unjail,
): Failure | undefined {
  assert(false, `unjail by ${sender}: follows`);
}

/** Stands again from the next epoch on. */
export function unjail(_ctx: StakingContext, sender: string, _action: Unjail): void {
  assert(false, `unjail by ${sender}: follows`);
}
