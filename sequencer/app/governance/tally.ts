import { fromHex, toHex } from "../../../proto/bytes.ts";
import {
  ProposalStatus,
  type ProposalState,
  type TallyState,
} from "../../../proto/codec/governance-state.ts";
import { VoteOption } from "../../../proto/codec/governance-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { assert } from "../../../proto/errors.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { tokensOf } from "../staking/shares.ts";
import { DELEGATIONS, delegationKey, proposalKey, VALIDATORS, VOTES } from "../state/tables.ts";
import { bondedValidators } from "./votes.ts";

export interface TallyOutcome {
  readonly status:
    | typeof ProposalStatus.TIMELOCK
    | typeof ProposalStatus.REJECTED
    | typeof ProposalStatus.VETOED;
  readonly reason: string;
}

/**
 * Counts the next votes of a proposal, `max` at most: each voter by its stake at that moment in the
 * validators that were in the set when counting began. Votes stay until all are counted: who has voted is
 * known by them (`followCountedVoter`).
 */
export function countVotes(
  ctx: StakingReader,
  id: number,
  proposal: ProposalState,
  max: number,
): { readonly proposal: ProposalState; readonly votes: number } {
  const { records } = ctx;
  const { counted } =
    proposal.status === ProposalStatus.TALLY ? proposal.tally : { counted: begin(ctx) };
  const shares = new Map(counted.map((one) => [toHex(one.validator), one.shares]));
  let { tally, tallyCursor } = proposal;
  const within = `${proposalKey(id)}/`;
  const after = within + toHex(tallyCursor);
  const keys = max === 0 ? [] : records.keys(VOTES, within, { after, max });
  for (const key of keys) {
    const voter = key.slice(within.length);
    const vote = records.get(VOTES, key);
    assert(vote !== undefined, "a listed vote exists");
    let stake = 0n;
    for (const [validator, before] of shares) {
      const own = records.get(DELEGATIONS, delegationKey(validator, voter))?.shares ?? 0n;
      if (own === 0n) continue;
      stake += worth(ctx, validator, own);
      shares.set(validator, before + own);
    }
    tally = add(tally, vote.option, stake);
    tallyCursor = fromHex(voter);
  }
  const countedNow = [...shares].map(([validator, own]) => ({
    validator: fromHex(validator),
    shares: own,
  }));
  return {
    proposal: {
      ...proposal,
      status: ProposalStatus.TALLY,
      tally: { ...tally, counted: countedNow },
      tallyCursor,
    },
    votes: keys.length,
  };
}

/** True when every vote of the proposal has been counted. */
export function isCounted(ctx: StakingReader, id: number, { tallyCursor }: ProposalState): boolean {
  const within = `${proposalKey(id)}/`;
  const after = within + toHex(tallyCursor);
  return ctx.records.keys(VOTES, within, { after, max: 1 }).length === 0;
}

/**
 * Adds what validators decide for those who delegate to them and did not vote, and judges: a quorum of
 * the stake in the set, then the veto, then the majority (as the Cosmos SDK's x/gov does).
 */
export function decide(
  ctx: StakingReader,
  id: number,
  { tally: counted }: ProposalState,
): { readonly tally: TallyState; readonly outcome: TallyOutcome } {
  const { records, params } = ctx;
  let tally: TallyState = { ...counted, counted: [] };
  let bonded = 0n;
  for (const { validator, shares } of counted.counted) {
    const address = toHex(validator);
    const state = records.get(VALIDATORS, address);
    // Without any stake it was removed meanwhile.
    if (state === undefined) continue;
    bonded += state.tokens;
    const vote = records.get(VOTES, `${proposalKey(id)}/${toHex(state.operator)}`);
    assert(shares <= state.shares, "nobody holds more shares than there are");
    if (vote !== undefined)
      tally = add(tally, vote.option, worth(ctx, address, state.shares - shares));
  }
  return { tally, outcome: judge(tally, bonded, params) };
}

/**
 * Removes votes of a proposal that is decided, `max` at most; returns how many. What was removed counts
 * no more, and nobody reads it.
 */
export function removeVotes(ctx: StakingContext, id: number, max: number): number {
  const keys = max === 0 ? [] : ctx.records.keys(VOTES, `${proposalKey(id)}/`, { max });
  for (const key of keys) ctx.records.set(VOTES, key, undefined);
  return keys.length;
}

/** True when no vote of the proposal is in the state. */
export function areVotesRemoved(ctx: StakingContext, id: number): boolean {
  return ctx.records.keys(VOTES, `${proposalKey(id)}/`, { max: 1 }).length === 0;
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

/** The validators whose stake votes, with nothing counted yet. */
function begin(ctx: StakingReader): TallyState["counted"] {
  return bondedValidators(ctx).map((validator) => ({ validator: fromHex(validator), shares: 0n }));
}

/** nweft that shares of a validator are worth, rounded down. */
function worth(ctx: StakingReader, validator: string, shares: bigint): bigint {
  const state = ctx.records.get(VALIDATORS, validator);
  return state === undefined ? 0n : tokensOf(state, shares);
}
