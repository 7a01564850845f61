import { BondStatus } from "../../../proto/codec/staking-state.ts";
import { QUEUE, REDELEGATIONS, UNBONDINGS, VALIDATORS } from "../state/tables.ts";
import { event } from "../abci-event.ts";
import type { StakingContext } from "./context.ts";
import { accountAttribute, numberAttribute, validatorAttribute } from "./events.ts";
import { QUEUE_PER_BLOCK_MAX } from "./limits.ts";
import { parseQueueKey } from "./queue.ts";
import { countIncoming } from "./unbonding.ts";
import { updateValidator } from "./validator-records.ts";

/** Keys of the queue that are looked at together. */
const KEYS_PER_READ = 256;

/**
 * Completes what has waited for its time, at the end of a block: unbonding entries are paid out,
 * redelegation entries forgotten, validators on their way out are out (spec staking C1). At most
 * `QUEUE_PER_BLOCK_MAX` marks a block, in order of time, so that no block takes long; what is left
 * completes in the next block. Marks of other modules (proposals) stay for them.
 */
export function matureQueue(ctx: StakingContext): void {
  let after = "";
  let taken = 0;
  for (;;) {
    const keys = ctx.records.keys(QUEUE, "", { after, max: KEYS_PER_READ });
    for (const key of keys) {
      after = key;
      const { seconds, kind, rest } = parseQueueKey(key);
      if (seconds > ctx.nowSeconds) return;
      if (!matureOne(ctx, kind, rest)) continue;
      ctx.records.set(QUEUE, key, undefined);
      taken++;
      if (taken >= QUEUE_PER_BLOCK_MAX) return;
    }
    if (keys.length < KEYS_PER_READ) return;
  }
}

/** False when the mark stays: it is another module's, or not ripe by height. */
function matureOne(ctx: StakingContext, kind: string, rest: string): boolean {
  switch (kind) {
    case "unbonding":
      matureUnbonding(ctx, rest);
      return true;
    case "redelegation":
      matureRedelegation(ctx, rest);
      return true;
    case "validator":
      return matureValidator(ctx, rest);
    default:
      return false;
  }
}

function matureUnbonding(ctx: StakingContext, key: string): void {
  const entries = ctx.records.get(UNBONDINGS, key)?.entries ?? [];
  const [validator = "", delegator = ""] = key.split("/");
  let amount = 0n;
  const left = entries.filter((entry) => {
    if (entry.completionSeconds > ctx.nowSeconds) return true;
    amount += entry.balance;
    return false;
  });
  if (left.length === entries.length) return;
  ctx.records.set(UNBONDINGS, key, left.length === 0 ? undefined : { entries: left });
  ctx.pay("notBonded", delegator, amount);
  ctx.emit(
    event("complete_unbonding", [
      validatorAttribute("validator", validator),
      accountAttribute("delegator", delegator),
      numberAttribute("amount", amount),
    ]),
  );
}

function matureRedelegation(ctx: StakingContext, key: string): void {
  const entries = ctx.records.get(REDELEGATIONS, key)?.entries ?? [];
  const [source = "", delegator = "", destination = ""] = key.split("/");
  const left = entries.filter((entry) => entry.completionSeconds > ctx.nowSeconds);
  const matured = entries.length - left.length;
  if (matured === 0) return;
  ctx.records.set(REDELEGATIONS, key, left.length === 0 ? undefined : { entries: left });
  countIncoming(ctx, delegator, destination, -matured);
  ctx.emit(
    event("complete_redelegation", [
      validatorAttribute("source", source),
      validatorAttribute("destination", destination),
      accountAttribute("delegator", delegator),
    ]),
  );
}

/** A validator that waits is out when its time has come and its last vote lies behind. */
function matureValidator(ctx: StakingContext, validator: string): boolean {
  const state = ctx.records.get(VALIDATORS, validator);
  if (state?.status !== BondStatus.UNBONDING) return true;
  if (ctx.height < state.unbondingHeight) return false;
  updateValidator(ctx, validator, { status: BondStatus.UNBONDED });
  return true;
}
