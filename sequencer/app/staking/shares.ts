/**
 * Shares and tokens (spec staking C1). A validator owes its `tokens` to whoever holds its `shares`; the
 * rate between them falls by slashing only, and rises only by what rounding leaves behind. Shares are
 * decimals, tokens nweft. Rounding is always against whoever acts, so that nobody profits by acting often.
 */
import type { ValidatorState } from "../../../proto/codec/staking-state.ts";
import { assert } from "../../../proto/errors.ts";
import { mulDivDown, mulDivUp, toDecimal } from "./decimal.ts";

/** What the rate follows from. */
export type Stake = Pick<ValidatorState, "tokens" | "shares">;

/** True when its shares are worth nothing: all was slashed, and no share has a price (InvalidExRate). */
export function isWorthless({ tokens, shares }: Stake): boolean {
  return tokens === 0n && shares > 0n;
}

/** Shares that `amount` nweft buy: one each at first, then by the rate, rounded down. Not when worthless. */
export function sharesOf(stake: Stake, amount: bigint): bigint {
  assert(!isWorthless(stake), "shares of a worthless validator have no price");
  if (stake.shares === 0n) return toDecimal(amount);
  return mulDivDown(stake.shares, amount, stake.tokens);
}

/** nweft that `shares` of it are worth, rounded down; all shares are worth all tokens. */
export function tokensOf(stake: Stake, shares: bigint): bigint {
  assert(shares >= 0n && shares <= stake.shares, "nobody holds more shares than there are");
  if (shares === 0n) return 0n;
  return mulDivDown(shares, stake.tokens, stake.shares);
}

/**
 * The most nweft that the holder of `shares` may ask for: what they are worth, rounded up, and at least 1.
 * Who asks for what does not quite exist any more clears a rest of less than 1 nweft, which would keep
 * the validator from ever being removed; it gets `tokensOf`, never more.
 */
export function askableOf(stake: Stake, shares: bigint): bigint {
  if (shares === 0n) return 0n;
  const worth = mulDivUp(shares, stake.tokens, stake.shares);
  return worth > 1n ? worth : 1n;
}

/**
 * Shares that go when the holder of `held` takes `amount` nweft out, at most `askableOf`: all when the
 * amount is all that they are worth, otherwise as many as are worth it, rounded up.
 */
export function sharesToRemove(stake: Stake, held: bigint, amount: bigint): bigint {
  if (amount >= tokensOf(stake, held)) return held;
  const shares = mulDivUp(stake.shares, amount, stake.tokens);
  return shares < held ? shares : held;
}
