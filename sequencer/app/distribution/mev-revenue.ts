/**
 * The ledger of what ordering earns beside fees: what winners of auctions pay, and tips of bundles (spec/mev.md B8,
 * docs/adr/0020). A part is the rollup's, for its owner to claim; the rest goes to stakers, to the validator that
 * proposed the block, and to the community. Nothing is created or lost by rounding.
 */
import { rollupBpsOf, splitRevenue } from "../../../mev/revenue/ledger.ts";
import { Height } from "../../../proto/brands.ts";
import type { Pool, StakingContext } from "../staking/context.ts";
import { policyAt } from "../state/rollup-policy.ts";
import { EPOCH, REVENUE, VALIDATOR_REWARDS } from "../state/tables.ts";
import { mevRevenueEvent, penaltyEvent } from "./events.ts";
import { addToIndex } from "./rewards-index.ts";
import { creditValidator, NO_REVENUE } from "./rewards.ts";

/** Where revenue comes from. Fees have shares of their own (`allocateFees`). */
export type MevSource = "auction" | "tip" | "bond";

/** The pool that an amount is taken from: escrow of the bidder, and what senders of bundles have put in. */
const POOL_OF: Readonly<Record<MevSource, Pool>> = {
  auction: "escrow",
  tip: "sealed",
  bond: "atomicBonds",
};

export interface MevRevenue {
  /** 64 lower-case hex characters. */
  readonly rollupId: string;
  /** nweft, all of it in the source's pool. */
  readonly amount: bigint;
  readonly source: MevSource;
  /** Of the block in which it was earned: consensus address, 40 hex. */
  readonly proposer: string;
  /** As the policy says it; 0: the parameter. */
  readonly policyBps: number;
}

/**
 * Credits revenue of a rollup by its policy of now. A tip has to lie in the pool `sealed` before, what an auction
 * brings in `escrow`, what an atomic bundle loses in `atomicBonds`. `proposer`: of the block in which it was earned, consensus address, 40 hex.
 */
export function creditMev(
  ctx: StakingContext,
  rollupId: string,
  amount: bigint,
  source: MevSource,
  proposer: string,
): void {
  const rollup = ctx.rollup(rollupId);
  const policyBps = rollup && policyAt(rollup, Height(ctx.height)).revenueShareBps;
  creditRevenue(ctx, { rollupId, amount, source, proposer, policyBps: policyBps ?? 0 });
}

/** As `creditMev`, by a policy of before. */
export function creditRevenue(ctx: StakingContext, revenue: MevRevenue): void {
  const { rollupId, amount, source, proposer, policyBps } = revenue;
  if (amount === 0n) return;
  const { mevRollupBps, mevProposerBps, mevCommunityBps } = ctx.params;
  const split = splitRevenue(amount, {
    rollupBps: rollupBpsOf(policyBps, mevRollupBps),
    proposerBps: mevProposerBps,
    communityBps: mevCommunityBps,
  });
  // Whoever cannot take its part leaves it to the stakers, and these to the community.
  const toProposer =
    ctx.records.get(VALIDATOR_REWARDS, proposer) === undefined ? 0n : split.proposer;
  const rest = amount - split.rollup - toProposer - split.community;
  const power = ctx.records.get(EPOCH, "")?.activePower ?? 0n;
  const toStakers = power > 0n ? rest : 0n;
  const toCommunity = split.community + rest - toStakers;

  const pool = POOL_OF[source];
  ctx.move(pool, "rollupRevenue", split.rollup);
  ctx.move(pool, "rewards", toProposer + toStakers);
  ctx.move(pool, "community", toCommunity);
  const before = ctx.records.get(REVENUE, rollupId) ?? NO_REVENUE;
  ctx.records.set(REVENUE, rollupId, {
    ...before,
    accrued: before.accrued + split.rollup,
    auction: before.auction + (source === "auction" ? split.rollup : 0n),
    tips: before.tips + (source === "tip" ? split.rollup : 0n),
    lastHeight: Height(ctx.height),
  });
  if (toProposer > 0n) creditValidator(ctx, proposer, toProposer);
  if (toStakers > 0n) addToIndex(ctx, toStakers, power);
  const parts = { toRollup: split.rollup, toProposer, toCommunity, toStakers };
  ctx.emit(mevRevenueEvent({ ...revenue, ...parts }));
}

/** A bond that its owner has lost, out of the pool `sealed`: for the community. */
export function creditPenalty(ctx: StakingContext, amount: bigint): void {
  if (amount === 0n) return;
  ctx.move("sealed", "community", amount);
  ctx.emit(penaltyEvent(amount));
}
