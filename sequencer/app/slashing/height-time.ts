/**
 * When a height was, for faults that say their height alone. Every hundredth block leaves its time; that of the
 * next one after a height bounds the height's own from above, so that no fault looks older than it is.
 */
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { HEIGHT_TIMES, numberKey } from "../state/tables.ts";
import { HEIGHT_TIME_STRIDE, HEIGHT_TIMES_FORGOTTEN_MAX } from "./limits.ts";

/** Begin of a block: leaves its time if it is one of those, and forgets times that no fault needs. */
export function recordHeightTime(ctx: StakingContext): void {
  if (ctx.height % HEIGHT_TIME_STRIDE !== 0) return;
  const number = ctx.height / HEIGHT_TIME_STRIDE;
  let oldest = ctx.records.get(HEIGHT_TIMES, numberKey(number - 1))?.oldest ?? number;
  for (let forgotten = 0; forgotten < HEIGHT_TIMES_FORGOTTEN_MAX; forgotten++) {
    const time = ctx.records.get(HEIGHT_TIMES, numberKey(oldest));
    if (time === undefined) break;
    if (!isTooOld(ctx, oldest * HEIGHT_TIME_STRIDE, time.seconds)) break;
    ctx.records.set(HEIGHT_TIMES, numberKey(oldest), undefined);
    oldest++;
  }
  ctx.records.set(HEIGHT_TIMES, numberKey(number), { seconds: ctx.nowSeconds, oldest });
}

/** Block time of the height or a little later; undefined: further back than evidence reaches. */
export function latestTimeOf(reader: StakingReader, height: number): number | undefined {
  const number = Math.ceil(height / HEIGHT_TIME_STRIDE);
  // The reader's own height leaves its time, which is now, in its block; whoever looks before that has none yet.
  if (number * HEIGHT_TIME_STRIDE >= reader.height) return reader.nowSeconds;
  return reader.records.get(HEIGHT_TIMES, numberKey(number))?.seconds;
}

/** Both limits are exceeded (spec staking C1); `seconds`: block time of the infraction. */
export function isTooOld(reader: StakingReader, height: number, seconds: number): boolean {
  return (
    reader.height - height > reader.evidenceMaxAgeBlocks &&
    reader.nowSeconds - seconds > reader.evidenceMaxAgeSeconds
  );
}
