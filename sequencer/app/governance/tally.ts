import { fromHex, toHex } from "../../../proto/bytes.ts";
import {
  ProposalStatus,
  type ProposalState,
  type TallyState,
} from "../../../proto/codec/governance-state.ts";
import { VoteOption } from "../../../proto/codec/governance-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { assert } from "../../../proto/errors.ts";
import { TALLY_VOTES_PER_BLOCK } from "../limits.ts";
import type { StakingContext } from "../staking/context.ts";
import { tokensOf } from "../staking/shares.ts";
import { DELEGATIONS, proposalKey, VALIDATORS, VOTES } from "../state/tables.ts";
import { bondedValidators } from "./votes.ts";

export interface TallyOutcome {
  readonly status:
    | typeof ProposalStatus.TIMELOCK
    | typeof ProposalStatus.REJECTED
    | typeof ProposalStatus.VETOED;
  readonly reason: string;
}

/**
 * Counts the next votes of a proposal, as many as a block may: each voter by its stake in validators of
 * the set at that moment. Counted votes are removed.
 */
export function countVotes(
  ctx: StakingContext,
  id: number,
  proposal: ProposalState,
): ProposalState {
  const { records } = ctx;
  const within = `${proposalKey(id)}/`;
  const validators = bondedValidators(ctx);
  const stakes = new Map(
    proposal.tally.counted.map(({ validator, stake }) => [toHex(validator), stake]),
  );
  let { tally, tallyCursor } = proposal;
  const cursor = toHex(tallyCursor);
  const operators = operatorsOf(ctx, validators);
  let counted = 0;
  for (const key of records.keys(VOTES, within)) {
    const voter = key.slice(within.length);
    if (voter <= cursor) continue;
    if (counted++ === TALLY_VOTES_PER_BLOCK) break;
    const vote = records.get(VOTES, key);
    assert(vote !== undefined, "a listed vote exists");
    let stake = 0n;
    for (const validator of validators) {
      const own = stakeOf(ctx, validator, voter);
      if (own === 0n) continue;
      stake += own;
      stakes.set(validator, (stakes.get(validator) ?? 0n) + own);
    }
    tally = add(tally, vote.option, stake);
    tallyCursor = fromHex(voter);
    // What an operator chose is read again at the end, for those who did not vote themselves.
    if (!operators.has(voter)) records.set(VOTES, key, undefined);
  }
  const byAddress = [...stakes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...proposal,
    status: ProposalStatus.TALLY,
    tally: {
      ...tally,
      counted: byAddress.map(([validator, stake]) => ({ validator: fromHex(validator), stake })),
    },
    tallyCursor,
  };
}

/** True when every vote of the proposal has been counted. */
export function isCounted(ctx: StakingContext, id: number, proposal: ProposalState): boolean {
  const within = `${proposalKey(id)}/`;
  const last = ctx.records.keys(VOTES, within).at(-1);
  return last === undefined || last.slice(within.length) <= toHex(proposal.tallyCursor);
}

/**
 * Adds what validators decide for those who delegate to them and did not vote, and judges: a quorum of
 * the stake in the set, then the veto, then the majority (as the Cosmos SDK's x/gov does).
 */
export function decide(
  ctx: StakingContext,
  id: number,
  proposal: ProposalState,
): { readonly tally: TallyState; readonly outcome: TallyOutcome } {
  const { records, params } = ctx;
  const stakes = new Map(
    proposal.tally.counted.map(({ validator, stake }) => [toHex(validator), stake]),
  );
  let tally: TallyState = { ...proposal.tally, counted: [] };
  let bonded = 0n;
  for (const address of bondedValidators(ctx)) {
    const validator = records.get(VALIDATORS, address);
    assert(validator !== undefined, "a listed validator exists");
    bonded += validator.tokens;
    const vote = records.get(VOTES, `${proposalKey(id)}/${toHex(validator.operator)}`);
    const rest = validator.tokens - (stakes.get(address) ?? 0n);
    // A slash while votes were counted can leave less than was counted.
    if (vote !== undefined && rest > 0n) tally = add(tally, vote.option, rest);
  }
  for (const key of records.keys(VOTES, `${proposalKey(id)}/`)) records.set(VOTES, key, undefined);
  return { tally, outcome: judge(tally, bonded, params) };
}

/** The rules by themselves; amounts in nweft. */
export function judge(
  tally: Pick<TallyState, "yes" | "no" | "abstain" | "veto">,
  bonded: bigint,
  params: { readonly quorumBps: number; readonly thresholdBps: number; readonly vetoBps: number },
): TallyOutcome {
  const { yes, no, abstain, veto } = tally;
  const voted = yes + no + abstain + veto;
  if (isBelow(voted, bonded, params.quorumBps) || bonded === 0n) {
    return rejected(`${voted} of ${bonded} nweft voted, ${params.quorumBps} bps are needed`);
  }
  if (veto * BPS > voted * BigInt(params.vetoBps)) {
    return {
      status: ProposalStatus.VETOED,
      reason: `${veto} of ${voted} nweft are a veto, at most ${params.vetoBps} bps`,
    };
  }
  const deciding = yes + no + veto;
  if (yes * BPS > deciding * BigInt(params.thresholdBps)) {
    return { status: ProposalStatus.TIMELOCK, reason: "" };
  }
  return rejected(
    `${yes} of ${deciding} nweft are for it, more than ${params.thresholdBps} bps are needed`,
  );
}

const BPS = BigInt(BASIS_POINTS);

function isBelow(part: bigint, whole: bigint, bps: number): boolean {
  return part * BPS < whole * BigInt(bps);
}

function rejected(reason: string): TallyOutcome {
  return { status: ProposalStatus.REJECTED, reason };
}

function add(tally: TallyState, option: VoteOption, stake: bigint): TallyState {
  switch (option) {
    case VoteOption.YES:
      return { ...tally, yes: tally.yes + stake };
    case VoteOption.NO:
      return { ...tally, no: tally.no + stake };
    case VoteOption.ABSTAIN:
      return { ...tally, abstain: tally.abstain + stake };
    case VoteOption.VETO:
      return { ...tally, veto: tally.veto + stake };
  }
}

/** nweft that a delegation is worth, rounded down. */
function stakeOf(ctx: StakingContext, validator: string, delegator: string): bigint {
  const delegation = ctx.records.get(DELEGATIONS, `${validator}/${delegator}`);
  const state = delegation && ctx.records.get(VALIDATORS, validator);
  return delegation === undefined || state === undefined ? 0n : tokensOf(state, delegation.shares);
}

function operatorsOf(ctx: StakingContext, validators: readonly string[]): ReadonlySet<string> {
  const operators = new Set<string>();
  for (const address of validators) {
    const validator = ctx.records.get(VALIDATORS, address);
    if (validator !== undefined) operators.add(toHex(validator.operator));
  }
  return operators;
}
