/**
 * Periods of a validator's rewards (F1, spec staking C1). A period ends when tokens change; its record
 * holds the cumulative ratio of rewards per token, and lives as long as something begins there: a
 * delegation, a slash, or the period under way.
 */
import { assert } from "../../../proto/errors.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { RATIOS, ratioKey, SLASHES, slashKey } from "../state/tables.ts";

/** The end of period 0, where a validator begins. */
export function startPeriods(ctx: StakingContext, validator: string): void {
  ctx.records.set(RATIOS, ratioKey(validator, 0), { ratio: 0n, references: 1 });
}

/** Decimal nweft per nweft that a token has earned from the beginning to the end of `period`. */
export function ratioAt(ctx: StakingReader, validator: string, period: number): bigint {
  return requireRatio(ctx, validator, period).ratio;
}

/** Counts one more that begins at the end of `period`. */
export function addReference(ctx: StakingContext, validator: string, period: number): void {
  const { ratio, references } = requireRatio(ctx, validator, period);
  ctx.records.set(RATIOS, ratioKey(validator, period), { ratio, references: references + 1 });
}

/** Counts one less; the last one takes the record along. */
export function dropReference(ctx: StakingContext, validator: string, period: number): void {
  const { ratio, references } = requireRatio(ctx, validator, period);
  assert(references > 0, "a record of a period is there as long as something begins there");
  ctx.records.set(
    RATIOS,
    ratioKey(validator, period),
    references === 1 ? undefined : { ratio, references: references - 1 },
  );
}

/** The period under way ends with `ratio`, and the next begins there. */
export function movePeriod(
  ctx: StakingContext,
  validator: string,
  ended: { readonly period: number; readonly ratio: bigint },
): void {
  dropReference(ctx, validator, ended.period - 1);
  ctx.records.set(RATIOS, ratioKey(validator, ended.period), {
    ratio: ended.ratio,
    references: 1,
  });
}

/** Notes that `period` ended with a slash. */
export function addSlash(
  ctx: StakingContext,
  validator: string,
  { period, fraction }: SlashPeriod,
): void {
  addReference(ctx, validator, period);
  ctx.records.set(SLASHES, slashKey(validator, period), { fraction });
}

export interface SlashPeriod {
  readonly period: number;
  /** Decimal. */
  readonly fraction: bigint;
}

/** Slashes of what was delegated by the end of `period`, oldest first. */
export function slashesAfter(
  ctx: StakingReader,
  validator: string,
  period: number,
): readonly SlashPeriod[] {
  const slashes: SlashPeriod[] = [];
  const range = period < 0 ? {} : { after: slashKey(validator, period) };
  for (const key of ctx.records.keys(SLASHES, `${validator}/`, range)) {
    const slash = ctx.records.get(SLASHES, key);
    assert(slash !== undefined, "keys are those of records");
    slashes.push({ period: Number(key.slice(validator.length + 1)), fraction: slash.fraction });
  }
  return slashes;
}

/** Removes all records of a validator without delegations; `last`: the period that ended last. */
export function removePeriods(ctx: StakingContext, validator: string, last: number): void {
  for (const { period } of slashesAfter(ctx, validator, -1)) {
    ctx.records.set(SLASHES, slashKey(validator, period), undefined);
    dropReference(ctx, validator, period);
  }
  const { references } = requireRatio(ctx, validator, last);
  assert(references === 1, "only the period under way begins there when there are no delegations");
  dropReference(ctx, validator, last);
}

function requireRatio(ctx: StakingReader, validator: string, period: number) {
  const ratio = ctx.records.get(RATIOS, ratioKey(validator, period));
  assert(ratio !== undefined, `period ${period} of validator ${validator} has a record`);
  return ratio;
}
