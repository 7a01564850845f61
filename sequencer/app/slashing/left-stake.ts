/**
 * Stake that has left a validator and answers for its infraction still: unbonding entries, and redelegations
 * with what has become of them at their destination (GHSA-86h5-xcpx-cfqc; token budget of spec staking C2).
 */
import type { UnbondingEntry } from "../../../proto/codec/staking-state.ts";
import type { StakingContext } from "../staking/context.ts";
import { bpsOf } from "../staking/decimal.ts";
import { removeTokens } from "../staking/delegations.ts";
import {
  delegatedTokens,
  delegationOf,
  poolOf,
  requireValidator,
} from "../staking/validator-records.ts";
import { delegationKey, REDELEGATIONS, UNBONDINGS } from "../state/tables.ts";
import type { SlashedFunds } from "./slashed-funds.ts";

/** What of one delegator's stake can be taken, and where it is. */
export interface LeftStake {
  readonly delegator: string;
  /** nweft that its fraction comes to, at most what is there. */
  readonly due: bigint;
  /** Key of an unbonding record, the ids of its entries, and how much of each. */
  readonly unbonding: string;
  readonly entries: readonly EntryDue[];
  /** Validator whose delegation is good for the rest; undefined for an unbonding entry. */
  readonly destination: string | undefined;
}

interface EntryDue {
  readonly id: number;
  readonly due: bigint;
}

/** All that answers for an infraction of `validator` at `infractionHeight`, in order of keys. */
export function leftStake(
  ctx: StakingContext,
  validator: string,
  infractionHeight: number,
  fractionBps: number,
): readonly LeftStake[] {
  const terms = { infractionHeight, fractionBps };
  return [...unbondingStake(ctx, validator, terms), ...redelegatedStake(ctx, validator, terms)];
}

/**
 * How much of each is taken: what is due, or so much less of each that it is `owed` together. It may come
 * to more because tokens count that had no power yet, and because power is rounded down.
 */
export function shareOut(left: readonly LeftStake[], owed: bigint): readonly bigint[] {
  let total = 0n;
  for (const { due } of left) total += due;
  if (total <= owed) return left.map(({ due }) => due);
  const cuts = left.map(({ due }) => (due * owed) / total);
  let rest = owed;
  for (const cut of cuts) rest -= cut;
  // Less than one nweft for each: the first ones give it.
  return cuts.map((cut, at) => {
    if (rest === 0n || cut >= (left[at]?.due ?? 0n)) return cut;
    rest -= 1n;
    return cut + 1n;
  });
}

/** Takes `amount` nweft, at most what is due: of entries first, in their order, then of the delegation. */
export function takeLeftStake(
  ctx: StakingContext,
  { delegator, unbonding, entries, destination }: LeftStake,
  amount: bigint,
  funds: SlashedFunds,
): void {
  if (amount === 0n) return;
  let owing = amount;
  const cuts = new Map<number, bigint>();
  for (const { id, due } of entries) {
    const cut = owing < due ? owing : due;
    cuts.set(id, cut);
    owing -= cut;
  }
  cutEntries(ctx, unbonding, cuts);
  funds.add("notBonded", amount - owing);
  if (destination !== undefined && owing > 0n) {
    const pool = poolOf(requireValidator(ctx, destination));
    funds.add(pool, takeDelegation(ctx, destination, delegator, owing));
  }
  if (delegator === funds.operator) funds.addOperatorLoss(amount);
}

interface Terms {
  readonly infractionHeight: number;
  readonly fractionBps: number;
}

function unbondingStake(ctx: StakingContext, validator: string, terms: Terms): LeftStake[] {
  const stake: LeftStake[] = [];
  for (const key of ctx.records.keys(UNBONDINGS, `${validator}/`)) {
    const delegator = key.slice(validator.length + 1);
    for (const entry of ctx.records.get(UNBONDINGS, key)?.entries ?? []) {
      if (!answers(ctx, entry, terms)) continue;
      const fraction = bpsOf(entry.initialBalance, terms.fractionBps);
      const due = fraction < entry.balance ? fraction : entry.balance;
      if (due === 0n) continue;
      const entries = [{ id: entry.id, due }];
      stake.push({ delegator, due, unbonding: key, entries, destination: undefined });
    }
  }
  return stake;
}

function redelegatedStake(ctx: StakingContext, validator: string, terms: Terms): LeftStake[] {
  const stake: LeftStake[] = [];
  for (const key of ctx.records.keys(REDELEGATIONS, `${validator}/`)) {
    const [, delegator = "", destination = ""] = key.split("/");
    const unbonding = delegationKey(destination, delegator);
    const leaving = ctx.records.get(UNBONDINGS, unbonding)?.entries ?? [];
    // Entries of one record draw on the same stake: each finds what those before it leave.
    const balances = new Map(leaving.map(({ id, balance }) => [id, balance]));
    let delegated = delegatedTokens(ctx, destination, delegator);
    for (const entry of ctx.records.get(REDELEGATIONS, key)?.entries ?? []) {
      if (!answers(ctx, entry, terms)) continue;
      let owing = bpsOf(entry.initialBalance, terms.fractionBps);
      const entries: EntryDue[] = [];
      let due = 0n;
      for (const { id } of leaving.filter((one) => hasFollowed(ctx, one, entry.createdHeight))) {
        const balance = balances.get(id) ?? 0n;
        const part = owing < balance ? owing : balance;
        if (part === 0n) continue;
        entries.push({ id, due: part });
        balances.set(id, balance - part);
        owing -= part;
        due += part;
      }
      const part = owing < delegated ? owing : delegated;
      delegated -= part;
      due += part;
      if (due > 0n) stake.push({ delegator, due, unbonding, entries, destination });
    }
  }
  return stake;
}

/** Whether an entry stood behind the infraction and waits still. */
function answers(
  ctx: StakingContext,
  entry: { readonly slashableThrough: number; readonly completionSeconds: number },
  { infractionHeight }: Terms,
): boolean {
  return entry.slashableThrough >= infractionHeight && entry.completionSeconds > ctx.nowSeconds;
}

/** Whether stake that left the destination may have come there by a redelegation at that height. */
function hasFollowed(ctx: StakingContext, entry: UnbondingEntry, redelegated: number): boolean {
  return entry.createdHeight >= redelegated && entry.completionSeconds > ctx.nowSeconds;
}

function cutEntries(ctx: StakingContext, key: string, cuts: ReadonlyMap<number, bigint>): void {
  if (cuts.size === 0) return;
  const entries = ctx.records.get(UNBONDINGS, key)?.entries ?? [];
  ctx.records.set(UNBONDINGS, key, {
    entries: entries.map((entry) => ({
      ...entry,
      balance: entry.balance - (cuts.get(entry.id) ?? 0n),
    })),
  });
}

/**
 * Takes shares of one delegation, so that nobody else at the destination loses: they are rounded up, and
 * the fraction of 1 nweft that this leaves over stays with the validator. Returns the nweft.
 */
function takeDelegation(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  amount: bigint,
): bigint {
  if (delegationOf(ctx, validator, delegator) === undefined) return 0n;
  const pool = poolOf(requireValidator(ctx, validator));
  const tokens = removeTokens(ctx, validator, delegator, amount);
  // Where the smallest share is worth more than 1 nweft, which takes a validator of dust.
  if (tokens > amount) ctx.pay(pool, delegator, tokens - amount);
  return tokens < amount ? tokens : amount;
}
