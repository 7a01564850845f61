/** How value that ordering earns is split (spec/mev.md B8, docs/adr/0020): what winners of auctions pay, and tips of bundles. */
import { BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import { assert } from "../../proto/errors.ts";

/** Parts of an amount in basis points, each 0 to 10,000; stakers have the rest. */
export interface RevenueTerms {
  /** Of the rollup, whose owner claims it. First of all: the others share what it leaves. */
  readonly rollupBps: number;
  /** Of the validator that proposed the block. */
  readonly proposerBps: number;
  readonly communityBps: number;
}

/** nweft; they sum to the amount. */
export interface RevenueSplit {
  readonly rollup: bigint;
  readonly proposer: bigint;
  readonly community: bigint;
  readonly stakers: bigint;
}

/** Least part of a rollup, whatever its policy and the parameters say. */
export const ROLLUP_BPS_MIN = 5_000;

/**
 * Splits an amount. Where the rollup's part leaves too little for the others, the community's shrinks first, then
 * the proposer's. All parts are rounded down; what that leaves goes to the community.
 */
export function splitRevenue(amount: bigint, terms: RevenueTerms): RevenueSplit {
  const { rollupBps } = terms;
  assert(amount >= 0n, "revenue is not negative");
  assert(rollupBps >= 0 && rollupBps <= BASIS_POINTS, "a part is 0 to 10,000 basis points");
  const left = BASIS_POINTS - rollupBps;
  const proposerBps = Math.min(terms.proposerBps, left);
  const communityBps = Math.min(terms.communityBps, left - proposerBps);
  const part = (bps: number): bigint => (amount * BigInt(bps)) / BigInt(BASIS_POINTS);
  const rollup = part(rollupBps);
  const proposer = part(proposerBps);
  const stakers = part(left - proposerBps - communityBps);
  return { rollup, proposer, stakers, community: amount - rollup - proposer - stakers };
}

/**
 * The rollup's part in basis points: what its policy asks for, at least half; 0 in the policy stands for the
 * parameter.
 */
export function rollupBpsOf(policyBps: number, paramBps: number): number {
  return policyBps === 0 ? paramBps : Math.max(ROLLUP_BPS_MIN, policyBps);
}
