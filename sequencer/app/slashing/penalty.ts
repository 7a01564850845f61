/** What a fault costs, within what a validator can lose (spec staking C4). */
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import type { SlashedEntry } from "../../../proto/codec/slashing-state.ts";
import type { StakingContext } from "../staking/context.ts";
import { requireValidator } from "../staking/validator-records.ts";
import { SLASHED } from "../state/tables.ts";
import { jail, tombstone } from "./jail.ts";
import { slash, type SlashOutcome } from "./slash.ts";

export type Penalty =
  /** For what can only be meant: out for good, so that it costs once. */
  | { readonly kind: "tombstone"; readonly fractionBps: number }
  /** Out for a time. Faults that come to light within it cost as much as the worst of them. */
  | { readonly kind: "jail"; readonly fractionBps: number; readonly jailSeconds: number }
  /** Costs stake each time, and the place in the set stays. */
  | { readonly kind: "fine"; readonly fractionBps: number };

/** Who is punished and for what. */
export interface Offence {
  /** Consensus address, 40-hex. */
  readonly validator: string;
  /** Of the infraction, and the power in its set. */
  readonly height: number;
  readonly power: bigint;
  /** Name of the route or rule. */
  readonly reason: string;
}

const NOTHING: SlashOutcome = { burned: 0n, reward: 0n };

/**
 * Slashes, and takes out of the set unless it is a fine. All that a validator loses within an unbonding time comes to at most
 * the whole of its power's stake.
 */
export function punish(
  ctx: StakingContext,
  { validator, height, power, reason }: Offence,
  penalty: Penalty,
  reporter?: string,
): SlashOutcome {
  const entries = (ctx.records.get(SLASHED, validator)?.entries ?? []).filter(
    ({ seconds }) => seconds + ctx.params.unbondingSeconds > ctx.nowSeconds,
  );
  const fractionBps = chargeable(ctx, entries, penalty);
  const { status } = requireValidator(ctx, validator);
  const outcome =
    fractionBps === 0 || status === BondStatus.UNBONDED
      ? NOTHING
      : slash(ctx, { validator, infractionHeight: height, power, fractionBps, reason, reporter });
  let untilSeconds = ctx.nowSeconds;
  if (penalty.kind === "tombstone") tombstone(ctx, validator);
  else if (penalty.kind === "jail") {
    untilSeconds += penalty.jailSeconds;
    jail(ctx, validator, untilSeconds);
  }
  if (fractionBps > 0) {
    const entry = { seconds: ctx.nowSeconds, fractionBps, jailedUntilSeconds: untilSeconds };
    ctx.records.set(SLASHED, validator, { entries: [...entries, entry] });
  }
  return outcome;
}

/** The part of the fraction that may still be taken. */
function chargeable(
  ctx: StakingContext,
  entries: readonly SlashedEntry[],
  { kind, fractionBps }: Penalty,
): number {
  const running = entries.filter(({ jailedUntilSeconds }) => jailedUntilSeconds > ctx.nowSeconds);
  const due = kind === "jail" ? fractionBps - sumOf(running) : fractionBps;
  return Math.max(0, Math.min(due, BASIS_POINTS - sumOf(entries)));
}

function sumOf(entries: readonly SlashedEntry[]): number {
  return entries.reduce((sum, { fractionBps }) => sum + fractionBps, 0);
}
