/** The terms on which stake leaves a validator, and the entries that wait for them. */
import type { Height } from "../../../proto/brands.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import { INCOMING, incomingKey } from "../state/tables.ts";
import type { StakingContext, StakingReader } from "./context.ts";
import { slashableThrough } from "./power-history.ts";
import { dequeue, type QueueKind } from "./queue.ts";
import { requireValidator } from "./validator-records.ts";

/** When stake that leaves now is free, and up to which infraction it can be cut. */
export interface LeavingTerms {
  readonly completionSeconds: number;
  readonly slashableThrough: Height;
}

/**
 * Terms for stake of `delegator` that leaves `validator` now; undefined: it is free at once (spec staking
 * C1). From a validator of the set it waits the whole time; from one on its way out until that one is
 * out; from one that is out not at all.
 *
 * Stake of a delegator who has redelegated to this validator, so that it answers for another one's
 * faults still, waits the whole time wherever it is. Without that rule it would get away through a
 * validator outside the set.
 */
export function leavingTerms(
  reader: StakingReader,
  validator: string,
  delegator: string,
): LeavingTerms | undefined {
  const { status, unbondingSeconds } = requireValidator(reader, validator);
  const through = slashableThrough(reader, validator);
  const wholeTime = reader.nowSeconds + reader.params.unbondingSeconds;
  if (status === BondStatus.BONDED || hasIncoming(reader, delegator, validator)) {
    return { completionSeconds: wholeTime, slashableThrough: through };
  }
  if (status === BondStatus.UNBONDED) return undefined;
  return { completionSeconds: unbondingSeconds, slashableThrough: through };
}

/** Whether some of the delegator's stake there came from another validator and answers for it still. */
export function hasIncoming(reader: StakingReader, delegator: string, validator: string): boolean {
  return reader.records.get(INCOMING, incomingKey(delegator, validator)) !== undefined;
}

/** One redelegation more, or less, that the delegator's stake there answers for. */
export function countIncoming(
  ctx: StakingContext,
  delegator: string,
  validator: string,
  by: number,
): void {
  const key = incomingKey(delegator, validator);
  const count = (ctx.records.get(INCOMING, key)?.count ?? 0) + by;
  ctx.records.set(INCOMING, key, count === 0 ? undefined : { count });
}

/** Takes a mark off the queue unless another entry of the record ends at the same second. */
export function dequeueUnlessShared(
  ctx: StakingContext,
  entries: readonly { readonly completionSeconds: number }[],
  seconds: number,
  kind: QueueKind,
  key: string,
): void {
  if (entries.some((entry) => entry.completionSeconds === seconds)) return;
  dequeue(ctx, seconds, kind, key);
}
