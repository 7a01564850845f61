/** The window of missed blocks of one validator, in records of which only those that change are written. */
import type { SigningState } from "../../../proto/codec/slashing-state.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { MISSED, missedKey, SIGNING } from "../state/tables.ts";
import { MISSED_CHUNK_BYTES, MISSED_CHUNK_HEIGHTS } from "./limits.ts";

/**
 * Forgets what the validator missed: when it ends a block in jail, was jailed for that, or is removed. Not
 * when it leaves the set by itself: who is down would retire and return before each window ends.
 */
export function clearLiveness(ctx: StakingContext, validator: string): void {
  const signing = ctx.records.get(SIGNING, validator);
  if (signing === undefined) return;
  clearBits(ctx, validator, signing);
  ctx.records.set(SIGNING, validator, undefined);
}

/** Removes every chunk of bits; there are none when nothing is counted as missed. */
export function clearBits(
  ctx: StakingContext,
  validator: string,
  { missed, window }: SigningState,
): void {
  if (missed === 0) return;
  for (let chunk = 0; chunk * MISSED_CHUNK_HEIGHTS < window; chunk++) {
    const key = missedKey(validator, chunk);
    if (ctx.records.get(MISSED, key) !== undefined) ctx.records.set(MISSED, key, undefined);
  }
}

/** Whether the block that stands at `index` of the window was missed. */
export function isMissed(reader: StakingReader, validator: string, index: number): boolean {
  const { chunk, byte, mask } = placeOf(index);
  const bits = reader.records.get(MISSED, missedKey(validator, chunk))?.bits;
  return ((bits?.[byte] ?? 0) & mask) !== 0;
}

/** Turns the bit at `index` around; a chunk without bits is removed. */
export function flipMissed(ctx: StakingContext, validator: string, index: number): void {
  const { chunk, byte, mask } = placeOf(index);
  const key = missedKey(validator, chunk);
  const before = ctx.records.get(MISSED, key)?.bits;
  const bits = before === undefined ? new Uint8Array(MISSED_CHUNK_BYTES) : before.slice();
  bits[byte] = (bits[byte] ?? 0) ^ mask;
  const isEmpty = bits.every((one) => one === 0);
  ctx.records.set(MISSED, key, isEmpty ? undefined : { bits });
}

function placeOf(index: number): { chunk: number; byte: number; mask: number } {
  const at = index % MISSED_CHUNK_HEIGHTS;
  return { chunk: (index - at) / MISSED_CHUNK_HEIGHTS, byte: at >> 3, mask: 1 << (at & 7) };
}
